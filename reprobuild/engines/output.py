"""What a program writes: secrets masked, lines told as they come, kept within bounds."""

import codecs
import re
from collections.abc import Callable, Iterable

from reprobuild.engines.leak import forms_of

__all__ = ["MASK", "Masked", "Tail", "Written"]

MASK = b"***"
_KEPT = 1024 * 1024
"""Bytes of one stream."""
_LINE = 64 * 1024
"""A longer line is told in parts."""
_TAIL = 16 * 1024


class Masked:
    """A stream of bytes in which *secrets* become ``***``, wherever it is cut into pieces."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        forms = {form for secret in secrets for form in forms_of(secret)}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._found = re.compile(b"|".join(map(re.escape, self._forms))) if forms else None
        self._firsts = {form[0] for form in forms}
        self._pending = b""

    def feed(self, data: bytes) -> bytes:
        """Return what is sure to be no part of a secret of what came so far, and was not returned before."""
        if self._found is None:
            return data
        pending, start, parts = self._pending + data, 0, []
        while True:
            match, unsure = self._found.search(pending, start), self._unsure(pending, start)
            if match is None or match.start() >= unsure:
                parts.append(pending[start:unsure])
                self._pending = pending[unsure:]
                return b"".join(parts)
            parts += [pending[start : match.start()], MASK]
            start = match.end()

    def finish(self) -> bytes:
        """Return the rest."""
        rest, self._pending = self._pending, b""
        return rest if self._found is None else self._found.sub(MASK, rest)

    def _unsure(self, pending: bytes, start: int) -> int:
        """Return from where on *pending* may be the beginning of a secret."""
        for place in range(max(start, len(pending) - len(self._forms[0]) + 1), len(pending)):
            if pending[place] in self._firsts:
                rest = pending[place:]
                if any(len(form) > len(rest) and form.startswith(rest) for form in self._forms):
                    return place
        return len(pending)


class Tail:
    """The end of what several streams wrote, in the order in which it came."""

    def __init__(self) -> None:
        self._text = ""

    def add(self, text: str) -> None:
        """Append *text*."""
        self._text = (self._text + text)[-_TAIL:]

    @property
    def text(self) -> str:
        """The last 16 Ki characters."""
        return self._text


class Written:
    """One stream of a program: told line by line to *listener*, its first MiB kept as text."""

    def __init__(self, secrets: Iterable[bytes], listener: Callable[[str], None], tail: Tail) -> None:
        self._masked = Masked(secrets)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._listener, self._tail, self._own = listener, tail, Tail()
        self._kept: list[str] = []
        self._size = 0
        self._line = ""

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._take(self._decoder.decode(self._masked.feed(data)))

    def finish(self) -> None:
        """Take it that nothing more comes."""
        self._take(self._decoder.decode(self._masked.finish(), final=True))
        if self._line:
            self._listener(self._line)
            self._line = ""

    @property
    def text(self) -> str:
        """What is kept."""
        return "".join(self._kept)

    @property
    def end(self) -> str:
        """The last 16 Ki characters."""
        return self._own.text

    def _take(self, text: str) -> None:
        if not text:
            return
        self._tail.add(text)
        self._own.add(text)
        if self._size < _KEPT:
            kept = text[: _KEPT - self._size]
            self._kept.append(kept)
            self._size += len(kept)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._listener(line.removesuffix("\r"))
        while len(self._line) > _LINE:
            self._listener(self._line[:_LINE])
            self._line = self._line[_LINE:]
