"""What of a store is reached from locks, and when the rest was last of use to anybody.

A record refers to what stands in it as a digest; so does a blob that is a JSON document (a manifest, an observation)
and not larger than any that we write. What else is called a digest there (a diffID) is nothing that the store has.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from reprobuild.garbage.holding import Holding, Item, Record

__all__ = ["References"]

_DIGEST = re.compile(rb"sha256:([0-9a-f]{64})")
_LARGEST_DOCUMENT = 64 * 1024 * 1024


class References:
    """Who refers to whom in *holding*. Blocking: files are read once they matter, each once."""

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._known: dict[Path, tuple[str, ...]] = {}

    def of(self, record: Record) -> tuple[str, ...]:
        """Return the names of the blobs that *record* refers to itself."""
        return self._read(record)

    def needed(self, names: Collection[str]) -> tuple[frozenset[str], frozenset[Path]]:
        """Return the blobs that locks need which name *names*, and the paths of records that do.

        Those are the blobs themselves, the images that derivations gave, and whatever these consist of.
        """
        records = [one for one in self._holding.records if one.kind == "output" and one.name in names]
        blobs = frozenset(self._closure([*names, *(name for one in records for name in self.of(one))], set()))
        return blobs, frozenset(one.path for one in records)

    def last_uses(self) -> Mapping[str, float]:
        """Return when each blob was last used, itself or as a part of what a record stands for."""
        found = {name: item.used for name, item in self._holding.blobs.items()}
        seen: set[str] = set()
        for record in sorted(self._holding.records, key=lambda one: one.used, reverse=True):
            for name in self._closure(self.of(record), seen):
                found[name] = max(found[name], record.used)
        return found

    def _closure(self, names: Iterable[str], seen: set[str]) -> Iterator[str]:
        """Yield the blobs *names* and all that they refer to, those in *seen* left out, to which they are added."""
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            blob = self._holding.blobs.get(name)
            if blob is not None and name not in seen:
                seen.add(name)
                yield name
                waiting += self._read(blob) if blob.size <= _LARGEST_DOCUMENT else ()

    def _read(self, item: Item) -> tuple[str, ...]:
        if item.path not in self._known:
            self._known[item.path] = tuple(
                name for name in dict.fromkeys(_digests(item.path)) if name in self._holding.blobs
            )
        return self._known[item.path]


def _digests(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            if file.read(1) != b"{":
                return []
            return [name.decode("ascii") for name in _DIGEST.findall(file.read())]
    except OSError:
        return []
