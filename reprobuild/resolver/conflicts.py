"""Two wheels that write one path with different bytes: found at lock time, or a race would decide (design §8)."""

from collections.abc import Mapping
from dataclasses import dataclass

from reprobuild.canonical import Digest
from reprobuild.errors import LockError

__all__ = ["Conflict", "check_conflicts", "find_conflicts"]

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A path of the image, and the two wheels, by file name, that would both write it."""

    path: str
    first: str
    second: str


def find_conflicts(written: Mapping[str, Mapping[str, Digest]]) -> tuple[Conflict, ...]:
    """Return the conflicts between wheels that are installed together, sorted by path.

    *written* maps each wheel's file name to the digest of every path that it writes. A path that is a file for
    one wheel and a folder for another is a conflict too.
    """
    owners: dict[str, tuple[str, Digest]] = {}
    found: dict[tuple[str, str, str], Conflict] = {}

    def clash(path: str, first: str, second: str) -> None:
        found[path, first, second] = Conflict(path=path, first=first, second=second)

    for wheel, paths in sorted(written.items()):
        for path, digest in paths.items():
            owner, other = owners.setdefault(path, (wheel, digest))
            if other != digest:
                clash(path, owner, wheel)
    for wheel, paths in sorted(written.items()):
        for folder in {folder for path in paths for folder in _folders(path)}:
            if folder in owners:
                clash(folder, owners[folder][0], wheel)
    return tuple(found[key] for key in sorted(found))


def check_conflicts(written: Mapping[str, Mapping[str, Digest]], *, where: str) -> None:
    """Raise LockError that names both wheels if two of them write one path with different bytes."""
    conflicts = find_conflicts(written)
    if not conflicts:
        return
    first = conflicts[0]
    lines = [f"  {one.path}: {one.first} and {one.second}" for one in conflicts[:_SHOWN]]
    more = [f"  … and {len(conflicts) - _SHOWN} more"] if len(conflicts) > _SHOWN else []
    raise LockError(
        "wheels write the same path with different bytes:\n" + "\n".join([*lines, *more]),
        where=where,
        hint=f"require only one of {first.first.split('-')[0]} and {first.second.split('-')[0]}, "
        "or versions of them that do not collide",
    )


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
