"""What changed between two states of a fleet: its images, each with what it was, and its Dockerfiles."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reprobuild.analysis.drift import Change, Drift, Why, image_drift
from reprobuild.analysis.facts import DockerfileFacts, Fleet, ImageFacts, Variant
from reprobuild.analysis.variants import variant_differences

__all__ = ["FleetDrift", "fleet_drift"]

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDrift:
    """How a fleet differs from what it was, one by one; and, in words, what only one side has."""

    drifts: tuple[Drift, ...]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()


def fleet_drift(a: Fleet, b: Fleet) -> FleetDrift:
    """Return how the images and Dockerfiles of *b* differ from those of *a*, where both have read such at all.

    Each is held against that of its connector and platform. Where each side has one connector only, whatever it is
    called, that is compared.
    """
    found = []
    if a.images and b.images:
        found.append(_images(a.images, b.images))
    if a.dockerfiles and b.dockerfiles:
        found.append(_dockerfiles(a, b))
    return FleetDrift(
        drifts=tuple(drift for one in found for drift in one.drifts),
        only_a=tuple(name for one in found for name in one.only_a),
        only_b=tuple(name for one in found for name in one.only_b),
    )


def _images(a: Sequence[ImageFacts], b: Sequence[ImageFacts]) -> FleetDrift:
    mine, theirs = _by_key(a, b)
    if len(mine) == len(theirs) == 1:
        return FleetDrift(drifts=(image_drift(*mine.values(), *theirs.values()),))
    return FleetDrift(
        drifts=tuple(image_drift(mine[key], theirs[key]) for key in sorted(mine.keys() & theirs.keys())),
        only_a=tuple(_named(mine[key]) for key in sorted(mine.keys() - theirs.keys())),
        only_b=tuple(_named(theirs[key]) for key in sorted(theirs.keys() - mine.keys())),
    )


def _by_key(
    a: Sequence[ImageFacts], b: Sequence[ImageFacts]
) -> tuple[Mapping[_Key, ImageFacts], Mapping[_Key, ImageFacts]]:
    """Return both sides by what an image is held against; by its reference if its connector has several."""
    is_one_each = len({one.connector for one in a}) == len({one.connector for one in b}) == 1
    name = {one.connector: "" if is_one_each else one.connector for one in (*a, *b)}
    counts = [Counter((name[one.connector], one.platform) for one in side) for side in (a, b)]

    def key(one: ImageFacts) -> _Key:
        short = name[one.connector], one.platform
        return short if all(count[short] < 2 for count in counts) else (one.reference, one.platform)

    return {key(one): one for one in a}, {key(one): one for one in b}


def _named(one: ImageFacts) -> str:
    return f"{one.connector} {one.platform} ({one.reference})"


def _dockerfiles(a: Fleet, b: Fleet) -> FleetDrift:
    mine, theirs = ({(one.connector, one.path): one for one in side.dockerfiles} for side in (a, b))
    texts = [{one.digest: one for one in side.variants} for side in (a, b)]
    return FleetDrift(
        drifts=tuple(_dockerfile(mine[key], theirs[key], texts) for key in sorted(mine.keys() & theirs.keys())),
        only_a=tuple(path for _, path in sorted(mine.keys() - theirs.keys())),
        only_b=tuple(path for _, path in sorted(theirs.keys() - mine.keys())),
    )


def _dockerfile(a: DockerfileFacts, b: DockerfileFacts, texts: Sequence[Mapping[str, Variant]]) -> Drift:
    changes = tuple(_edited(a.variant, b.variant, texts)) if a.variant != b.variant else ()
    places = (f"{one.path} (variant {one.variant})" for one in (a, b))
    return Drift(connector=b.connector, platform="", a=next(places), b=next(places), changes=changes)


def _edited(before: str, after: str, texts: Sequence[Mapping[str, Variant]]) -> Iterator[Change]:
    old, new = texts[0].get(before), texts[1].get(after)
    said = variant_differences(old, new) if old is not None and new is not None else ()
    for words in said or ("",):
        yield Change(what="dockerfile", name=words, before=before, after=after, cause=Why.EDITED)
