"""reprobuild, building the same connectors from their locks, through its command line as a user would."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench_aside import set_aside
from bench_case import Built, Case, Scenario
from bench_context import main_file
from bench_stopwatch import Sample, said, timed

from reprobuild.lock_files import read_lock
from reprobuild.lockfile import BASE_LOCK, lock_path
from reprobuild.oci.types import parse_config, parse_manifest, parse_platform
from reprobuild.selection import selected
from reprobuild.store import Store
from reprobuild.target import Target

__all__ = ["CONNECTOR", "PLATFORM", "Reprobuild", "make_workspace"]

CONNECTOR = "source-notion"
PLATFORM = "linux/amd64"
_FURTHER = "source-further"
_BEFORE, _AFTER = "source-hooked-before", "source-hooked-after"
_HOOKS = {_BEFORE: "pre-install", _AFTER: "post-install"}
_HOOK = "#!/bin/sh\necho 'one file' >/one-file\n"
_PROJECT = """\
[project]
name = "{name}"
version = "1.0.0"
dependencies = {dependencies}

[tool.reprobuild]
packages = []
labels = {{ "io.airbyte.name" = "{name}" }}
"""
_STARTS = {
    Scenario.COLD: CONNECTOR,
    Scenario.NOOP: CONNECTOR,
    Scenario.FURTHER: _FURTHER,
    Scenario.WITHOUT_HOOK: _FURTHER,
    Scenario.HOOK: _BEFORE,
    Scenario.HOOK_NOOP: _BEFORE,
    Scenario.HOOK_AFTER: _AFTER,
}
"""What is built in each scenario."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reprobuild:
    """Builds in ``workspace``; below ``folder`` are stores, of which ``fetched`` and ``warm`` serve as originals."""

    workspace: Path
    folder: Path
    log: Path

    name = "reprobuild"

    @property
    def fetched(self) -> Path:
        """A store as `reprobuild fetch` leaves it: wheels and the base, no layer, no output."""
        return self.folder / "fetched"

    @property
    def warm(self) -> Path:
        """A store in which source-notion has been built."""
        return self.folder / "warm"

    def fetch(self) -> list[Path]:
        """Fill the store `fetched`; return the wheels that the image gets, pip's first."""
        timed(self._command("fetch", CONNECTOR), self.log, self._environ(self.fetched))
        lock, store, platform = read_lock(self.workspace, [CONNECTOR]), Store(self.fetched), parse_platform(PLATFORM)
        connector = lock.connectors[CONNECTOR]
        base = lock.bases[connector.base]
        wheels = selected(store, connector, Target(platform=platform, python=base.python, libc=base.libc))
        pip = [base.pip_wheel] if base.pip_wheel else []
        return [self.workspace / "lock" / "wheels" / wheel.file for wheel in (*pip, *wheels)]

    def prime(self) -> None:
        """Fill the store `warm`."""
        _link_tree(self.fetched, self.warm)
        self._build(CONNECTOR, self.warm)

    def cases(self) -> list[Case]:
        """Return the scenarios that others have, too."""
        steps = ((Scenario.COLD, self._cold), (Scenario.NOOP, self._noop), (Scenario.FURTHER, self._further))
        return [self._case(*step) for step in steps]

    def hook_cases(self) -> list[Case]:
        """Return the scenarios with hooks, and one without."""
        steps = (
            (Scenario.WITHOUT_HOOK, partial(self._from_fetched, Scenario.WITHOUT_HOOK)),
            (Scenario.HOOK, partial(self._from_fetched, Scenario.HOOK)),
            (Scenario.HOOK_NOOP, self._hook_noop),
            (Scenario.HOOK_AFTER, partial(self._from_fetched, Scenario.HOOK_AFTER)),
        )
        return [self._case(*step) for step in steps]

    def _case(self, scenario: Scenario, run: Callable[[int], Sample]) -> Case:
        return Case(tool=self.name, scenario=scenario, run=run, built=partial(self._built, scenario))

    def export(self, folder: Path) -> Sample:
        """Write the image to *folder* as an image layout."""
        return self._build(CONNECTOR, self.warm, "--output", f"oci:{folder}")

    def _cold(self, number: int) -> Sample:
        return self._from_fetched(Scenario.COLD, number)

    def _from_fetched(self, scenario: Scenario, _: int) -> Sample:
        return self._build(_STARTS[scenario], self._fresh(self.fetched, scenario))

    def _hook_noop(self, _: int) -> Sample:
        return self._build(_BEFORE, self._store(Scenario.HOOK))

    def _noop(self, _: int) -> Sample:
        return self._build(CONNECTOR, self.warm)

    def _further(self, number: int) -> Sample:
        main = self.workspace / "connectors" / _FURTHER / "main.py"
        main.write_text(main_file(number), encoding="utf-8")
        return self._build(_FURTHER, self._fresh(self.warm, Scenario.FURTHER))

    def _fresh(self, store: Path, scenario: Scenario) -> Path:
        """Return a copy of *store* for one run of *scenario*, in the place of the one before."""
        copy = self._store(scenario)
        set_aside(copy)
        _link_tree(store, copy)
        return copy

    def _store(self, scenario: Scenario) -> Path:
        shared = {Scenario.NOOP: self.warm, Scenario.HOOK_NOOP: self.folder / Scenario.HOOK.name.lower()}
        return shared.get(scenario, self.folder / scenario.name.lower())

    def _build(self, connector: str, store: Path, *options: str) -> Sample:
        words = ("build", connector, "--platform", PLATFORM, "--offline", *options)
        return timed(self._command(*words), self.log, self._environ(store))

    def _built(self, scenario: Scenario) -> Built:
        name, store = _STARTS[scenario], self._store(scenario)
        words = ("--quiet", "build", name, "--platform", PLATFORM, "--offline", "--json")
        answer = json.loads(said(self._command(*words), self.log, self._environ(store)))
        digest = answer["connectors"][0]["images"][0]["manifest"]["digest"]
        blobs = Store(store)
        config = parse_config(blobs.read(parse_manifest(blobs.read(digest)).config.digest))
        return Built(digest=digest, layers=tuple(config.diff_ids))

    def _command(self, *words: str) -> list[str]:
        program = Path(sys.executable).with_name("reprobuild")
        return [str(program), "--directory", str(self.workspace), *words]

    def _environ(self, store: Path) -> dict[str, str]:
        return {"REPROBUILD_STORE": str(store)}


