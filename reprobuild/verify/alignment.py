"""Which layers of two images stand for one another, by their diffIDs and places."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from reprobuild.canonical import Digest

__all__ = ["Alignment", "align"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """Pairs of places, from 0: layers that are ``equal``, layers that differ and are ``paired`` by their place.

    ``a`` and ``b`` are all places that are not equal to their counterpart, pairs and such that have none.
    ``moved`` are pairs of equal layers that do not stand in the same order.
    """

    equal: tuple[tuple[int, int], ...]
    paired: tuple[tuple[int, int], ...]
    moved: tuple[tuple[int, int], ...]
    a: tuple[int, ...]
    b: tuple[int, ...]


def align(a: Sequence[Digest], b: Sequence[Digest]) -> Alignment:
    """Return how the layers with the diffIDs *a* stand to those with *b*, lowest first."""
    equal: list[tuple[int, int]] = []
    paired: list[tuple[int, int]] = []
    mine: list[int] = []
    theirs: list[int] = []
    for tag, start, end, other, last in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            equal += zip(range(start, end), range(other, last), strict=True)
            continue
        mine += range(start, end)
        theirs += range(other, last)
        if end - start == last - other:
            paired += zip(range(start, end), range(other, last), strict=True)
    moved = _moved([(place, a[place]) for place in mine], [(place, b[place]) for place in theirs])
    gone = {one for one, _ in moved}, {other for _, other in moved}
    return Alignment(
        equal=tuple(equal),
        paired=tuple(pair for pair in paired if pair[0] not in gone[0] and pair[1] not in gone[1]),
        moved=tuple(moved),
        a=tuple(place for place in mine if place not in gone[0]),
        b=tuple(place for place in theirs if place not in gone[1]),
    )


def _moved(mine: Sequence[tuple[int, Digest]], theirs: Sequence[tuple[int, Digest]]) -> list[tuple[int, int]]:
    places: dict[Digest, list[int]] = {}
    for place, diff_id in theirs:
        places.setdefault(diff_id, []).append(place)
    return [(place, places[diff_id].pop(0)) for place, diff_id in mine if places.get(diff_id)]
