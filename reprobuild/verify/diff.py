"""Two references' contents held against each other, platform by platform: what `reprobuild diff` does."""

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from reprobuild.gathering import gathered
from reprobuild.oci.types import Platform
from reprobuild.progress import Progress
from reprobuild.store import Store
from reprobuild.verify.cause import rank
from reprobuild.verify.comparison import Comparison, Side
from reprobuild.verify.difference import Difference
from reprobuild.verify.images import view_of
from reprobuild.verify.index_view import IndexView, index_differences
from reprobuild.verify.reading import Origin, Texts, compare_images

__all__ = ["compare", "view_of"]


async def compare(
    a: Origin,
    b: Origin,
    store: Store,
    progress: Progress,
    *,
    platforms: Collection[Platform] = (),
    texts: Texts,
) -> Comparison:
    """Return how what is at *a* differs from what is at *b*, on *platforms* alone if any are given.

    With *platforms*, indexes themselves are not compared, and SpecificationError is raised if one side has no image
    for one of them. Raises what sources raise, and ContentError for what is no image or not what it claims.
    """
    mine, theirs = await gathered([partial(view_of, one, platforms) for one in (a, b)], limit=2)
    both = [name for name in mine.images if name in theirs.images]
    found: list[Difference] = [] if platforms else list(index_differences(mine, theirs))
    for name in both:
        pair = (a, mine.images[name]), (b, theirs.images[name])
        found += [replace(one, platform=name) for one in await compare_images(*pair, store, progress, texts=texts)]
    return Comparison(
        a=_side(a, mine, platforms),
        b=_side(b, theirs, platforms),
        platforms=tuple(both),
        differences=tuple(sorted(found, key=lambda one: rank(one.cause))),
    )


def _side(origin: Origin, view: IndexView, wanted: Collection[Platform]) -> Side:
    images = list(view.images.values())
    digest = images[0].digest if wanted and len(images) == 1 else view.root.digest
    return Side(reference=origin.reference, digest=digest, platforms=tuple(view.images))
