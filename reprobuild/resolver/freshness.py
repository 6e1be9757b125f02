"""Whether the lock still says what the specification asks for: offline, by comparing, with reasons in words.

Age never makes a lock stale, nor does what an index has in the meantime.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reprobuild.lockfile import BASE_LOCK, BaseImage, ConnectorLock, Lock, lock_path, normal_name
from reprobuild.oci.types import Platform
from reprobuild.resolver.input_file import read_input
from reprobuild.resolver.locked_sdist import stale_sdists
from reprobuild.target import Target, environments

if TYPE_CHECKING:
    from reprobuild.workspace import BaseSpec, ConnectorSpec, Workspace

__all__ = ["Pins", "Reason", "base_platforms", "stale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a file of the lock (``where``) has to be made again, for *subject*, a connector or a base image."""

    subject: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """The versions that a file of the connector pins, by normalised name; ``file`` as users know it."""

    file: str
    versions: Mapping[str, str] = field(default_factory=dict)


def stale(
    workspace: "Workspace",
    lock: Lock,
    pins: Mapping[str, Pins],
    *,
    names: Collection[str] | None = None,
    damaged: Mapping[str, str] | None = None,
    incomplete: bool = False,
) -> tuple[Reason, ...]:
    """Return why *lock* does not fit *workspace*, nothing if it does; *pins* are the connectors' own, by name.

    With *names*, only these connectors and their bases are compared. *damaged* says by path what is wrong with files
    that could not be read and are not in *lock*. A workspace that is *incomplete*, because some connectors are broken,
    may have a base locked for more platforms than it seems to need.
    """
    found = _compared(workspace, lock, pins, names, incomplete=incomplete)
    faults = {path: f"its lock cannot be used: {fault}" for path, fault in (damaged or {}).items()}
    return tuple(replace(reason, text=faults.get(reason.where, reason.text)) for reason in found)


def base_platforms(workspace: "Workspace", base: str) -> tuple[Platform, ...]:
    """Return the platforms that *base* is locked for: those of its connectors, else those of the workspace.

    A base that sdists are built on has the platforms of those that they are built for.
    """
    served = {base, *(one.name for one in workspace.bases.values() if one.builder == base)}
    used = {platform for one in workspace.connectors.values() if one.base in served for platform in one.platforms}
    return tuple(sorted(used or workspace.platforms))


def _compared(
    workspace: "Workspace",
    lock: Lock,
    pins: Mapping[str, Pins],
    names: Collection[str] | None,
    *,
    incomplete: bool,
) -> list[Reason]:
    reasons: list[Reason] = []
    connectors = workspace.connectors if names is None else {name: workspace.connectors[name] for name in names}
    used = {spec.base for spec in connectors.values()}
    for name, base in sorted(workspace.bases.items()):
        if names is None or name in used:
            texts = _base(base, lock.bases.get(name), workspace, incomplete=incomplete)
            reasons += (Reason(subject=name, where=BASE_LOCK, text=text) for text in texts)
    for name, spec in sorted(connectors.items()):
        found, mine = lock.connectors.get(name), pins.get(name)
        reasons += (
            Reason(subject=name, where=lock_path(name), text=text) for text in _connector(spec, found, lock, mine)
        )
        if found is not None:
            reasons += (
                Reason(subject=name, where=lock_path(name), text=text) for text in stale_sdists(workspace, spec, found)
            )
    if names is not None:
        return reasons
    for name in sorted(lock.bases.keys() - workspace.bases.keys()):
        reasons.append(Reason(subject=name, where=BASE_LOCK, text="this base image is locked and no longer specified"))
    for name in sorted(lock.connectors.keys() - workspace.connectors.keys()):
        reasons.append(Reason(subject=name, where=lock_path(name), text="locked and no longer specified"))
    return reasons


