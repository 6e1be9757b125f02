"""The answer to a comparison: what A and B are, how they differ, and what that comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reprobuild.canonical import Digest
from reprobuild.verify.cause import SAME_CONTENT
from reprobuild.verify.difference import Difference

__all__ = ["Comparison", "Side", "Verdict", "verdict_of"]

Verdict = Literal["identical", "same content, other compression", "differs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A or B: the reference as it was given, the digest that it led to, and its platforms."""

    reference: str
    digest: Digest
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two images held against each other. ``platforms`` are those that both have and that were compared."""

    a: Side
    b: Side
    platforms: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def verdict(self) -> Verdict:
        """What it comes to."""
        return verdict_of(self.differences)


def verdict_of(differences: Sequence[Difference]) -> Verdict:
    """Return what *differences*, all that there are, come to.

    *same content, other compression*: every layer is equal once decompressed, and so is all else that a container
    is made of; only digests and sizes of the compressed bytes differ, or how documents are written.
    """
    if not differences:
        return "identical"
    return "same content, other compression" if {one.cause for one in differences} <= SAME_CONTENT else "differs"
