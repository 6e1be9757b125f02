"""The plain bytes of a layer as a file that is read forward once; hashes and counts all that goes through."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Protocol

from reprobuild.errors import ContentError

__all__ = ["PlainFile", "Readable"]


class Readable(Protocol):
    """An open blob, or a part of one."""

    def read(self, size: int, /) -> bytes:
        """Return some bytes, none at the end."""
        ...


class PlainFile:
    """What tarfile reads: *pieces*, at most *room* bytes of them; ``hash`` is of all that has gone through.

    *blame* is called before a ContentError about contents is raised, for whoever knows that something else is at
    fault; *where* is for messages.
    """

    def __init__(self, pieces: Iterator[bytes], blame: Callable[[], None], *, room: int, where: str) -> None:
        self.hash = hashlib.sha256()
        self._pieces = pieces
        self._blame = blame
        self._limit = self._room = room
        self._where = where
        self._piece = b""
        self._start = 0
        self._position = 0

    def read(self, size: int) -> bytes:
        """Return *size* bytes, fewer only at the end."""
        end = self._start + size
        if end <= len(self._piece):
            part, self._start = self._piece[self._start : end], end
            self._position += size
            return part
        parts: list[bytes] = []
        while size > 0 and (self._start < len(self._piece) or self._next()):
            part = self._piece[self._start : self._start + size]
            parts.append(part)
            self._start += len(part)
            size -= len(part)
            self._position += len(part)
        return b"".join(parts)

    def tell(self) -> int:
        """Return how many bytes have been read or passed over."""
        return self._position

    def seek(self, position: int) -> int:
        """Pass over what is before *position*; there is no way back."""
        if position < self._position:
            message = "the archive says that something stands before what it follows"
            raise ValueError(message)
        while self._position < position and (self._start < len(self._piece) or self._next()):
            step = min(position - self._position, len(self._piece) - self._start)
            self._start += step
            self._position += step
        return self._position

    def peek(self, position: int, size: int) -> bytes | None:
        """Return the *size* bytes from *position* and stay before them; None if they are not at hand in one piece."""
        if self.seek(position) != position or self._start + size > len(self._piece):
            return None
        return self._piece[self._start : self._start + size]

    def content(self, start: int, size: int) -> Readable:
        """Return the *size* bytes from *start*, to be read before anything that follows them."""
        return _Content(self, start, size, self._where, self._blame)

    def drain(self) -> None:
        """Read what follows the end of the archive: it is part of the diffID."""
        while self._next():
            pass

    def _next(self) -> bool:
        for piece in self._pieces:
            self.hash.update(piece)
            self._room -= len(piece)
            if self._room < 0:
                raise ContentError(f"the layers hold more than {self._limit} bytes", where=self._where)
            self._piece, self._start = piece, 0
            if piece:
                return True
        return False


class _Content:
    def __init__(self, file: PlainFile, start: int, size: int, where: str, blame: Callable[[], None]) -> None:
        self._file = file
        self._position = start
        self._left = size
        self._where = where
        self._blame = blame

    def read(self, size: int, /) -> bytes:
        if self._left == 0:
            return b""
        try:
            self._file.seek(self._position)
            data = self._file.read(min(size, self._left))
            if not data:
                raise ContentError("not a readable tar archive: it ends within a file", where=self._where)
        except ContentError:
            self._blame()
            raise
        self._position += len(data)
        self._left -= len(data)
        return data
