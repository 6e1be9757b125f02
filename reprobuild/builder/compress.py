"""Compression whose bytes do not depend on the machine: gzip members and zstd frames of a fixed size.

Each MEMBER_SIZE bytes of input become a whole gzip member (RFC 1952 §2.2) or zstd frame (RFC 8878 §3.1),
and members simply follow one another. So memory is bounded, cores can share a layer, and a compressed
fragment can be placed into any layer as it is. gzip is libdeflate's at level 4 (docs/adr/0006), pinned with the
format.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Literal

from reprobuild.builder.tar import END
from reprobuild.errors import ContentError, MachineError

__all__ = ["MEMBER_SIZE", "Compression", "blocks", "compressor", "decompressor", "end_member", "identity"]

Compression = Literal["gzip", "zstd"]

MEMBER_SIZE = 1024 * 1024
"""Bytes of input in each member or frame; the last of a fragment holds what is left."""

_GZIP_LEVEL = 4
_GZIP_HEADER = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"
"""Deflate, no flags, mtime 0, no extra flags, operating system unknown."""
_ZSTD_LEVEL = 9
_ZSTD_VERSION = "1.5.7"


def blocks(chunks: Iterable[bytes], size: int = MEMBER_SIZE) -> Iterator[bytes]:
    """Yield the bytes of *chunks* again, cut at every *size* bytes."""
    pending: list[bytes] = []
    held = 0
    for chunk in chunks:
        if held + len(chunk) < size:
            pending.append(chunk)
            held += len(chunk)
            continue
        view = memoryview(chunk)
        while held + len(view) >= size:
            take = size - held
            pending.append(bytes(view[:take]))
            yield b"".join(pending)
            view, pending, held = view[take:], [], 0
        if view:
            pending.append(bytes(view))
            held = len(view)
    if held:
        yield b"".join(pending)


def compressor(compression: Compression) -> Callable[[bytes], bytes]:
    """Return the function that turns one block into one gzip member or one zstd frame."""
    return _gzip() if compression == "gzip" else _zstd()


def decompressor(compression: Compression) -> Callable[[bytes], bytes]:
    """Return the function that turns one member or frame back into its block; ContentError if it is damaged."""
    if compression == "zstd":
        zstd = _zstd_module()

        def block_of_frame(frame: bytes) -> bytes:
            try:
                return bytes(zstd.decompress(frame))
            except (zstd.ZstdError, ValueError, MemoryError) as error:
                raise ContentError(f"a zstd frame is damaged: {error}") from error

        return block_of_frame
    from deflate import DeflateError, gzip_decompress  # noqa: PLC0415

    def block_of_member(member: bytes) -> bytes:
        try:
            return bytes(gzip_decompress(member))
        except (DeflateError, ValueError, MemoryError) as error:
            raise ContentError(f"a gzip member is damaged: {error}") from error

    return block_of_member


def identity(compression: Compression) -> str:
    """Return what *compression* is in this version: bytes that another one made are never taken for ours."""
    writer = f"libdeflate {_GZIP_LEVEL}" if compression == "gzip" else f"libzstd {_ZSTD_VERSION} {_ZSTD_LEVEL}"
    return f"{compression}, {writer}, members of {MEMBER_SIZE}"


@cache
def end_member(compression: Compression) -> tuple[bytes, bytes]:
    """Return the end of an archive, as it is and as one member; equal for every layer."""
    return END, compressor(compression)(END)


def _gzip() -> Callable[[bytes], bytes]:
    from deflate import crc32, deflate_compress  # noqa: PLC0415 - a no-op build compresses nothing

    def member(block: bytes) -> bytes:
        trailer = crc32(block).to_bytes(4, "little") + len(block).to_bytes(4, "little")
        return _GZIP_HEADER + bytes(deflate_compress(block, _GZIP_LEVEL)) + trailer

    return member


def _zstd() -> Callable[[bytes], bytes]:
    zstd = _zstd_module()
    if zstd.zstd_version != _ZSTD_VERSION:
        raise MachineError(
            f"this Python's zstd is {zstd.zstd_version}; ours is written by {_ZSTD_VERSION} alone",
            hint='set compression = "gzip", or run reprobuild with Python 3.11 to 3.13',
        )
    parameter = zstd.CompressionParameter
    # One worker, never none: libzstd cuts its input differently without workers (design §9).
    options = {parameter.compression_level: _ZSTD_LEVEL, parameter.nb_workers: 1, parameter.checksum_flag: 1}

    def frame(block: bytes) -> bytes:
        return bytes(zstd.compress(block, options=options))

    return frame


def _zstd_module() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:
        from backports import zstd  # noqa: PLC0415
    return zstd
