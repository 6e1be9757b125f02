"""Compressed layers as plain bytes: gzip, zstd or none, within bounds, whatever was sent.

Yields at most `STEP` bytes at a time, so that a bomb costs no memory before it is recognised. zlib-ng reads gzip in
half the time of Python's own zlib, and libdeflate reads members as we write them in two thirds of that (ADR 8); what
they give is held against a digest by whoever asks.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol, cast

from zlib_ng import zlib_ng

from reprobuild.errors import ContentError
from reprobuild.oci.types import LAYER_GZIP, LAYER_TAR, LAYER_ZSTD, Descriptor, oci_media_type

__all__ = ["STEP", "plain"]

STEP = 1024 * 1024
"""The most bytes that are handed out at once."""

_MEMBER = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"
"""How members begin that `builder.compress` has written: each holds at most STEP bytes."""
_FAULTS = (cast("type[Exception]", zlib_ng.error),)
_RATIO = 200
_ALLOWANCE = 256 * 1024 * 1024
"""What a layer may hold beyond _RATIO times its compressed size: some sparse files are zeros alone."""
_DOCKER_ZSTD = "application/vnd.docker.image.rootfs.diff.tar.zstd"
_FOREIGN = ("nondistributable", "foreign")


class _Stream(Protocol):
    """One gzip member or zstd frame under way, as zlib and zstd both have it."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


def plain(descriptor: Descriptor, chunks: Iterable[bytes], *, where: str) -> Iterator[bytes]:
    """Yield the bytes of the layer *descriptor*, whose compressed bytes are *chunks*, decompressed.

    Raises ContentError for a media type that is no layer's, for bytes that are not what it says, that were cut
    short or go on too long, and for a bomb.
    """
    media_type = oci_media_type(descriptor.media_type)
    if media_type == LAYER_TAR:
        return _bounded(chunks, descriptor, where)
    if media_type == LAYER_GZIP:
        return _bounded(_members(chunks, where), descriptor, where)
    if media_type in {LAYER_ZSTD, _DOCKER_ZSTD}:
        return _bounded(_zstd(chunks, where), descriptor, where)
    if any(mark in media_type for mark in _FOREIGN):
        raise ContentError(
            "the layer may not be distributed, so its files cannot be read",
            where=where,
            hint="use a base image whose layers are all in the registry",
        )
    raise ContentError(
        f"unknown media type of a layer: {media_type[:100]!r}",
        where=where,
        hint="what is read is tar, plain or compressed with gzip or zstd; publish the image anew in one of these",
    )


def _bounded(pieces: Iterable[bytes], descriptor: Descriptor, where: str) -> Iterator[bytes]:
    limit, size = _ALLOWANCE + _RATIO * descriptor.size, 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise ContentError(
                f"a bomb: {descriptor.size} bytes become more than {limit}",
                where=where,
                hint="use another base image, or ask whoever publishes it",
            )
        yield piece


def _members(chunks: Iterable[bytes], where: str) -> Iterator[bytes]:
    """Yield what the gzip members in *chunks* hold: whole ones that look like ours, from any other on as it comes.

    Where one ends is a guess, by how the next begins, and right if length and checksum agree.
    """
    from deflate import DeflateError, crc32, gzip_decompress  # noqa: PLC0415

    source, held, start = iter(chunks), b"", 0
    for chunk in source:
        held, start = held[start:] + chunk, 0
        view = memoryview(held)
        while (end := held.find(_MEMBER, start + len(_MEMBER))) > 0 and _is_small(view[start:end]):
            try:
                piece = bytes(gzip_decompress(view[start:end]))
            except (DeflateError, ValueError):
                break
            if crc32(piece) != int.from_bytes(view[end - 8 : end - 4], "little"):
                break
            start = end
            yield piece
        left = len(held) - start
        if end > 0 or not held.startswith(_MEMBER[:left], start) or left > 2 * STEP:
            break
    yield from _gzip(chain([held[start:]], source), where)


def _is_small(member: memoryview) -> bool:
    """Say whether *member* begins as ours do and says that it holds as much as they do."""
    return member[: len(_MEMBER)] == _MEMBER and 0 < int.from_bytes(member[-4:], "little") <= STEP


def _gzip(chunks: Iterable[bytes], where: str) -> Iterator[bytes]:
    """Yield what the gzip members in *chunks* hold (RFC 1952 §2.2: members follow one another)."""
    member, fresh = zlib_ng.decompressobj(wbits=31), True
    for chunk in chunks:
        data = chunk
        while data:
            if member.eof:
                member = zlib_ng.decompressobj(wbits=31)
            try:
                yield member.decompress(data, STEP)
            except _FAULTS as error:
                raise _damaged("gzip", str(error), where) from error
            data, fresh = member.unused_data if member.eof else member.unconsumed_tail, False
        # What fits in the window may still wait inside when all input is taken.
        while not member.eof and (piece := _rest(member, where)):
            yield piece
    _complete(member, "gzip", where, fresh=fresh)


def _rest(member: "zlib_ng._Decompress", where: str) -> bytes:
    try:
        return member.decompress(b"", STEP)
    except _FAULTS as error:
        raise _damaged("gzip", str(error), where) from error


def _zstd(chunks: Iterable[bytes], where: str) -> Iterator[bytes]:
    """Yield what the zstd frames in *chunks* hold (RFC 8878 §3: frames follow one another)."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:
        from backports import zstd  # noqa: PLC0415
    frame, fresh = zstd.ZstdDecompressor(), True
    for chunk in chunks:
        data = chunk
        while data or not (frame.eof or frame.needs_input):
            if frame.eof:
                frame = zstd.ZstdDecompressor()
            try:
                yield frame.decompress(data, STEP)
            except zstd.ZstdError as error:
                raise _damaged("zstd", str(error), where) from error
            data, fresh = frame.unused_data if frame.eof else b"", False
    _complete(frame, "zstd", where, fresh=fresh)


def _complete(stream: _Stream, name: str, where: str, *, fresh: bool) -> None:
    if fresh or not stream.eof:
        raise _damaged(name, "it ends too early", where)


def _damaged(name: str, why: str, where: str) -> ContentError:
    return ContentError(
        f"the {name} data cannot be read: {why[:200]}",
        where=where,
        hint="the image was damaged before it was published; use another one, or ask whoever publishes it",
    )
