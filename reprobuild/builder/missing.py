"""What a plan needs and the store does not have."""

from collections.abc import Sequence

from reprobuild.builder.fragment import fragment_key, parse_fragment
from reprobuild.builder.plan import PlannedImage
from reprobuild.builder.site import site_of
from reprobuild.canonical import Digest
from reprobuild.derivation import Derivation
from reprobuild.lockfile import Wheel
from reprobuild.store import Store

__all__ = ["missing_wheels"]


def missing_wheels(images: Sequence[PlannedImage], store: Store) -> list[Wheel]:
    """Return the wheels that the images still to build need and the store has neither as such nor as fragments."""
    missing: dict[str, Wheel] = {}
    for image in images:
        if image.manifest is None:
            derivation, site = image.derivation, site_of(image.derivation.base, image.derivation.platform)
            for wheel in derivation.installed:
                key = fragment_key(wheel, site, epoch=derivation.epoch, compression=derivation.compression)
                keys = [key] if derivation.bytecode == "none" else [key, _bytecode_key(wheel, derivation)]
                if not store.has(wheel.digest, wheel.size) and not all(_has_fragment(store, key) for key in keys):
                    missing[wheel.file] = wheel
    return [missing[file] for file in sorted(missing)]


def _bytecode_key(wheel: Wheel, derivation: Derivation) -> Digest:
    from reprobuild.builder.bytecode import bytecode_key  # noqa: PLC0415 - installer, which most builds do without

    return bytecode_key(wheel, derivation)


def _has_fragment(store: Store, key: Digest) -> bool:
    record = store.record("fragment", key)
    if record is None:
        return False
    fragment = parse_fragment(record)
    return store.has(fragment.blob, fragment.size)
