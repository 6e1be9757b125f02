"""Whether the base image has moved, and which layers are its own."""

from collections.abc import Iterator

from reprobuild.verify.alignment import Alignment
from reprobuild.verify.difference import Difference
from reprobuild.verify.image_view import ImageView
from reprobuild.verify.places import is_os_release

__all__ = ["base_layers", "base_moved"]

_OURS = "reprobuild "
"""What the history of a layer of ours begins with."""


def base_layers(a: ImageView, b: ImageView, alignment: Alignment) -> tuple[int, int]:
    """Return how many layers of *a* and of *b*, from the lowest, are of base images that differ; 0 if none are.

    A lowest layer that differs is a base's if it has a system's os-release, if layers above it are equal, or if the
    history says where our own layers begin.
    """
    if 0 not in alignment.a or 0 not in alignment.b:
        return 0, 0
    if (counts := (_below_ours(a), _below_ours(b))) != (0, 0):
        return counts
    if alignment.equal:
        return alignment.equal[0]
    return (1, 1) if _has_system(a) and _has_system(b) else (0, 0)


def base_moved(a: ImageView, b: ImageView, alignment: Alignment, base: tuple[int, int]) -> Iterator[Difference]:
    """Yield that the base has moved, if *base*, what `base_layers` gives, says so."""
    if base == (0, 0):
        return
    count = max(base)
    detail = "the lowest layer differs" if count == 1 else f"the lowest {count} layers differ"
    if alignment.equal:
        detail += ", layers above are equal"
    old, new = (view.config.diff_ids[0] for view in (a, b))
    yield Difference(
        cause="base moved", kind="layer", place="layer 1", old=old, new=new, detail=detail, layers=(1, 1), base=True
    )


def _below_ours(view: ImageView) -> int:
    """Return how many layers stand below the first that reprobuild has made; 0 if there is none of them."""
    number = 0
    for entry in view.config.history:
        if entry.get("empty_layer"):
            continue
        if str(entry.get("created_by", "")).startswith(_OURS):
            return number
        number += 1
    return 0


def _has_system(view: ImageView) -> bool:
    return any(is_os_release(file.entry.path) for file in view.layers[view.config.diff_ids[0]])
