"""The canonical tar writer: an entry has exactly one form, whatever machine writes it (design §9).

ustar where a value fits; where one does not, a pax extended header with a fixed name comes first and holds,
in this order, the records that are needed. Numeric owners only, no access or change times, mtime = epoch.
Pure: entries and chunks in, bytes out. IEEE Std 1003.1-2017, pax, "ustar Interchange Format".
"""

from collections.abc import Iterable, Iterator

from reprobuild.builder.tree import Entry
from reprobuild.errors import ContentError

__all__ = ["BLOCK", "END", "archive", "header", "padding"]

BLOCK = 512
END = bytes(2 * BLOCK)
"""What closes an archive. Fragments are written without it, so that they can follow one another."""

_TYPES = {
    "file": b"0",
    "hardlink": b"1",
    "symlink": b"2",
    "character": b"3",
    "block": b"4",
    "directory": b"5",
    "fifo": b"6",
}
_PAX_NAME = b"PaxHeaders/reprobuild"
_OCTAL_8 = 0o7777777
_OCTAL_12 = 0o77777777777


def archive(entries: Iterable[tuple[Entry, Iterable[bytes]]], *, epoch: int) -> Iterator[bytes]:
    """Yield the tar bytes of *entries*, in the order given, without the end of the archive.

    Each entry comes with its contents in chunks, empty for all but files. *epoch*: seconds since 1970.
    """
    for entry, chunks in entries:
        yield header(entry, epoch=epoch)
        written = 0
        for chunk in chunks:
            written += len(chunk)
            yield chunk
        if written != _size(entry):
            raise ContentError(f"{entry.path}: {written} bytes of content, {_size(entry)} announced")
        yield padding(written)


def header(entry: Entry, *, epoch: int) -> bytes:
    """Return the header blocks of *entry*: a pax header if it is needed, then the ustar header."""
    name = entry.path + ("/" if entry.kind == "directory" else "")
    prefix, short = _split(name.encode("utf-8"))
    records: list[tuple[str, bytes]] = []
    if short is None or not name.isascii():
        records.append(("path", name.encode("utf-8")))
    target = entry.target.encode("utf-8")
    if len(target) > 100 or not entry.target.isascii():
        records.append(("linkpath", target))
    records += [
        (key, str(value).encode())
        for key, value, limit in (
            ("size", _size(entry), _OCTAL_12),
            ("uid", entry.uid, _OCTAL_8),
            ("gid", entry.gid, _OCTAL_8),
            ("mtime", epoch, _OCTAL_12),
        )
        if value > limit
    ]
    records += [(f"SCHILY.xattr.{key}", value) for key, value in entry.xattrs]
    extended = _pax(records, epoch) if records else b""
    if short is None:
        prefix, short = b"", name.encode("utf-8")[:100]
    return extended + _ustar(entry, prefix, short, target[:100], epoch)


def padding(size: int) -> bytes:
    """Return the zeros that fill the last block of *size* bytes of content."""
    return bytes(-size % BLOCK)


def _size(entry: Entry) -> int:
    return entry.size if entry.kind == "file" else 0


def _split(name: bytes) -> tuple[bytes, bytes | None]:
    """Return *name* as ustar's prefix and name, the name None if it does not fit."""
    if len(name) <= 100:
        return b"", name
    # The longest prefix that fits leaves the shortest name: one form only.
    cut = name.rfind(b"/", 0, min(156, len(name) - 1))
    if cut > 0 and len(name) - cut - 1 <= 100:
        return name[:cut], name[cut + 1 :]
    return b"", None


def _pax(records: list[tuple[str, bytes]], epoch: int) -> bytes:
    body = b"".join(_record(key.encode("utf-8"), value) for key, value in records)
    holder = Entry(path=_PAX_NAME.decode(), mode=0o644, size=len(body))
    return _ustar(holder, b"", _PAX_NAME, b"", epoch, typeflag=b"x") + body + padding(len(body))


def _record(key: bytes, value: bytes) -> bytes:
    """Return a pax record, whose length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _ustar(
    entry: Entry, prefix: bytes, name: bytes, target: bytes, epoch: int, *, typeflag: bytes | None = None
) -> bytes:
    device = entry.device if entry.kind in {"character", "block"} else (0, 0)
    block = b"".join(
        (
            name.ljust(100, b"\0"),
            b"%07o\0" % (entry.mode & 0o7777),
            b"%07o\0" % _field(entry.uid, _OCTAL_8),
            b"%07o\0" % _field(entry.gid, _OCTAL_8),
            b"%011o\0" % _field(_size(entry), _OCTAL_12),
            b"%011o\0" % _field(epoch, _OCTAL_12),
            b" " * 8,
            typeflag or _TYPES[entry.kind],
            target.ljust(100, b"\0"),
            b"ustar\x0000",
            bytes(64),
            b"%07o\0%07o\0" % device,
            prefix.ljust(155, b"\0"),
            bytes(12),
        )
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _field(value: int, limit: int) -> int:
    """Return *value*, or 0 where a pax record carries it."""
    return value if value <= limit else 0
