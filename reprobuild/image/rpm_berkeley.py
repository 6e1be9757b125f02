"""The headers in an rpm database of Berkeley DB, rpm's form before 4.16: Packages (Berkeley DB, dbinc/db_page.h).

A hash table in pages: pairs of a package's number and its header, which mostly stands on pages of its own. Numbers are
written as the machine that made it writes them, the lowest byte first or last.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from reprobuild.errors import ContentError

__all__ = ["berkeley_headers", "is_berkeley"]

_MAGIC = 0x00061561
"""Of a hash table."""
_PAGE_HEAD = 26
_TABLES, _OVERFLOW = {2, 13}, 7
"""Kinds of pages: pairs, not sorted and sorted; what has no room beside its key."""
_HERE, _ELSEWHERE = 1, 3
"""Kinds of items: the bytes themselves, and the page that they begin on."""


def is_berkeley(database: bytes) -> bool:
    """Say whether *database* begins as a hash table of Berkeley DB does."""
    return len(database) >= 512 and _order(database) is not None


def berkeley_headers(database: bytes, path: str) -> list[bytes]:
    """Return the header of each package in *database*, in the order of their numbers.

    Raises ContentError, naming *path*, if the database is damaged.
    """
    try:
        table = _Table(data=database, order=_order(database) or "<")
        found = {number: header for page in table.pages() for number, header in table.pairs(page) if number}
    except struct.error as error:
        raise ContentError("not a readable rpm database: it ends too early", where=path) from error
    except ValueError as error:
        raise ContentError(f"not a readable rpm database: {error}", where=path) from error
    return [found[number] for number in sorted(found)]


def _order(database: bytes) -> str | None:
    """Return the order of bytes by the magic number, as struct has it; None if there is no such number."""
    return next((order for order in "<>" if struct.unpack_from(f"{order}I", database, 12) == (_MAGIC,)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    data: bytes
    order: str

    @property
    def size(self) -> int:
        """The bytes of a page."""
        (size,) = struct.unpack_from(f"{self.order}I", self.data, 20)
        if not 512 <= size <= 65536:
            message = f"pages of {size} bytes"
            raise ValueError(message)
        return int(size)

    def pages(self) -> Iterator[bytes]:
        """Yield the pages that hold pairs; the first of all pages tells of the table."""
        (last,) = struct.unpack_from(f"{self.order}I", self.data, 32)
        if (last + 1) * self.size > len(self.data):
            message = "it ends too early"
            raise ValueError(message)
        for start in range(self.size, (last + 1) * self.size, self.size):
            if self.data[start + 25] in _TABLES:
                yield self.data[start : start + self.size]

    def pairs(self, page: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the number and the header of each package on *page*; rpm's own count has the number 0."""
        (count,) = struct.unpack_from(f"{self.order}H", page, 20)
        starts = struct.unpack_from(f"{self.order}{count}H", page, _PAGE_HEAD)
        # Items are laid from the end of the page on, each before the one that came before it.
        ends = (self.size, *starts)
        items = [page[start:end] for start, end in zip(starts, ends, strict=False)]
        for key, value in zip(items[::2], items[1::2], strict=False):
            if len(key) == 5 and key[0] == _HERE:
                (number,) = struct.unpack_from(f"{self.order}I", key, 1)
                yield number, self._value(value) if number else b""

    def _value(self, item: bytes) -> bytes:
        if item[:1] == bytes([_HERE]):
            return item[1:]
        kind, number, size = struct.unpack_from(f"{self.order}B3xII", item)
        if kind != _ELSEWHERE or size > len(self.data):
            message = f"an item of kind {kind} with {size} bytes"
            raise ValueError(message)
        return b"".join(self._overflow(number, size))

    def _overflow(self, number: int, size: int) -> Iterator[bytes]:
        """Yield the *size* bytes that begin on page *number*, page by page."""
        while size > 0:
            start = number * self.size
            number, _, length, _, kind = struct.unpack_from(f"{self.order}IHHBB", self.data, start + 16)
            part = self.data[start + _PAGE_HEAD : start + _PAGE_HEAD + length]
            if kind != _OVERFLOW or not 0 < len(part) == length <= size:
                message = "a header is cut short"
                raise ValueError(message)
            size -= length
            yield part
