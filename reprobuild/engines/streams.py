"""The standard streams of a program in a sandbox: pipes, fed and read without waiting for each other."""

import os
from contextlib import suppress
from types import TracebackType
from typing import Self

import anyio

from reprobuild.canonical import Digest
from reprobuild.engines.output import Written
from reprobuild.store import Store

__all__ = ["Streams"]

_STEP = 64 * 1024


class Streams:
    """Three pipes; ``theirs`` are the program's ends: of standard input, output and error."""

    def __init__(self) -> None:
        stdin, self._input = os.pipe()
        self._output, stdout = os.pipe()
        self._errors, stderr = os.pipe()
        self.theirs = (stdin, stdout, stderr)
        self._open = {*self.theirs, self._input, self._output, self._errors}
        for ours in (self._input, self._output, self._errors):
            os.set_blocking(ours, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in tuple(self._open):
            self._close(one)

    def close_theirs(self) -> None:
        """Close the program's ends here, so that what it leaves is the end."""
        for one in self.theirs:
            self._close(one)

    async def feed(self, store: Store, blob: Digest | None) -> None:
        """Write the blob, or nothing, to standard input; a program that does not read it all is free to."""
        with suppress(BrokenPipeError):
            for chunk in store.chunks(blob) if blob is not None else ():
                rest = memoryview(chunk)
                while rest:
                    await anyio.wait_writable(self._input)
                    with suppress(BlockingIOError):
                        rest = rest[os.write(self._input, rest[:_STEP]) :]
        self._close(self._input)

    async def read_output(self, written: Written) -> None:
        """Read standard output to its end."""
        await self._read(self._output, written)

    async def read_errors(self, written: Written) -> None:
        """Read standard error to its end."""
        await self._read(self._errors, written)

    async def _read(self, pipe: int, written: Written) -> None:
        while True:
            await anyio.wait_readable(pipe)
            with suppress(BlockingIOError):
                data = os.read(pipe, _STEP)
                if not data:
                    break
                written.feed(data)
        written.finish()

    def _close(self, one: int) -> None:
        if one in self._open:
            self._open.remove(one)
            os.close(one)
