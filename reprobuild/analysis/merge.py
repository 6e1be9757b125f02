"""Several reports of a fleet as one: of its Dockerfiles and of its images, or of parts that were read apart."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reprobuild.analysis.environment import settings_of
from reprobuild.analysis.facts import DockerfileFacts, Fleet, Variant
from reprobuild.analysis.score import scores_of
from reprobuild.analysis.variants import told_apart

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
    """Return the variants of *given* as one list, and tell them apart anew if there were several."""
    if len(given) < 2:
        return tuple(given[0]) if given else ()
    members: dict[str, set[str]] = {}
    for file in dockerfiles:
        members.setdefault(file.variant, set()).add(file.connector)
    known = {one.digest: one for variants in given for one in variants if one.digest in members}
    found = [_with(known[digest], members[digest]) for digest in known]
    return told_apart(sorted(found, key=lambda one: (-len(one.connectors), one.digest)))


def _with(variant: Variant, connectors: Iterable[str]) -> Variant:
    names = tuple(sorted(connectors))
    return replace(variant, example=names[0], connectors=names)
