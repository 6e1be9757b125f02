"""What could be taken from a substituter, told without taking it."""

from collections.abc import Sequence
from dataclasses import dataclass

from reprobuild.oci.types import Descriptor

__all__ = ["Available"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Available:
    """The layers that an image has on top of its base, and the blobs that would be ``taken`` for them."""

    layers: Sequence[Descriptor]
    taken: Sequence[Descriptor]
