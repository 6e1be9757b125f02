"""Several reports of a fleet as one: of its Dockerfiles and of its images, or of parts that were read apart."""

from collections.abc import Iterable, Sequence

from reprobuild.analysis.environment import settings_of
from reprobuild.analysis.facts import DockerfileFacts, Fleet, Variant
from reprobuild.analysis.score import scores_of

__all__ = ["merged"]


def merged(fleets: Sequence[Fleet]) -> Fleet:
    """Return one fleet of all that *fleets* have; of what two of them have read, the later one counts.

    Scores, variants and the environment are told of the whole, so the order of connectors is by name.
    """
    files = {(one.connector, one.path): one for fleet in fleets for one in fleet.dockerfiles}
    pictures = {(one.connector, one.platform, one.reference): one for fleet in fleets for one in fleet.images}
    dockerfiles = tuple(files[key] for key in sorted(files))
    images = tuple(pictures[key] for key in sorted(pictures))
    return Fleet(
        dockerfiles=dockerfiles,
        variants=_variants([fleet.variants for fleet in fleets if fleet.variants], dockerfiles),
        images=images,
        settings=settings_of(images),
        scores=scores_of(dockerfiles, images),
        missing=tuple(dict.fromkeys(one for fleet in fleets for one in fleet.missing)),
    )


def _variants(given: Sequence[Sequence[Variant]], dockerfiles: Sequence[DockerfileFacts]) -> tuple[Variant, ...]:
    """Return the variants of *given* as one list; differences are kept if they are from what is most common now."""
    if len(given) < 2:
        return tuple(given[0]) if given else ()
    members: dict[str, set[str]] = {}
    for file in dockerfiles:
        members.setdefault(file.variant, set()).add(file.connector)
    known: dict[str, list[tuple[Variant, str]]] = {}
    for variants in given:
        for one in variants:
            known.setdefault(one.digest, []).append((one, variants[0].digest))
    ordered = sorted(known.keys() & members.keys(), key=lambda digest: (-len(members[digest]), digest))
    return tuple(_variant(known[digest], members[digest], ordered[0]) for digest in ordered)


def _variant(known: Iterable[tuple[Variant, str]], connectors: Iterable[str], most_common: str) -> Variant:
    names = tuple(sorted(connectors))
    fitting = [one for one, compared in known if compared == most_common and one.digest != most_common]
    example = next(one for one, _ in known)
    return Variant(
        digest=example.digest,
        example=names[0],
        connectors=names,
        text=example.text,
        differences=fitting[0].differences if fitting else (),
    )
