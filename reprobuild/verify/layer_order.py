"""Two layers of the same place → how they say the same entries: in which order, how often, with which times."""

from collections import Counter
from collections.abc import Iterator, Sequence

from reprobuild.image.index import IndexedFile
from reprobuild.verify.cause import Cause

__all__ = ["form_causes"]

_Key = tuple[str, str]


def form_causes(a: Sequence[IndexedFile], b: Sequence[IndexedFile]) -> Iterator[tuple[Cause, str]]:
    """Yield the causes *duplicate entries* and *order* with a detail, as far as they hold for *a* and *b*.

    Order is that of what both have: an entry that only one has puts nothing out of order.
    """
    mine, theirs = [_key(file) for file in a], [_key(file) for file in b]
    counts = Counter(mine), Counter(theirs)
    twice = sorted(key for key in counts[0].keys() & counts[1].keys() if counts[0][key] != counts[1][key])
    if twice:
        path = twice[0][0]
        yield "duplicate entries", f"{path}: {counts[0][twice[0]]} → {counts[1][twice[0]]} times"
    both = counts[0].keys() & counts[1].keys()
    first, second = ([key for key in dict.fromkeys(keys) if key in both] for keys in (mine, theirs))
    moved = next((pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]), None)
    if moved is not None:
        place = first.index(moved[0]) + 1
        yield "order", f"entry {place} of {len(first)} is {moved[0][0]} in A and {moved[1][0]} in B"


def _key(file: IndexedFile) -> _Key:
    return file.entry.path, file.hides
