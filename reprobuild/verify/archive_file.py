"""Files that are archives or compressed themselves → whether only their wrapping differs."""

import io
import zipfile
import zlib

from reprobuild.verify.cause import Cause
from reprobuild.verify.metadata import when

__all__ = ["gzip_cause", "zip_cause"]

_MOST_MEMBERS = 50_000
_MOST_BYTES = 32 * 1024 * 1024
"""Plain bytes of a .gz that are looked at."""


def zip_cause(a: bytes, b: bytes) -> tuple[Cause, str] | None:
    """Return why the zip *a* is not *b* if their members are the same; None otherwise, or if one is no zip."""
    mine, theirs = _members(a), _members(b)
    if mine is None or theirs is None or sorted(map(_content, mine)) != sorted(map(_content, theirs)):
        return None
    if list(map(_content, mine)) != list(map(_content, theirs)):
        return "zip members", f"{len(mine)} members in another order"
    for one, other in zip(mine, theirs, strict=True):
        if one.date_time != other.date_time:
            return "zip members", f"{one.filename}: {_time(one)} → {_time(other)}"
    return "zip members", "the same members, written by another tool or with other attributes"


def gzip_cause(a: bytes, b: bytes) -> tuple[Cause, str] | None:
    """Return why the gzip file *a* is not *b* if they hold the same bytes; None otherwise."""
    mine, theirs = _plain(a), _plain(b)
    if mine is None or mine != theirs:
        return None
    times = int.from_bytes(a[4:8], "little"), int.from_bytes(b[4:8], "little")
    if times[0] != times[1]:
        return "gzip header", f"compressed {when(times[0])} → {when(times[1])}"
    if a[3:4] != b[3:4] or a[8:10] != b[8:10]:
        return "gzip header", "another name, level or system in the header"
    return "gzip header", "the same bytes, compressed otherwise"


def _members(data: bytes) -> list[zipfile.ZipInfo] | None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError, UnicodeDecodeError):
        return None
    return members if len(members) <= _MOST_MEMBERS else None


def _content(member: zipfile.ZipInfo) -> tuple[str, int, int]:
    return member.filename, member.CRC, member.file_size


def _time(member: zipfile.ZipInfo) -> str:
    return "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*member.date_time)


def _plain(data: bytes) -> bytes | None:
    """Return what the gzip members of *data* hold; None if they cannot be read, or hold too much."""
    parts, room = [], _MOST_BYTES
    while data:
        member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(data, room + 1))
        except zlib.error:
            return None
        room -= len(parts[-1])
        if room < 0 or not member.eof:
            return None
        data = member.unused_data
    return b"".join(parts)
