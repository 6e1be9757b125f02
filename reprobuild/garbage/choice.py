"""What goes and what stays: a holding, what locks need of it, ages and a size → the choice. No file is touched."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from reprobuild.garbage.holding import Holding, Item, Record
from reprobuild.garbage.reach import References

__all__ = ["Choice", "choice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What goes, by what it is; ``needed`` and ``recent`` are the bytes of what stays, for locks and for its age."""

    blobs: tuple[Item, ...]
    records: tuple[Record, ...]
    unpacked: tuple[Item, ...]
    leftovers: tuple[Item, ...]
    needed: int
    recent: int

    @property
    def freed(self) -> int:
        """The bytes of all that goes."""
        parts: tuple[Iterable[Item], ...] = (self.blobs, self.records, self.unpacked, self.leftovers)
        return sum(item.size for part in parts for item in part)


def choice(held: Holding, locked: Collection[str], *, before: float, most: int | None = None) -> Choice:
    """Choose what of *held* goes: leftovers, and what no lock needs and nobody has used since *before*.

    *locked* are the names that stand in locks. If all that stays is more than *most* bytes, more of what no lock needs
    goes, first what has not been used for longest.
    """
    references = References(held)
    needed, needed_records = references.needed(locked)
    uses = references.last_uses()
    loose = [(uses[name], item) for name, item in held.blobs.items() if name not in needed]
    loose += [(item.used, item) for item in held.unpacked]
    going = {item.path for used, item in loose if used < before}
    records = {one.path for one in held.records if one.path not in needed_records and one.used < before}
    if most is not None:
        size = held.size - _size(held, going | records) - sum(item.size for item in held.leftovers)
        going |= _oldest([(used, item) for used, item in loose if item.path not in going], size - most)
    return _chosen(held, references, going, records, needed)


def _oldest(loose: list[tuple[float, Item]], excess: int) -> set[Path]:
    """Return the paths of as many of *loose*, the longest unused first, as have *excess* bytes."""
    going = set()
    for _, item in sorted(loose, key=lambda one: (one[0], str(one[1].path))):
        if excess <= 0:
            break
        going.add(item.path)
        excess -= item.size
    return going


def _size(held: Holding, going: Collection[Path]) -> int:
    return sum(item.size for item in (*held.blobs.values(), *held.records, *held.unpacked) if item.path in going)


def _chosen(
    held: Holding, references: References, going: Collection[Path], records: Collection[Path], needed: Collection[str]
) -> Choice:
    blobs = tuple(item for item in held.blobs.values() if item.path in going)
    gone = {item.name for item in blobs}
    chosen = Choice(
        blobs=blobs,
        # Of no use without what they refer to.
        records=tuple(one for one in held.records if one.path in records or gone.intersection(references.of(one))),
        unpacked=tuple(item for item in held.unpacked if item.path in going),
        leftovers=held.leftovers,
        needed=sum(held.blobs[name].size for name in needed),
        recent=0,
    )
    return replace(chosen, recent=held.size - held.other - chosen.freed - chosen.needed)
