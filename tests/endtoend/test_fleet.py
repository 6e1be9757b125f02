"""A workspace of three hundred connectors, five of them broken: the others are built, and everything is told."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from reprobuild.canonical import digest_of
from reprobuild.lock_files import find_lock
from reprobuild.lock_writer import write_base_lock, write_connector_lock
from reprobuild.lockfile import BASE_LOCK, ConnectorLock, Package, Wheel, lock_path
from reprobuild.store import Store
from tests.cli.project import environment
from tests.endtoend.workspace import Workspace, check_blobs, leftovers
from tests.resolver.loopback_index import wheel_bytes

COUNT = 300
WHEELS = 24
_SPECIFICATION = """\
[tool.reprobuild]
platforms = ["linux/amd64", "linux/arm64"]
connectors = ["connectors/*"]

[tool.reprobuild.base."python-3.11"]
image = "oci:base:python-3.11"
timezone = "UTC"
"""
_ARM = "    \"sys_platform == 'linux' and platform_machine == 'aarch64'\",\n"
_PROJECT = """\
[project]
name = "{name}"
version = "1.0"
dependencies = ["wheel-0"]
[tool.reprobuild]
base = "python-3.11"
packages = []
"""
BROKEN = {
    "source-007": "colour: unknown key",
    "source-042": "stale: source-042: the requirement",
    "source-099": "wheels are not in the store",
    "source-150": "it ended with exit code 3",
    "source-288": "there is no lock yet",
}
"""Connectors that cannot be built, and some words of what is said of each."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, workspace: Workspace, base: Path) -> Workspace:
    """A fleet with locks that are written directly, and its wheels in a store; nothing has been built."""
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "home").mkdir()
    made = Workspace(folder=folder, environ=environment(folder))
    made.root.mkdir()
    (made.root / "base").symlink_to(base)
    store = Store(made.store)
    wheels = [_wheel(store, number) for number in range(WHEELS)]
    pattern = find_lock(workspace.root).lock
    locked, like = next(iter(pattern.bases.values())), next(iter(pattern.connectors.values()))
    files = {"pyproject.toml": _SPECIFICATION}
    files[BASE_LOCK] = write_base_lock({locked.name: replace(locked, pip_wheel=None)})
    for number in range(COUNT):
        name = _name(number)
        files[f"connectors/{name}/pyproject.toml"] = _PROJECT.format(name=name)
        files[f"connectors/{name}/main.py"] = f"print({number})\n"
        files[lock_path(name)] = _lock(name, like, [wheels[one] for one in _own(number)])
    made.write(files)
    return made


def _name(number: int) -> str:
    return f"source-{number:03}"


def _own(number: int) -> list[int]:
    """Return the wheels of connector *number*: one that all have, and others; the last is nobody's."""
    return sorted({0, *(1 + (number * step) % (WHEELS - 2) for step in (1, 3, 7))})


def _wheel(store: Store, number: int) -> Wheel:
    data = wheel_bytes(f"wheel-{number}", "1.0", files={f"wheel_{number}/data.txt": bytes([number]) * 5000})
    return Wheel(file=f"wheel_{number}-1.0-py3-none-any.whl", size=len(data), digest=store.add(data))


def _lock(name: str, like: ConnectorLock, wheels: Sequence[Wheel]) -> str:
    packages = tuple(
        Package(name=wheel.file.split("-")[0].replace("_", "-"), version="1.0", wheels=(wheel,))
        for wheel in sorted(wheels, key=lambda wheel: wheel.file.split("-")[0].replace("_", "-"))
    )
    return write_connector_lock(replace(like, name=name, requirements=("wheel-0",), packages=packages, outputs={}))


def _break(fleet: Workspace) -> None:
    specification = _PROJECT.format(name="source-007") + 'colour = "red"\n'
    other = _PROJECT.format(name="source-042").replace('"wheel-0"', '"wheel-0<9"')
    fleet.write({"connectors/source-007/pyproject.toml": specification, "connectors/source-042/pyproject.toml": other})
    like = find_lock(fleet.root, ["source-099"]).lock.connectors["source-099"]
    missing = Wheel(file="wheel_23-1.0-py3-none-any.whl", size=3, digest=digest_of(b"abc"))
    fleet.write({lock_path("source-099"): _lock("source-099", like, [missing])})
    # A hook runs where its platform can.
    text = (fleet.root / lock_path("source-150")).read_text()
    own = {lock_path("source-150"): text.replace(_ARM, "")}
    own["connectors/source-150/pyproject.toml"] = _PROJECT.format(name="source-150") + 'platforms = ["linux/amd64"]\n'
    fleet.write(own)
    hook = fleet.root / "connectors" / "source-150" / "hooks" / "post-install"
    fleet.write({"connectors/source-150/hooks/post-install": "#!/bin/sh\necho it is broken >&2\nexit 3\n"})
    hook.chmod(0o755)
    (fleet.root / lock_path("source-288")).unlink()


def test_three_hundred_connectors_and_five_that_are_broken(fleet: Workspace) -> None:
    whole = fleet.must("build", "--all", "--offline", "--dry-run", "--json").json
    assert whole["totals"]["images"] == {"up to date": 0, "substitute": 0, "build": 2 * COUNT}
    _break(fleet)
    assert fleet.run("build", "--all", "--offline").code == 2

    done = fleet.run("build", "--all", "--offline", "--keep-going", "--record", "--json", "-o", "oci:out")
    assert done.code == 2, done.err
    value = done.json
    built = {one["name"]: one for one in value["connectors"]}
    assert set(built) == {_name(number) for number in range(COUNT)} - set(BROKEN)
    assert len({image["manifest"]["digest"] for one in built.values() for image in one["images"]}) == 2 * len(built)
    failed = {one["name"]: one for one in value["failed"]}
    assert set(failed) == set(BROKEN)
    for name, words in BROKEN.items():
        assert words in failed[name]["error"], failed[name]
        assert f"error: {name}: " in done.err
    assert all(failed[name]["hint"] for name in BROKEN if name != "source-150"), failed
    assert done.err.splitlines()[-1] == f"failed: 5 connectors: {', '.join(sorted(BROKEN))}"
    layout = json.loads((fleet.root / "out" / "index.json").read_text())
    assert len(layout["manifests"]) == len(built)
    check_blobs(fleet.root / "out")
    assert not leftovers(fleet.folder)

    again = fleet.run("build", "--all", "--offline", "--keep-going", "--json")
    images = [image for one in again.json["connectors"] for image in one["images"]]
    assert again.code == 2
    assert {(image["outcome"], image["cached"]) for image in images} == {("verified", True)}

    parts = [fleet.run("build", "--all", "--offline", "-k", "--json", "--shard", f"{one}/3") for one in (1, 2, 3)]
    names = [[one["name"] for part in ("connectors", "failed") for one in done.json[part]] for done in parts]
    assert sorted(name for part in names for name in part) == [_name(number) for number in range(COUNT)]
    assert {len(part) for part in names} == {100}
