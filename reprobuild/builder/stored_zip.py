"""Zips of ours: stored, dated 1980-01-01, nothing in them that a machine or a library's version decides.

Written by hand because every choice of a library would be part of the bytes: flags, versions, extra fields, and what
a compressor makes of the same input from release to release (APPNOTE 4.3, 4.4).
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reprobuild.errors import ContentError

__all__ = ["ZipMember", "stored_zip"]

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION = 20
_UNIX = 3
_UTF8 = 0x0800
_DATE = 0x0021
"""1980-01-01 in MS-DOS's format; its time is 0."""
_REGULAR = 0o100000
_LIMIT = 0xFFFFFFFF
_MOST = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipMember:
    """A file of a zip: its size in bytes, the CRC-32 of its bytes, and whether it may be executed."""

    path: str
    size: int
    crc: int
    executable: bool = False


def stored_zip(members: Iterable[tuple[ZipMember, Iterable[bytes]]], *, where: str) -> Iterator[bytes]:
    """Yield the zip of *members* in the order given, each with its content, which its size and CRC already describe.

    Raises ContentError, naming *where*, for what takes the 64-bit extension.
    """
    directory: list[bytes] = []
    offset = 0
    for member, content in members:
        name, flags = _name(member)
        shared = (_VERSION, flags, 0, 0, _DATE, member.crc, member.size, member.size, len(name), 0)
        header = _LOCAL.pack(b"PK\x03\x04", *shared) + name
        mode = (_REGULAR | (0o755 if member.executable else 0o644)) << 16
        made_by = _UNIX << 8 | _VERSION
        if offset + len(header) + member.size > _LIMIT or len(directory) >= _MOST:
            raise ContentError("4 GiB or 65,536 files and more are not supported", where=where)
        directory.append(_CENTRAL.pack(b"PK\x01\x02", made_by, *shared, 0, 0, 0, mode, offset) + name)
        yield header
        yield from content
        offset += len(header) + member.size
    packed = b"".join(directory)
    count = len(directory)
    yield packed + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(packed), offset, 0)


def _name(member: ZipMember) -> tuple[bytes, int]:
    name = member.path.encode()
    return name, 0 if name.isascii() else _UTF8