def make_workspace(root: Path, folder: Path) -> Path:
    """Make *folder* a copy of the workspace *root* with further connectors, of the same wheels; return it.

    Two of them have a hook that writes one file, before or after everything is installed.
    """
    folder.mkdir()
    for name in ("pyproject.toml", BASE_LOCK):
        shutil.copy(root / name, folder / name)
    (folder / "build").mkdir()
    (folder / "build" / "base").symlink_to(root / "build" / "base")
    (folder / "lock").mkdir()
    for name in (CONNECTOR, _FURTHER, *_HOOKS):
        shutil.copy(root / lock_path(CONNECTOR), folder / lock_path(name))
    if (root / "lock" / "wheels").is_dir():
        shutil.copytree(root / "lock" / "wheels", folder / "lock" / "wheels")
    requirements = list(read_lock(root, [CONNECTOR]).connectors[CONNECTOR].requirements)
    for name in (_FURTHER, *_HOOKS):
        _make_connector(folder / "connectors" / name, requirements)
    for name, stage in _HOOKS.items():
        hook = folder / "connectors" / name / "hooks" / stage
        hook.parent.mkdir()
        hook.write_text(_HOOK, encoding="utf-8")
        hook.chmod(0o755)
    return folder


def _make_connector(folder: Path, requirements: list[str]) -> None:
    folder.mkdir(parents=True)
    project = _PROJECT.format(name=folder.name, dependencies=json.dumps(requirements))
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    (folder / "main.py").write_text(main_file(0), encoding="utf-8")


def _link_tree(source: Path, destination: Path) -> None:
    """Copy a store by hard links: a store never changes a file, it only puts another in its place."""
    shutil.copytree(source, destination, copy_function=os.link)