def _base(spec: "BaseSpec", base: BaseImage | None, workspace: "Workspace", *, incomplete: bool) -> Iterator[str]:
    if base is None:
        yield "this base image is not locked"
        return
    if base.image != str(spec.image):
        yield f"the base image is {spec.image}, the lock is for {base.image}"
    wanted = set(base_platforms(workspace, spec.name))
    yield from _platforms(wanted | {*base.platforms} if incomplete else wanted, set(base.platforms))
    if spec.timezone != base.timezone:
        yield f"the timezone is to be {spec.timezone or 'as in the base image'}, the lock has {base.timezone or 'none'}"
    locked = base.pip_wheel.file.split("-")[1] if base.pip_wheel is not None else None
    if spec.pip != locked and (spec.pip is None or locked is None or not _equal(spec.pip, locked)):
        yield f"pip is to be {spec.pip or 'as in the base image'}, the lock has {locked or 'none'}"


def _connector(spec: "ConnectorSpec", lock: ConnectorLock | None, whole: Lock, pins: Pins | None) -> Iterator[str]:
    if lock is None:
        yield "there is no lock"
        return
    if lock.base != spec.base:
        yield f"the base is {spec.base}, the lock is for {lock.base}"
    elif (base := whole.bases.get(spec.base)) is not None:
        yield from _target(spec, lock, base)
    yield from _requirements(spec.requirements, lock.requirements)
    yield from _hooks(spec, lock)
    if pins is not None:
        yield from _pins(lock, pins)


def _target(spec: "ConnectorSpec", lock: ConnectorLock, base: BaseImage) -> Iterator[str]:
    targets = {platform: Target(platform=platform, python=base.python, libc=base.libc) for platform in spec.platforms}
    python = next(iter(targets.values())).requires_python if targets else lock.python
    if lock.python != python:
        yield f"the base has Python {base.python}, the lock is for {lock.python}"
    wanted, locked = environments(tuple(targets.values())), lock.environments
    for platform, target in sorted(targets.items()):
        if target.marker not in locked:
            yield f"the platform {platform} was added"
    for marker in locked:
        if marker not in wanted:
            yield f"a platform was removed: {marker}"


def _platforms(wanted: set[Platform], locked: set[Platform]) -> Iterator[str]:
    for platform in sorted(wanted - locked):
        yield f"the platform {platform} was added"
    for platform in sorted(locked - wanted):
        yield f"the platform {platform} was removed"


def _requirements(wanted: tuple[str, ...], locked: tuple[str, ...]) -> Iterator[str]:
    added, removed = sorted(set(wanted) - set(locked)), sorted(set(locked) - set(wanted))
    for requirement in added:
        before = next((old for old in removed if _name(old) == _name(requirement)), None)
        if before is None:
            yield f"the requirement {requirement} was added"
        else:
            removed.remove(before)
            yield f"the requirement {before} was changed to {requirement}"
    for requirement in removed:
        yield f"the requirement {requirement} was removed"


def _hooks(spec: "ConnectorSpec", lock: ConnectorLock) -> Iterator[str]:
    """Yield what differs in the inputs of hooks and in what makes them impure; what a URL serves is not looked at."""
    wanted, locked = {one.name: one for one in spec.inputs}, {one.name: one for one in lock.inputs}
    for name in sorted(wanted.keys() | locked.keys()):
        if name not in locked:
            yield f"the input {name} was added"
        elif name not in wanted:
            yield f"the input {name} was removed"
        elif (found := read_input(wanted[name])) is not None and found != locked[name]:
            yield f"the input {name} was changed: {locked[name].digest} → {found.digest}"
    for word in sorted(set(spec.hooks.impure) - set(lock.impure)):
        yield f"it has become impure ({word})"
    for word in sorted(set(lock.impure) - set(spec.hooks.impure)):
        yield f"it is no longer impure ({word})"


def _pins(lock: ConnectorLock, pins: Pins) -> Iterator[str]:
    for package in lock.packages:
        version = pins.versions.get(package.name)
        if version is not None and not _equal(version, package.version):
            yield f"{pins.file} has {package.name} {version}, the lock has {package.version}"


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return normal_name(match[0]) if match else requirement


def _equal(one: str, other: str) -> bool:
    if one == other:
        return True
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415 - mostly they are written alike

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return False
