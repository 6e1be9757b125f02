"""uv as a process: requirements in, versions and offers out.

The working directory is the workspace, so that the user's uv configuration and ``UV_…`` variables hold; what
would make an answer depend on the host (its Python, its platform, colours) is always given explicitly.
"""

import os
import re
import sys
import tempfile
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

from reprobuild.errors import LockError, MachineError, ReprobuildError
from reprobuild.resolver.complaint import complaint
from reprobuild.resolver.offers import Resolved, parse_resolution
from reprobuild.store import machine_errors
from reprobuild.target import Target

__all__ = ["Question", "Unresolved", "ask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to resolve, PEP 508 texts, and for what.

    ``seeds`` are versions to keep where they fit, ``pins`` versions that must hold, by normalised name.
    ``refresh`` names the distributions whose newest versions are wanted now; None means all of them.
    ``constraints`` are further PEP 508 texts that hold for what is needed anyway. ``links`` are wheels on this
    machine, by file name, that are offered beside the index's. With ``sources``, sdists count as well; ``python`` is
    then one that can build nothing (`reprobuild.resolver.barren`), or uv has no reason to: without ``dependencies``.
    """

    requirements: tuple[str, ...]
    target: Target
    seeds: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    refresh: Collection[str] | None = ()
    dependencies: bool = True
    constraints: tuple[str, ...] = ()
    links: Mapping[str, Path] = field(default_factory=dict)
    sources: bool = False
    python: Path = Path(sys.executable)

    def __post_init__(self) -> None:
        if self.sources and self.dependencies and self.python == Path(sys.executable):
            raise ValueError("uv could build sdists on this machine")

    @property
    def key(self) -> Hashable:
        """All of this question, to compare it with others."""
        refresh = None if self.refresh is None else tuple(sorted(self.refresh))
        tables = (tuple(sorted(table.items())) for table in (self.seeds, self.pins, self.links))
        return (
            self.requirements,
            self.target,
            refresh,
            self.dependencies,
            self.constraints,
            *tables,
            self.sources,
            self.python,
        )


class Unresolved(Exception):  # noqa: N818 - not an error for users: it carries one
    """uv found no solution: ``error`` says so to a user, ``stderr`` is what uv said."""

    def __init__(self, error: ReprobuildError, stderr: str) -> None:
        super().__init__(str(error))
        self.error = error
        self.stderr = stderr


async def ask(question: Question, root: Path, *, where: str) -> tuple[Resolved, ...]:
    """Return uv's answer to *question* in the workspace *root*; raise Unresolved if there is none.

    Raises MachineError if uv cannot be run. The process ends with the task that waits for it.
    """
    from reprobuild.resolver.questions import answered  # noqa: PLC0415 - waits

    return await answered((root, question.key), partial(_ask, question, root, where=where))


async def _ask(question: Question, root: Path, *, where: str) -> tuple[Resolved, ...]:
    with machine_errors(root), tempfile.TemporaryDirectory(prefix="reprobuild-") as folder:
        arguments = _arguments(question, Path(folder))
        done = await _run(arguments, "\n".join(question.requirements), root)
    stderr = done.stderr.decode("utf-8", "replace")
    if done.returncode < 0:
        raise MachineError(f"uv was ended by signal {-done.returncode}", where=where, hint="try again")
    if done.returncode != 0:
        raise Unresolved(complaint(stderr, where=where), stderr)
    resolved = parse_resolution(done.stdout.decode("utf-8", "replace"), sources=question.sources)
    counted = re.search(r"Resolved (\d+) packages?", stderr)
    if counted is not None and int(counted[1]) != len(resolved):
        raise LockError(
            f"uv resolved {counted[1]} packages but told of {len(resolved)}",
            where=where,
            hint="a lock has to hold all of them: remove `no-emit-package` from the uv configuration",
        )
    return resolved


async def _run(arguments: list[str], text: str, root: Path) -> CompletedProcess[bytes]:
    import anyio  # noqa: PLC0415

    try:
        return await anyio.run_process([_uv(), *arguments], input=text.encode(), cwd=root, check=False)
    except OSError as error:
        raise MachineError(f"uv cannot be run: {error.strerror}", where=error.filename, hint=_REINSTALL) from error


_REINSTALL = "reinstall reprobuild, or uv next to it"


def _uv() -> str:
    from uv import find_uv_bin  # noqa: PLC0415

    try:
        return find_uv_bin()
    except FileNotFoundError as error:
        raise MachineError("uv is not installed", where=str(error)[:200], hint=_REINSTALL) from error


def _arguments(question: Question, folder: Path) -> list[str]:
    target = question.target
    arguments = ["pip", "compile", "-", "--format", "pylock.toml", "--no-universal"]
    arguments += ["--no-build-isolation"] if question.sources else ["--only-binary", ":all:"]
    arguments += ["--no-annotate", "--no-header", "--color", "never", "--no-progress", "--python", str(question.python)]
    arguments += ["--python-platform", target.python_platform, "--python-version", target.python]
    if not question.dependencies:
        arguments.append("--no-deps")
    if question.refresh is None:
        arguments.append("--refresh")
    for name in sorted(question.refresh or ()):
        arguments += ["--refresh-package", name]
    if constraints := [*(f"{name}=={one}" for name, one in sorted(question.pins.items())), *question.constraints]:
        path = folder / "constraints.txt"
        path.write_text("\n".join(constraints))
        arguments += _added("--constraints", str(path), os.environ.get("UV_CONSTRAINT", "").split())
    if question.links:
        links = folder / "links"
        links.mkdir()
        for name, wheel in question.links.items():
            (links / name).symlink_to(wheel)
        arguments += _added("--find-links", str(links), os.environ.get("UV_FIND_LINKS", "").replace(",", " ").split())
    if question.seeds:
        # An existing output file is how uv is told what to prefer.
        output = folder / "pylock.toml"
        output.write_text(_preferences(question.seeds))
        arguments += ["--output-file", str(output)]
    return arguments


def _added(option: str, path: str, others: list[str]) -> list[str]:
    """Return *option* for *path* and *others*: given once, it would replace those of its variable."""
    return [word for each in (path, *others) for word in (option, each)]


def _preferences(seeds: Mapping[str, str]) -> str:
    head = 'lock-version = "1.0"\ncreated-by = "reprobuild"\n'
    return head + "".join(
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in sorted(seeds.items())
    )
