"""The ids that a user who is not root may give to files: subordinate ids, as subuid(5) has them."""

from dataclasses import dataclass

from reprobuild.errors import MachineError

__all__ = ["IdMap", "id_map", "map_arguments"]

_LEAST = 65536
"""So many an image can count on: 65534 is nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdMap:
    """The user's own id is 0 inside; *count* ids from 1 on are those from *first* on outside."""

    own: int
    first: int
    count: int


def id_map(text: str, *, own: int, names: tuple[str, str], path: str) -> IdMap:
    """Return what *text*, the content of *path*, gives the user who is known by *names*: the name and the id.

    *own* is the id, of the user or the group, that 0 stands for. Raises MachineError if it is nothing or too little.
    """
    best = (0, 0)
    for line in text.splitlines():
        name, _, rest = line.strip().partition(":")
        start, _, length = rest.partition(":")
        if name in names and start.isdecimal() and length.isdecimal():
            best = max(best, (int(length), int(start)))
    count, first = best
    if count < _LEAST - 1:
        raise MachineError(
            f"{path} gives the user {names[0]} {count or 'no'} subordinate ids, {_LEAST} are needed",
            where=path,
            hint=f"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {names[0]}; "
            "or run reprobuild as root",
        )
    return IdMap(own=own, first=first, count=count)


def map_arguments(ids: IdMap) -> list[str]:
    """Return *ids* in the words of newuidmap(1), after the process id."""
    return ["0", str(ids.own), "1", "1", str(ids.first), str(ids.count)]
