"""What differs between two locks, as lines that people review: old → new."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from reprobuild.lockfile import BaseImage, ConnectorLock, Package

__all__ = ["Change", "base_changes", "connector_changes", "lines", "version_changes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something (``what``) of a connector or base image (``subject``) that was *old* and is *new*; None for nothing."""

    subject: str
    what: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        if self.old is None:
            return f"{self.subject}: {self.what} {self.new} added"
        return f"{self.subject}: {self.what} {self.old} " + ("removed" if self.new is None else f"→ {self.new}")


def lines(changes: Iterable[Change]) -> Iterator[str]:
    """Yield *changes* as people read them; a connector that was not locked before is one line, not a hundred."""
    for subject, group in groupby(changes, key=lambda change: change.subject):
        told = tuple(group)
        first = {change.what: change.new for change in told if change.old is None}
        if {"base", "Python"} <= first.keys() and len(first) == len(told):
            # No distribution has a space in its name: inputs and what is impure are told beside them.
            beside = [change for change in told if " " in change.what]
            count = len(told) - 2 - len(beside)
            what = "1 distribution" if count == 1 else f"{count} distributions"
            yield f"{subject}: locked for the first time: {what} on {first['base']}, Python {first['Python']}"
            yield from map(str, beside)
        else:
            yield from map(str, told)


def base_changes(name: str, old: BaseImage | None, new: BaseImage | None) -> tuple[Change, ...]:
    """Return what differs between two locked states of the base image *name*."""
    return _changes(name, _base(old), _base(new))


def connector_changes(name: str, old: ConnectorLock | None, new: ConnectorLock) -> tuple[Change, ...]:
    """Return what differs between two locks of the connector *name*: its base, Python, format, packages and inputs."""
    before = {"base": old.base, "Python": old.python} if old else {}
    after = {"base": new.base, "Python": new.python}
    if old is not None:
        before, after = before | {"format": str(old.format)}, after | {"format": str(new.format)}
    changes = _changes(name, before, after)
    earlier = _packages(old.packages if old else ())
    later = _packages(new.packages)
    versions = version_changes(name, _versions(earlier), _versions(later))
    hooks = _changes(name, _hooks(old) if old else {}, _hooks(new))
    return (*changes, *versions, *_wheels(name, earlier, later), *hooks)


def version_changes(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Change, ...]:
    """Return what differs between two sets of versions by distribution, for the connector *name*."""
    return _changes(name, old, new)


def _changes(subject: str, old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Change, ...]:
    keys = sorted(old.keys() | new.keys())
    return tuple(
        Change(subject=subject, what=key, old=old.get(key), new=new.get(key))
        for key in keys
        if old.get(key) != new.get(key)
    )


def _base(base: BaseImage | None) -> dict[str, str]:
    if base is None:
        return {}
    facts = {"image": base.image, "index": base.index, "Python": base.python, "libc": str(base.libc)}
    if base.pip_wheel is not None:
        facts["pip"] = base.pip_wheel.file.split("-")[1]
    return facts | {str(platform): one.manifest for platform, one in base.platforms.items()}


def _hooks(lock: ConnectorLock) -> dict[str, str]:
    """Return the inputs of hooks, and what is impure, in words that no distribution has as its name."""
    inputs = {f"input {one.name}": str(one.digest) for one in lock.inputs}
    return inputs | {f"impure {what}": why for what, _, why in (word.partition(": ") for word in lock.impure)}


def _packages(packages: tuple[Package, ...]) -> dict[str, Package]:
    return {package.name: package for package in packages}


def _versions(packages: Mapping[str, Package]) -> dict[str, str]:
    return {name: package.version for name, package in packages.items()}


def _wheels(subject: str, old: Mapping[str, Package], new: Mapping[str, Package]) -> Iterator[Change]:
    """Yield the wheels that are others although the version is the same."""
    for name in sorted(old.keys() & new.keys()):
        if old[name].version != new[name].version:
            continue
        before, after = ({wheel.file: wheel.digest for wheel in one.wheels} for one in (old[name], new[name]))
        for change in _changes(subject, before, after):
            yield Change(subject=subject, what=f"{name} wheel {change.what}", old=change.old, new=change.new)
