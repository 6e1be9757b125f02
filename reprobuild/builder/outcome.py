"""What became of a planned image: its manifest in the store, and how that stands to the lock."""

from dataclasses import dataclass

from reprobuild.builder.plan import Outcome, PlannedImage
from reprobuild.canonical import Digest
from reprobuild.oci.types import Descriptor, Platform, parse_manifest
from reprobuild.store import Store

__all__ = ["BuiltImage", "built_image"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image that is in the store, and how it stands to the lock.

    ``size`` counts the bytes of all its blobs, base layers included; ``expected`` is what the lock records.
    ``cached`` says that it was not made just now, ``substituted`` that it came from a substituter instead;
    ``impure`` says that its hooks may have used a network, so that nobody can promise these bytes again.
    """

    connector: str
    platform: Platform
    derivation: Digest
    manifest: Descriptor
    size: int
    outcome: Outcome
    expected: Digest | None
    cached: bool
    substituted: bool = False
    impure: bool = False


def built_image(planned: PlannedImage, manifest: Descriptor, store: Store, *, cached: bool) -> BuiltImage:
    """Return *planned* as built, with *manifest*, which is in the store."""
    parsed = parse_manifest(store.read(manifest.digest))
    return BuiltImage(
        connector=planned.derivation.connector,
        platform=planned.derivation.platform,
        derivation=planned.key,
        manifest=manifest,
        size=manifest.size + parsed.config.size + sum(layer.size for layer in parsed.layers),
        outcome=planned.outcome(manifest.digest),
        expected=planned.recorded.manifest if planned.recorded else None,
        cached=cached,
        substituted=planned.substituted,
        impure=planned.derivation.network and bool(planned.derivation.hooks),
    )
