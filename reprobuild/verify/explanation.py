"""Why rebuilds of an image differ, from each other or from what the lock records; and both of them, kept to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from reprobuild.builder.plan import PlannedImage
from reprobuild.canonical import Digest
from reprobuild.errors import ContentError, ReprobuildError
from reprobuild.oci.layout import write_layout
from reprobuild.progress import Progress
from reprobuild.store import Store
from reprobuild.verify.check import Verdict
from reprobuild.verify.comparison import Comparison
from reprobuild.verify.conditions import differing
from reprobuild.verify.diff import compare
from reprobuild.verify.reading import Origin, Texts
from reprobuild.verify.rebuild import Rebuilt
from reprobuild.verify.seed import base_blobs, seed_store
from reprobuild.verify.stored import Stored, stored_descriptor

__all__ = ["Explanation", "Sides", "explained", "keep_sides", "sides_of"]

_TEXTS = Texts(files=100, lines=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The two images to hold against each other: what each is in words, its digest, and the store that has it."""

    names: tuple[str, str]
    digests: tuple[Digest, Digest]
    stores: tuple[Store, Store]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How the two sides of a verdict differ, or why that is not known; and where they are kept, if they are."""

    comparison: Comparison | None = None
    missing: str | None = None
    kept: tuple[str, str] | None = None


def sides_of(verdict: Verdict, builds: Sequence[Rebuilt], store: Store) -> Sides | None:
    """Return what explains *verdict*: two rebuilds that differ, or the recorded image in *store* and a rebuild.

    None if there is nothing to explain, or if nobody has the recorded image.
    """
    by_number = {build.conditions.number: build for build in builds}
    if verdict.answer == "differs":
        number, digest = verdict.manifests[0]
        second, other = next(found for found in verdict.manifests if found[1] != digest)
        one, two = by_number[number], by_number[second]
        names = f"build {number}", f"build {second}: other {', '.join(differing(one.conditions, two.conditions))}"
        return Sides(names=names, digests=(digest, other), stores=(one.store, two.store))
    if verdict.answer == "mismatch" and verdict.recorded is not None and verdict.recorded in store:
        number, digest = verdict.manifests[0]
        names = "recorded", f"build {number}"
        return Sides(names=names, digests=(verdict.recorded, digest), stores=(store, by_number[number].store))
    return None


async def explained(verdict: Verdict, sides: Sides | None, store: Store, progress: Progress) -> Explanation:
    """Return how *sides* differ; *store* remembers what was read of layers."""
    if sides is None:
        if verdict.answer != "mismatch":
            return Explanation()
        return Explanation(missing="the recorded image is not in this store, so nobody can say here how they differ")
    try:
        a, b = (_origin(sides, place) for place in (0, 1))
        return Explanation(comparison=await compare(a, b, store, progress, texts=_TEXTS))
    except ReprobuildError as error:
        return Explanation(missing=f"they cannot be compared: {error}")


async def keep_sides(image: PlannedImage, sides: Sides, folder: Path, store: Store) -> tuple[str, str]:
    """Write both *sides* into image layouts below *folder* and return their references.

    The base's layers have to be in *store*. Raises ContentError if an image is not whole, and what layouts raise.
    """
    tag = f"{image.derivation.connector}-{str(image.derivation.platform).replace('/', '-')}"
    layers = await to_thread.run_sync(base_blobs, [image], store)
    kept = []
    for place in (0, 1):
        own, path = sides.stores[place], folder / sides.names[place].partition(":")[0].replace(" ", "-")
        if own.root != store.root:
            seed_store(store, own.root, layers)
        root = stored_descriptor(sides.digests[place], own)
        await to_thread.run_sync(lambda: write_layout(path, entries=[(root, tag)], store=own))  # noqa: B023
        kept.append(f"oci:{path}:{tag}")
    return kept[0], kept[1]


def _origin(sides: Sides, place: int) -> Origin:
    store = sides.stores[place]
    if sides.digests[place] not in store:
        raise ContentError(f"{sides.digests[place]} is not in the store", where=str(store.root))
    source = Stored(stored_descriptor(sides.digests[place], store), store)
    return Origin(reference=sides.names[place], source=source, kept=False)
