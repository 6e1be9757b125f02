"""The answer for a published image: what it is to the lock. Pure: both images were built, read and compared."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from reprobuild.canonical import Digest
from reprobuild.lockfile import lock_path
from reprobuild.oci.types import ImageConfig
from reprobuild.provenance.attested import Attestation
from reprobuild.verify.cause import SAME_CONTENT, Cause
from reprobuild.verify.comparison import Comparison
from reprobuild.verify.difference import Difference
from reprobuild.verify.identity import Identity
from reprobuild.verify.rebuild import Obstacle
from reprobuild.workspace.types import ConnectorSpec

__all__ = ["Verification", "Verified", "VerifiedAs", "answer_for", "foreign", "without_lost_annotations", "worst"]

VerifiedAs = Literal["identical", "same content, other compression", "differs", "not from this lock", "unknown"]
"""From the best to what says least."""
_ORDER: tuple[VerifiedAs, ...] = (
    "identical",
    "same content, other compression",
    "differs",
    "not from this lock",
    "unknown",
)
_FORM: frozenset[Cause] = SAME_CONTENT | {"annotation"}
"""No container knows of annotations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The answer for one platform, or for the index: the digest that is published, and the one that the lock gives.

    ``recorded`` is what the lock itself says, ``derivation`` what its image is made from, in which ``format``.
    ``reason`` says in words what the answer rests on. ``attestations`` are what documents beside the image say, None if
    nobody looked.
    """

    platform: str
    answer: VerifiedAs
    published: Digest | None = None
    built: Digest | None = None
    recorded: Digest | None = None
    reason: str | None = None
    hint: str | None = None
    comparison: Comparison | None = None
    derivation: Digest | None = None
    format: int | None = None
    attestations: tuple[Attestation, ...] | None = None

    @property
    def attested(self) -> bool:
        """Whether somebody with one of the keys attested it."""
        return any(one.answer == "good" for one in self.attestations or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The answers for all that is at a reference."""

    reference: str
    digest: Digest
    connector: str | None
    images: tuple[Verified, ...]
    index: Verified | None = None

    @property
    def answer(self) -> VerifiedAs:
        """The answer for the whole: the worst of them."""
        return worst([one.answer for one in (*self.images, *([self.index] if self.index else []))])


def worst(answers: Sequence[VerifiedAs]) -> VerifiedAs:
    """Return the answer of *answers* that promises least; *unknown* if there is none."""
    return max(answers, key=_ORDER.index, default="unknown")


def answer_for(differences: Sequence[Difference]) -> VerifiedAs:
    """Return the answer for images that differ by *differences*, all that there are.

    *Same content*: the same plain layers and the same configuration, whatever the bytes around them.
    """
    if not differences:
        return "identical"
    return "same content, other compression" if {one.cause for one in differences} <= _FORM else "differs"


def without_lost_annotations(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """Return *differences* of a published image and ours; that it lacks an annotation says nothing of base or time.

    Converting to Docker's media types loses annotations.
    """
    lost = (one.old is None and " annotation " in one.place and one.kind == "config" for one in differences)
    return tuple(replace(one, cause="annotation") if gone else one for one, gone in zip(differences, lost, strict=True))


def foreign(
    identity: Identity, spec: ConnectorSpec, *, config: ImageConfig, base: ImageConfig, base_manifest: Digest
) -> Obstacle | None:
    """Return why an image that says to be *identity* cannot be from the lock of *spec*; None if it can.

    *config* is the image's; *base* and *base_manifest* are those of the base that the lock has.
    """
    if identity.version and spec.version and identity.version != spec.version:
        return Obstacle(
            reason=f"it is version {identity.version}, {lock_path(spec.name)} is of {spec.version}",
            hint=f"check out the revision that {identity.version} was made from, and verify it there",
        )
    count = len(base.diff_ids)
    if config.diff_ids[:count] != base.diff_ids:
        said = f" ({identity.base})" if identity.base not in {None, base_manifest} else ""
        return Obstacle(
            reason=f"it does not stand on the base image that the lock has ({base_manifest}), but on another{said}",
            hint="check out the revision that it was made from, or publish it anew",
        )
    return None
