"""The root filesystem that an sdist is built in: the builder base, made ready, with the build requirements' wheels."""

from collections.abc import Callable, Sequence

from reprobuild.builder.base import stored_manifest
from reprobuild.builder.compress import Compression
from reprobuild.builder.fragment import Fragment, fragment_key, make_fragment, parse_fragment
from reprobuild.builder.layer import join
from reprobuild.builder.setup import prepared
from reprobuild.builder.site import Site, site_of
from reprobuild.builder.tar import archive
from reprobuild.builder.wheel_fragment import wheel_fragment
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer
from reprobuild.lockfile import BaseImage, Wheel
from reprobuild.oci.types import Platform
from reprobuild.store import Store

__all__ = ["build_root"]

_COMPRESSION: Compression = "gzip"
"""No execution's key knows how its layers are compressed."""


def build_root(
    base: BaseImage,
    platform: Platform,
    wheels: Sequence[Wheel],
    store: Store,
    *,
    epoch: int,
    tick: Callable[[], None] = lambda: None,
) -> tuple[RootLayer, ...]:
    """Return the layers of *base* on *platform*, lowest first, with *wheels* installed; all is in *store*.

    Blocking; *tick* is called now and then and may raise to stop the work. Wheels and fragments are those of images:
    what one of them has made, the other one finds.
    """
    manifest, config = stored_manifest(base, platform, store)
    layers = [
        RootLayer(descriptor=layer, diff_id=diff_id)
        for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
    ]
    entries = prepared(base, platform, wheels)
    tar = archive(((entry, [content] if content else []) for entry, content in entries), epoch=epoch)
    layers.append(join([make_fragment(tar, store, _COMPRESSION)], store, _COMPRESSION))
    site = site_of(base, platform)
    fragments = []
    for wheel in wheels:
        tick()
        fragments.append(_fragment(wheel, site, store, epoch))
    return tuple(layers) if not fragments else (*layers, join(fragments, store, _COMPRESSION))


def _fragment(wheel: Wheel, site: Site, store: Store, epoch: int) -> Fragment:
    key = fragment_key(wheel, site, epoch=epoch, compression=_COMPRESSION)
    try:
        found = parse_fragment(store.record("fragment", key) or {})
        if store.has(found.blob, found.size):
            return found
    except ContentError:
        pass
    fragment = wheel_fragment(wheel, site, store, epoch=epoch, compression=_COMPRESSION)
    store.write_record("fragment", key, fragment.to_json())
    return fragment
