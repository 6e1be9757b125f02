"""What somebody asks an update to move beyond what the specification demands."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from reprobuild.lockfile import ConnectorLock, normal_name
from reprobuild.resolver.freshness import Pins

__all__ = ["Wishes", "idle_wishes", "movable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What an update is to change beyond what the specification demands.

    ``names`` are the connectors to lock, None for all; ``upgrade`` lets every distribution and input move,
    ``packages`` those that it names; ``bases`` asks for every base image anew.
    """

    names: Collection[str] | None = None
    upgrade: bool = False
    packages: Collection[str] = ()
    bases: bool = False

    def moves(self, name: str) -> bool:
        """Say whether the distribution or input *name* may move."""
        return self.upgrade or normal_name(name) in map(normal_name, self.packages)


def movable(lock: ConnectorLock) -> frozenset[str]:
    """Return what can be asked to move in *lock*, distributions and inputs, by normalised name."""
    return frozenset({package.name for package in lock.packages} | {normal_name(one.name) for one in lock.inputs})


def idle_wishes(wishes: Wishes, locks: Mapping[str, ConnectorLock], pins: Mapping[str, Pins]) -> Iterator[str]:
    """Yield which of *wishes* did nothing to *locks*, since nobody has the distribution or a file pins it."""
    for wish in sorted(map(normal_name, wishes.packages)):
        if not any(wish in movable(lock) for lock in locks.values()):
            yield f"nothing requires {wish}"
        for name, known in pins.items():
            if wish in known.versions:
                yield f"{name}: {wish} stays at {known.versions[wish]}, which {known.file} pins"
