"""Zip members, trusted with nothing: names, sizes and kinds are checked before a byte is inflated."""

import stat
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from deflate import DeflateError, crc32, deflate_decompress

from reprobuild.builder.tree import checked_path
from reprobuild.errors import ContentError

__all__ = ["checked_members", "read_member", "stream_member"]

_CHUNK = 256 * 1024
_SMALL = 64 * 1024 * 1024
"""The largest member that is read whole: metadata and scripts."""
_WHOLE = 32 * 1024 * 1024
"""Up to this size a member is inflated in one piece."""
_LOCAL = struct.Struct("<26xHH")
"""The local file header, of which only the lengths of name and extra field matter (APPNOTE 4.3.7)."""
_RATIO = 200
"""No wheel on the index comes near; a bomb is beyond it."""
_FREE = 256 * 1024 * 1024
"""Below this many unpacked bytes, nobody asks for the ratio."""


def checked_members(archive: ZipFile, name: str) -> dict[str, ZipInfo]:
    """Return the files of *archive* by path, folders left out; raise ContentError for what no wheel holds."""
    members: dict[str, ZipInfo] = {}
    packed = unpacked = 0
    for info in archive.infolist():
        if info.filename.endswith("/"):
            continue
        path = info.filename
        if checked_path(path, where=name) != path or "\\" in path:
            raise ContentError(f"unsafe path {path[:200]!r}", where=name)
        if path in members:
            raise ContentError(f"{path} stands twice in the zip", where=name)
        _check_kind(info, name)
        members[path] = info
        packed, unpacked = packed + info.compress_size, unpacked + info.file_size
    if unpacked > max(_FREE, _RATIO * packed):
        raise ContentError(f"{packed} bytes would unpack to {unpacked}: refused as a zip bomb", where=name)
    return members


def read_member(archive: ZipFile, path: str, name: str) -> bytes:
    """Return the bytes of a small member."""
    if archive.getinfo(path).file_size > _SMALL:
        raise ContentError(f"{path} is too large to be metadata or a script", where=name)
    return b"".join(stream_member(archive, path, name))


def stream_member(archive: ZipFile, path: str, name: str) -> Iterator[bytes]:
    """Yield the bytes of a member, as many as the directory of the zip announced; raise ContentError otherwise.

    Only one member of an archive is read at a time.
    """
    info = archive.getinfo(path)
    if info.file_size <= _WHOLE and info.compress_size <= _WHOLE:
        yield _whole(archive, info, name)
    else:
        yield from _streamed(archive, info, name)


def _whole(archive: ZipFile, info: ZipInfo, name: str) -> bytes:
    """Return a member in one piece: most are small, and opening a stream for each costs more than they do."""
    file = cast("BinaryIO", archive.fp)
    file.seek(info.header_offset)
    # Name and extra field may be longer here than in the directory; they hardly ever are.
    found = file.read(_LOCAL.size + 4 * len(info.filename) + len(info.extra) + info.compress_size)
    if len(found) < _LOCAL.size or found[:4] != b"PK\x03\x04":
        raise ContentError(f"{info.filename} has no local header", where=name)
    start = _LOCAL.size + sum(_LOCAL.unpack_from(found))
    end = start + info.compress_size
    if end > len(found):
        found += file.read(end - len(found))
    packed = memoryview(found)[start:end]
    if len(packed) != info.compress_size:
        raise ContentError(f"{info.filename} is cut short", where=name)
    try:
        data = bytes(packed if info.compress_type == ZIP_STORED else deflate_decompress(packed, info.file_size))
    except (DeflateError, ValueError) as error:
        raise ContentError(f"{info.filename} cannot be read: {error}", where=name) from error
    if len(data) != info.file_size or crc32(data) != info.CRC:
        raise ContentError(f"{info.filename} is damaged: its length or CRC is not the zip's", where=name)
    return data


def _streamed(archive: ZipFile, info: ZipInfo, name: str) -> Iterator[bytes]:
    path, left = info.filename, info.file_size
    try:
        with archive.open(info) as stream:
            while chunk := stream.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
    except (BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise ContentError(f"{path} cannot be read: {error}", where=name) from error
    if left:
        raise ContentError(f"{path} has other than the {info.file_size} bytes announced", where=name)


def _check_kind(info: ZipInfo, name: str) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        raise ContentError(f"{info.filename} is a link or a special file; wheels hold plain files", where=name)
    if info.flag_bits & 0x1:
        raise ContentError(f"{info.filename} is encrypted", where=name)
    if info.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise ContentError(f"{info.filename} is compressed by method {info.compress_type}", where=name)
