"""The headers in an rpm database of ndb, rpm's own form for SUSE: Packages.db (rpm, lib/backend/ndb/rpmpkg.c).

Pages of slots, each with a package's number and where its header is, in blocks of sixteen bytes. All numbers have
four bytes, the lowest first.
"""

import struct
from collections.abc import Iterator

from reprobuild.errors import ContentError

__all__ = ["is_ndb", "ndb_headers"]

_MAGIC, _SLOT, _BLOB = b"RpmP", b"Slot", b"BlbS"
_PAGE, _BLOCK = 4096, 16
_FIRST_SLOT = 32
"""What stands before the slots of the first page."""


def is_ndb(database: bytes) -> bool:
    """Say whether *database* begins as one of ndb does."""
    return database[:4] == _MAGIC


def ndb_headers(database: bytes, path: str) -> list[bytes]:
    """Return the header of each package in *database*, in the order of their numbers.

    Raises ContentError, naming *path*, if the database is damaged.
    """
    try:
        return [_blob(database, *slot, path) for slot in sorted(_slots(database))]
    except struct.error as error:
        raise ContentError("not a readable rpm database: it ends too early", where=path) from error


def _slots(database: bytes) -> Iterator[tuple[int, int]]:
    """Yield the number of each package and where its header begins."""
    (pages,) = struct.unpack_from("<I", database, 12)
    for start in range(_FIRST_SLOT, pages * _PAGE, _BLOCK):
        magic, number, block, _ = struct.unpack_from("<4sIII", database, start)
        if magic == _SLOT and number:
            yield number, block * _BLOCK


def _blob(database: bytes, number: int, start: int, path: str) -> bytes:
    magic, found, _, size = struct.unpack_from("<4sIII", database, start)
    data = database[start + 16 : start + 16 + size]
    if magic != _BLOB or found != number or len(data) < size:
        raise ContentError(f"not a readable rpm database: package {number} is damaged", where=path)
    return data
