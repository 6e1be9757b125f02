"""One difference between two images: where, what, and the cause."""

from dataclasses import dataclass
from typing import Any, Literal

from reprobuild.canonical import Digest
from reprobuild.verify.cause import Cause

__all__ = ["Difference", "Kind"]

Kind = Literal["image", "config", "layer", "package", "file"]
"""What the place of a difference is: the image, a member of its config, a layer, a package, a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference of A and B at *place*: a path without leading slash, a member of a document, a layer, a package.

    ``old`` is A's and ``new`` is B's, in short words, None where there is none. ``layers`` are the numbers of the
    layers, from 1, that have it in A and in B; ``base`` says that these belong to the base image. ``digests`` are
    those of a file's contents. ``text`` is a unified diff without its heading.
    """

    cause: Cause
    kind: Kind
    place: str
    old: str | None = None
    new: str | None = None
    detail: str = ""
    platform: str = ""
    layers: tuple[int | None, int | None] = (None, None)
    base: bool = False
    digests: tuple[Digest | None, Digest | None] = (None, None)
    text: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""
        return {
            "cause": self.cause,
            "kind": self.kind,
            "place": self.place,
            "old": self.old,
            "new": self.new,
            "detail": self.detail,
            "platform": self.platform,
            "layers": list(self.layers),
            "base": self.base,
            "digests": list(self.digests),
            "text": list(self.text),
        }
