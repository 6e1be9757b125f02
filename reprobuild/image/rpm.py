"""The packages in an rpm database of SQLite, ndb or Berkeley DB, which hold each package's header.

A header is an index of tags and the bytes that they point to (rpm, docs/manual/format_header.md, as it stands in
the database: without the magic number). In SQLite, rpm's form since 4.16, each is a row.
"""

import struct
from collections.abc import Iterator, Mapping

from reprobuild.errors import ContentError
from reprobuild.image.os_packages import OsPackage
from reprobuild.image.rpm_berkeley import berkeley_headers, is_berkeley
from reprobuild.image.rpm_ndb import is_ndb, ndb_headers

__all__ = ["RPM_DATABASES", "rpm_packages"]

_FOLDERS = ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
RPM_DATABASES = tuple(f"{folder}/{name}" for folder in _FOLDERS for name in ("rpmdb.sqlite", "Packages.db", "Packages"))
"""Where databases are; several paths may lead to one file."""

_NAME, _VERSION, _RELEASE, _EPOCH, _LICENSE, _ARCHITECTURE, _SOURCE = 1000, 1001, 1002, 1003, 1014, 1022, 1044
_WANTED = {_NAME, _VERSION, _RELEASE, _EPOCH, _LICENSE, _ARCHITECTURE, _SOURCE}
_STRINGS = {6, 8, 9}
_INT32 = 4
_MOST_TAGS = 100_000
_MOST_STEPS = 20_000
"""Of a thousand instructions of SQLite's machine each: a view in place of the table may compute for ever."""
_KEYS = "gpg-pubkey"
"""What rpm lists keys as; they are no packages."""


def rpm_packages(database: bytes, path: str) -> Iterator[OsPackage]:
    """Yield the packages in *database*, the bytes of the file at the stored *path*.

    Raises ContentError if it is no such database.
    """
    for header in _headers(database, path):
        fields = _fields(header, path)
        name, version, release = (str(fields.get(tag, "")) for tag in (_NAME, _VERSION, _RELEASE))
        if name and version and name != _KEYS:
            yield OsPackage(
                kind="rpm",
                name=name,
                version=f"{version}-{release}" if release else version,
                database=path,
                architecture=str(fields.get(_ARCHITECTURE, "")),
                source=str(fields.get(_SOURCE, "")),
                license=str(fields.get(_LICENSE, "")),
                epoch=str(fields.get(_EPOCH, "")),
            )


def _headers(database: bytes, path: str) -> list[bytes]:
    if is_ndb(database):
        return ndb_headers(database, path)
    return berkeley_headers(database, path) if is_berkeley(database) else _rows(database, path)


def _rows(database: bytes, path: str) -> list[bytes]:
    try:
        import sqlite3  # noqa: PLC0415 - few images have rpm, and some Pythons no sqlite3
    except ImportError as error:
        raise ContentError("an rpm database, which takes a Python with sqlite3 to read", where=path) from error
    if len(database) < _size(database):
        raise ContentError("not a readable rpm database: it ends too early", where=path)
    steps = iter(range(_MOST_STEPS))
    connection = sqlite3.connect(":memory:")
    try:
        # Byte 18 and 19 say that a log stands beside the database; in memory there is none.
        connection.deserialize(database[:18] + b"\1\1" + database[20:] if database[18:20] == b"\2\2" else database)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.set_progress_handler(lambda: next(steps, None) is None, 1000)
        rows = connection.execute("SELECT blob FROM Packages ORDER BY hnum").fetchall()
    except (sqlite3.Error, AttributeError, OverflowError, MemoryError, UnicodeDecodeError) as error:
        raise ContentError(f"not a readable rpm database: {str(error)[:200]}", where=path) from error
    finally:
        connection.close()
    return [row[0] for row in rows if isinstance(row[0], bytes)]


def _size(database: bytes) -> int:
    """Return how many bytes the head of *database* says that it has (sqlite.org, fileformat2.html, 1.3)."""
    if len(database) < 100:
        return 100
    page, count = int.from_bytes(database[16:18], "big"), int.from_bytes(database[28:32], "big")
    return (65536 if page == 1 else page) * count


def _fields(header: bytes, path: str) -> Mapping[int, str | int]:
    """Return the wanted tags of *header*; of lists the first."""
    fields: dict[int, str | int] = {}
    try:
        count, size = struct.unpack_from(">II", header)
        if count > _MOST_TAGS:
            raise ContentError(f"a header with {count} tags", where=path)
        start = 8 + 16 * count
        data = header[start : start + size]
        for number in range(count):
            tag, kind, offset, _ = struct.unpack_from(">IIiI", header, 8 + 16 * number)
            if tag not in _WANTED or offset < 0:
                continue
            if kind in _STRINGS:
                fields[tag] = data[offset : data.index(b"\0", offset)].decode("utf-8", "replace")
            elif kind == _INT32:
                (fields[tag],) = struct.unpack_from(">I", data, offset)
    except (struct.error, ValueError) as error:
        raise ContentError(f"a damaged header in the rpm database: {str(error)[:200]}", where=path) from error
    return fields
