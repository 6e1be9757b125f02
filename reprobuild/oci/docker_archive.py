"""Archives as ``docker save`` writes them, old and new, as a source (``docker-archive:``).

``manifest.json`` names a config and layers but no digests, so the manifest is made here from what is hashed;
that the layers are those that the config means is checked against its diffIDs.
"""

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import closing
from typing import Any

from reprobuild.canonical import Digest, canonical_json, digest_of
from reprobuild.errors import ContentError, SpecificationError
from reprobuild.oci.checked import checked, in_thread
from reprobuild.oci.layout import read_file
from reprobuild.oci.members import Members
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.types import (
    CONFIG,
    LAYER_GZIP,
    LAYER_TAR,
    LAYER_ZSTD,
    MANIFEST,
    Descriptor,
    Manifest,
    parse_config,
)
from reprobuild.store import CHUNK

__all__ = ["DockerArchive"]

_Chunks = Callable[[], Iterator[bytes]]


class DockerArchive:
    """The image with the tag *tag*, or the only image, in the archive *members*; a Source."""

    def __init__(self, members: Members, tag: str | None, *, where: str) -> None:
        self._members = members
        self._tag = tag
        self._where = where
        self._blobs: dict[Digest, _Chunks] = {}

    async def resolve(self) -> Descriptor:
        """Return the descriptor of a manifest made for the image; reads and hashes all layers."""
        from anyio import to_thread  # noqa: PLC0415 - an archive may be named and not read

        return await to_thread.run_sync(self._describe)

    async def _stream(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
        if not self._blobs:
            await self.resolve()
        blob = self._blobs.get(descriptor.digest)
        if blob is None:
            raise ContentError(f"there is no blob {descriptor.digest}", where=self._where)
        async for chunk in in_thread(blob()):
            yield chunk

    def stream(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """Yield the bytes of *descriptor*, checked; see Source."""
        return checked(self._stream(descriptor), descriptor, where=self._where)

    async def close(self) -> None:
        """Close the file."""
        self._members.close()

    def _describe(self) -> Descriptor:
        image = self._chosen()
        config = self._config(image)
        names = image.get("Layers")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._bad("Layers is not a list of names")
        diff_ids = parse_config(config, where=self._where).diff_ids
        if len(diff_ids) != len(names):
            raise self._bad(f"{len(names)} layers, but the config has {len(diff_ids)}")
        layers = tuple(self._layer(name, diff_id) for name, diff_id in zip(names, diff_ids, strict=True))
        manifest = Manifest(config=self._remember(config, CONFIG), layers=layers)
        return self._remember(canonical_json(manifest.to_json()), MANIFEST)

    def _chosen(self) -> dict[str, Any]:
        images = self._images()
        chosen = [image for image in images if self._tag is None or _same(self._tag, image.get("RepoTags"))]
        if len(chosen) == 1:
            return chosen[0]
        tags = [str(tag) for image in images for tag in image.get("RepoTags") or ["(no tag)"]]
        what = f"{'several images' if chosen else 'no image'}{f' {self._tag!r}' if self._tag else ''}"
        raise SpecificationError(
            f"{what}; it holds {', '.join(sorted(tags))[:1000] or 'nothing'}",
            where=self._where,
            hint="write FILE:NAME:TAG with one of its tags",
        )

    def _images(self) -> list[dict[str, Any]]:
        data = read_file(self._members, "manifest.json", where=self._where)
        if data is None:
            raise SpecificationError(
                "not a Docker archive: it has no manifest.json",
                where=self._where,
                hint="an archive with index.json is read as oci-archive:FILE",
            )
        try:
            images = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._bad(f"manifest.json is not JSON: {str(error)[:200]}") from error
        if not isinstance(images, list) or not all(
            isinstance(image, dict) and isinstance(image.get("RepoTags"), list | None) for image in images
        ):
            raise self._bad("manifest.json is not a list of images")
        return images

    def _config(self, image: dict[str, Any]) -> bytes:
        name = image.get("Config")
        config = read_file(self._members, name, where=self._where) if isinstance(name, str) else None
        if config is None:
            raise self._bad(f"the config {str(name)[:200]!r} is missing")
        return config

    def _layer(self, name: str, diff_id: Digest) -> Descriptor:
        """Return the descriptor of the layer in the member *name*, whose tar has the digest *diff_id*."""
        if self._members.size(name) is None:
            raise self._bad(f"the layer {name[:200]!r} is missing")
        found, size, head = hashlib.sha256(), 0, b""
        for chunk in self._members.chunks(name):
            found.update(chunk)
            size += len(chunk)
            head = head or chunk[:4]
        digest = Digest(f"sha256:{found.hexdigest()}")
        media_type = _layer_type(head)
        if self._diff_id(name, media_type, digest) != diff_id:
            raise self._bad(f"the layer {name[:200]!r} is not {diff_id}, which the config lists")
        self._blobs[digest] = lambda: self._members.chunks(name)
        return Descriptor(media_type=media_type, digest=digest, size=size)

    def _diff_id(self, name: str, media_type: str, digest: Digest) -> Digest:
        if media_type == LAYER_TAR:
            return digest
        found = hashlib.sha256()
        raw: Any = io.BufferedReader(_Reader(self._members.chunks(name)), CHUNK)
        try:
            with closing(_decompressed(raw, media_type)) as layer:
                while chunk := layer.read(CHUNK):
                    found.update(chunk)
        except (OSError, EOFError, zlib.error, _zstd_error()) as error:
            raise self._bad(f"the layer {name[:200]!r} cannot be decompressed: {str(error)[:200]}") from error
        return Digest(f"sha256:{found.hexdigest()}")

    def _remember(self, data: bytes, media_type: str) -> Descriptor:
        digest = digest_of(data)
        self._blobs[digest] = lambda: iter([data])
        return Descriptor(media_type=media_type, digest=digest, size=len(data))

    def _bad(self, message: str) -> ContentError:
        return ContentError(message, where=self._where, hint="save the archive again")


class _Reader(io.RawIOBase):
    """Chunks as a file that decompressors read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._held = self._held or next(self._chunks, b"")
        count = min(len(buffer), len(self._held))
        buffer[:count], self._held = self._held[:count], self._held[count:]
        return count


def _layer_type(head: bytes) -> str:
    if head.startswith(b"\x1f\x8b"):
        return LAYER_GZIP
    return LAYER_ZSTD if head.startswith(b"\x28\xb5\x2f\xfd") else LAYER_TAR


def _decompressed(raw: Any, media_type: str) -> Any:
    return gzip.GzipFile(fileobj=raw) if media_type == LAYER_GZIP else _zstd().ZstdFile(raw)


def _zstd_error() -> type[Exception]:
    error: type[Exception] = _zstd().ZstdError
    return error


def _zstd() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:
        from backports import zstd  # noqa: PLC0415
    return zstd


def _same(tag: str, names: object) -> bool:
    """Say whether *tag* is one of *names*, in Docker's short form or the full one."""
    return isinstance(names, list) and any(
        isinstance(name, str) and (name == tag or _full(name) == _full(tag)) for name in names
    )


def _full(name: str) -> str:
    try:
        reference = parse_reference(name)
    except SpecificationError:
        return name
    return str(reference) if isinstance(reference, RegistryReference) else name
