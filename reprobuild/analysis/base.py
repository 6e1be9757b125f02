"""The base of an image: which one it is, how many layers are its own, and whether its tag leads elsewhere today.

An image is told from its base by diffIDs, which survive recompression. Where the base's layers are not below the
image's, its tag has moved; then the image's history says where the base ends, as builders have written it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reprobuild.analysis.facts import AddedPackage, PackageFacts
from reprobuild.canonical import Digest
from reprobuild.oci.types import ImageConfig, Manifest

__all__ = ["Base", "Bottom", "added_packages", "annotated_base", "bottom_of", "fitting_base", "tag_of"]

_KEY = "org.opencontainers.image.base."
_OURS = "reprobuild "
"""What the history of a layer of ours begins with."""
_COMMAND = re.compile(r'(?:.*#\(nop\)\s+)?CMD\s+\["(?:python3?|bash|/bin/bash|sh|/bin/sh)"\]\s*(?:#.*)?')
"""What official images end with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A base image as it was read on one platform.

    ``today`` has the diffIDs of what the reference's tag leads to; None if it has no tag, or that was not to be read.
    """

    reference: str
    diff_ids: tuple[Digest, ...]
    today: tuple[Digest, ...] | None
    environment: Mapping[str, str]
    packages: tuple[PackageFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottom:
    """How many of an image's layers are of its base, and whether the base's tag has moved; None if nobody knows."""

    layers: int
    moved: bool | None


def annotated_base(manifest: Manifest) -> str:
    """Return what the annotations that OCI predefines name as base: with the digest, if both are there."""
    name, digest = (manifest.annotations.get(f"{_KEY}{key}", "") for key in ("name", "digest"))
    if not name or "@" in name or re.fullmatch(r"sha256:[0-9a-f]{64}", digest) is None:
        return name
    return f"{name}@{digest}"


def tag_of(reference: str) -> str:
    """Return *reference* without its digest; nothing if it has no digest, or no tag."""
    name, at, _ = reference.partition("@")
    return name if at and ":" in name.rpartition("/")[2] else ""


def bottom_of(config: ImageConfig, base: Base | None) -> Bottom:
    """Return where *base*, as far as it is known, ends in the image of *config*."""
    below = layers_by_history(config)
    if base is None:
        return Bottom(layers=below, moved=None)
    moved = None if base.today is None else not _is_below(base.today, config.diff_ids)
    if _is_below(base.diff_ids, config.diff_ids):
        return Bottom(layers=len(base.diff_ids), moved=moved)
    pairs = zip(base.diff_ids, config.diff_ids, strict=False)
    common = next((place for place, (one, other) in enumerate(pairs) if one != other), len(config.diff_ids))
    return Bottom(layers=below or common, moved=moved)


def fitting_base(diff_ids: Sequence[Digest], bases: Iterable[Base]) -> Base | None:
    """Return the base, of those in *bases* whose layers are below *diff_ids*, that has the most; None if none is."""
    fitting = [base for base in bases if base.diff_ids and _is_below(base.diff_ids, diff_ids)]
    return max(fitting, key=lambda base: (len(base.diff_ids), base.reference), default=None)


def layers_by_history(config: ImageConfig) -> int:
    """Return how many layers of *config* stand below what was built on a base, by its history; 0 if that is silent."""
    count = below = 0
    for number, entry in enumerate(config.history):
        said = str(entry.get("created_by") or "")
        if said.startswith(_OURS):
            return count
        count += not entry.get("empty_layer")
        if _COMMAND.fullmatch(said.strip()) and number + 1 < len(config.history):
            below = count
    return min(below, len(config.diff_ids)) if count == len(config.diff_ids) else 0


def added_packages(packages: Iterable[PackageFacts], base: Iterable[PackageFacts]) -> tuple[AddedPackage, ...]:
    """Return the OS packages that are not in *base* by name, architecture and version, with the base's version."""
    return tuple(_added(packages, base))


def _added(packages: Iterable[PackageFacts], base: Iterable[PackageFacts]) -> Iterator[AddedPackage]:
    there: dict[Any, list[str]] = {}
    for one in base:
        there.setdefault((one.kind, one.name, one.architecture), []).append(one.version)
    for one in packages:
        before = there.get((one.kind, one.name, one.architecture), [])
        if one.version not in before:
            yield AddedPackage(package=one, before=", ".join(sorted(before)))


def _is_below(base: Sequence[Digest], image: Sequence[Digest]) -> bool:
    return tuple(image[: len(base)]) == tuple(base)
