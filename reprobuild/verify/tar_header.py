"""Two layers with the same entries → where their tar headers differ (POSIX.1-2017, pax, "ustar Interchange Format").

The plain bytes of both pass by once, side by side; only header blocks are looked at.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Header", "header_difference", "headers"]

BLOCK = 512
_EXTENSIONS = b"xgXLK"
_MOST = 1024 * 1024
"""Bytes of an extension that are looked at."""

_FIELDS = (
    ("name", 0, 100),
    ("mode", 100, 108),
    ("user id", 108, 116),
    ("group id", 116, 124),
    ("size", 124, 136),
    ("time", 136, 148),
    ("type", 156, 157),
    ("link", 157, 257),
    ("format", 257, 265),
    ("user name", 265, 297),
    ("group name", 297, 329),
    ("device", 329, 345),
    ("prefix", 345, 500),
    ("end", 500, 512),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header block and, for a pax or GNU extension, what it holds."""

    block: bytes
    extension: bytes = b""

    @property
    def name(self) -> str:
        """The name that the block has room for."""
        return self.block[:100].rstrip(b"\0").decode("utf-8", "replace")


def headers(chunks: Iterable[bytes]) -> Iterator[Header]:
    """Yield the headers in the plain bytes *chunks* of a layer, as they come."""
    window = _Window(chunks)
    while len(block := window.take(BLOCK)) == BLOCK and any(block):
        size = _number(block[124:136])
        padded = size + -size % BLOCK
        extension = b""
        if block[156:157] in {_EXTENSIONS[place : place + 1] for place in range(len(_EXTENSIONS))} and size <= _MOST:
            extension, padded = window.take(size), padded - size
        window.skip(padded)
        yield Header(block=block, extension=extension)


def header_difference(a: Iterable[bytes], b: Iterable[bytes]) -> str:
    """Return in words where the headers of the layers with the plain bytes *a* and *b* first differ."""
    mine, theirs = headers(a), headers(b)
    while True:
        one, other = next(mine, None), next(theirs, None)
        if one is None and other is None:
            return "only what fills up the archive differs"
        if one is None or other is None or one.block[156:157] != other.block[156:157]:
            return _extended(one, other)
        if one != other:
            return _compared(one, other)


def _compared(one: Header, other: Header) -> str:
    if one.extension != other.extension:
        mine, theirs = _records(one.extension), _records(other.extension)
        keys = sorted(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))
        if keys:
            old, new = _shown(mine.get(keys[0])), _shown(theirs.get(keys[0]))
            return f"{one.name}: pax record {keys[0]}: {old} → {new}"
        return f"{one.name}: an extended header differs"
    for field, start, end in _FIELDS:
        if one.block[start:end] != other.block[start:end]:
            return f"{one.name}: {field}: {_shown(one.block[start:end])} → {_shown(other.block[start:end])}"
    return f"{one.name}: the checksum is written otherwise"


def _extended(one: Header | None, other: Header | None) -> str:
    for side, header in (("A", one), ("B", other)):
        if header is not None and header.block[156:157] in {b"x", b"g"}:
            keys = ", ".join(sorted(_records(header.extension))) or "nothing"
            return f"{header.name}: a pax header in {side} only, with {keys}"
        if header is not None and header.block[156:157] in {b"L", b"K"}:
            return f"{header.name}: a GNU extension in {side} only"
    there = one or other
    return f"{there.name if there else ''}: the types of entries are written otherwise"


def _records(data: bytes) -> dict[str, bytes]:
    """Return the pax records in *data*; none if they are not well-formed."""
    found = {}
    while data:
        size, space, _ = data[:24].partition(b" ")
        if not space or not size.isdigit() or not len(size) < int(size) <= len(data):
            return {}
        key, _, value = data[len(size) + 1 : int(size) - 1].partition(b"=")
        found[key.decode("utf-8", "replace")] = value
        data = data[int(size) :]
    return found


def _shown(value: bytes | None) -> str:
    return "nothing" if value is None else repr(value.strip(b"\0 ").decode("utf-8", "replace")[:60])


def _number(field: bytes) -> int:
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b"\0 ")
    return int(digits, 8) if digits and set(digits) <= set(b"01234567") else 0


class _Window:
    """Chunks as something to take bytes from, and to skip them without keeping them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = memoryview(b"")

    def take(self, size: int) -> bytes:
        parts = []
        while size > 0 and self._fill():
            parts.append(bytes(self._held[:size]))
            self._held, size = self._held[size:], size - len(parts[-1])
        return b"".join(parts)

    def skip(self, size: int) -> None:
        while size > 0 and self._fill():
            step = min(size, len(self._held))
            self._held, size = self._held[step:], size - step

    def _fill(self) -> bool:
        while not self._held:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._held = memoryview(chunk)
        return True
