"""Small images for tests, made with the product's own writers."""

import hashlib
from collections.abc import Sequence

from reprobuild.builder.compress import Compression, blocks, compressor
from reprobuild.builder.tar import END, archive
from reprobuild.builder.tree import Entry, directory, in_order, parents
from reprobuild.canonical import Digest, canonical_json
from reprobuild.oci.types import (
    CONFIG,
    INDEX,
    LAYER_GZIP,
    LAYER_ZSTD,
    MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
)
from reprobuild.store import Store

__all__ = ["AMD64", "ARM64", "add_document", "add_image", "add_index", "layer"]

AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64")
_EPOCH = 315532800


def layer(files: dict[str, bytes], store: Store, *, compression: Compression = "gzip") -> tuple[Descriptor, Digest]:
    """Put a layer that holds *files* into *store*; return its descriptor and diffID."""
    folders = {parent for name in files for parent in parents(name)}
    entries = [directory(name) for name in folders] + [Entry(path=name, size=len(files[name])) for name in files]
    members = [(entry, [files[entry.path]] if entry.kind == "file" else []) for entry in in_order(entries)]
    raw = b"".join(archive(members, epoch=_EPOCH)) + END
    data = b"".join(map(compressor(compression), blocks([raw])))
    media_type = LAYER_GZIP if compression == "gzip" else LAYER_ZSTD
    descriptor = Descriptor(media_type=media_type, digest=store.add(data), size=len(data))
    return descriptor, Digest("sha256:" + hashlib.sha256(raw).hexdigest())


def add_image(
    store: Store,
    *,
    platform: Platform = AMD64,
    files: Sequence[dict[str, bytes]] = ({"etc/greeting": b"hello\n"}, {"usr/share/more": b"more\n"}),
    compression: Compression = "gzip",
) -> Descriptor:
    """Put an image with a layer for each of *files* into *store*; return its manifest's descriptor."""
    layers = [layer(content, store, compression=compression) for content in files]
    config = ImageConfig(
        platform=platform,
        config={"Env": ["PATH=/usr/bin"], "Cmd": ["/bin/true"]},
        diff_ids=tuple(diff_id for _, diff_id in layers),
        history=tuple({"created": "1980-01-01T00:00:00Z", "created_by": "test"} for _ in layers),
        created="1980-01-01T00:00:00Z",
    )
    manifest = Manifest(config=add_document(config.to_json(), CONFIG, store), layers=tuple(blob for blob, _ in layers))
    return add_document(manifest.to_json(), MANIFEST, store, platform=platform)


def add_index(store: Store) -> Descriptor:
    """Put an image for two platforms into *store*; return its index's descriptor."""
    images = tuple(
        add_image(store, platform=platform, files=[{"etc/arch": platform.architecture.encode()}])
        for platform in (AMD64, ARM64)
    )
    return add_document(Index(manifests=images).to_json(), INDEX, store)


def add_document(value: object, media_type: str, store: Store, *, platform: Platform | None = None) -> Descriptor:
    """Put *value* as canonical JSON into *store*; return its descriptor."""
    data = canonical_json(value)
    return Descriptor(media_type=media_type, digest=store.add(data), size=len(data), platform=platform)
