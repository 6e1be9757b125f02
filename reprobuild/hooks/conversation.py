"""The hook's process: a Python of its own, a socket to talk through, an ear for what it prints."""

import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from typing import TYPE_CHECKING, TypeVar

from reprobuild.canonical import canonical_json, parse_json
from reprobuild.engines.executor import Listener
from reprobuild.errors import ContentError, MachineError

if TYPE_CHECKING:
    from anyio.abc import Process

__all__ = ["Conversation", "Ended", "converse"]

_T = TypeVar("_T")

_CHILD = Path(__file__).parent / "child"

_OPTIONS = ("-P", "-s", "-S", "-B", "-u", "-X", "utf8")
"""No folder but the standard library's and ours. Not -I: it would turn a deaf ear to PYTHONHASHSEED."""

_ENVIRONMENT = {
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
}
"""All that a hook sees; what is not the same on all machines is not in it."""

_LONGEST_MESSAGE = 1 << 26
_LONGEST_LINE = 1 << 13
_TAIL = 50


class Ended(Exception):  # noqa: N818 - what became of it is for the caller to say
    """The process ended without a word, said something that is none, or said nothing in time: then it is ``late``.

    Once `converse` raises it, ``tail`` holds the last lines that the process printed.
    """

    def __init__(self, *, late: bool = False, tail: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.late = late
        self.tail = tail


class Conversation:
    """Messages to and from the process."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours
        self._received = bytearray()

    async def send(self, message: object) -> None:
        """Send *message*; raise Ended if nobody is there."""
        import anyio  # noqa: PLC0415

        left = memoryview(canonical_json(message) + b"\n")
        while left:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
            except OSError as error:
                raise Ended from error

    async def receive(self) -> dict[str, object]:
        """Wait for a message and return it; raise Ended."""
        import anyio  # noqa: PLC0415

        seen = 0
        while (end := self._received.find(b"\n", seen)) < 0:
            seen = len(self._received)
            await anyio.wait_readable(self._socket)
            if not (chunk := self._chunk()) or seen > _LONGEST_MESSAGE:
                raise Ended
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        try:
            return parse_json(line)
        except ContentError as error:
            raise Ended from error

    def _chunk(self) -> bytes:
        try:
            return self._socket.recv(1 << 18)
        except OSError:
            return b""


async def converse(talk: Callable[[Conversation], Awaitable[_T]], *, listener: Listener) -> _T:
    """Start a hook's process, return what *talk* returns, and see that nothing of the process is left.

    *listener* is told each line that it prints. Raises what *talk* raises; MachineError if there is no process.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)  # noqa: FBT003
        process = await _started(theirs)
        theirs.close()
        return await _served(process, Conversation(ours), talk, listener)


async def _started(theirs: socket.socket) -> "Process":
    import anyio  # noqa: PLC0415

    number = theirs.fileno()
    try:
        return await anyio.open_process(
            [sys.executable, *_OPTIONS, str(_CHILD), str(number)],
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            cwd="/",
            env=_ENVIRONMENT,
            pass_fds=[number],
            start_new_session=True,
            umask=0o022,
        )
    except OSError as error:
        message = f"a Python for hooks cannot be started: {error.strerror}"
        raise MachineError(message, where=sys.executable, hint="reinstall reprobuild") from error


async def _served(
    process: "Process", conversation: Conversation, talk: Callable[[Conversation], Awaitable[_T]], listener: Listener
) -> _T:
    import anyio  # noqa: PLC0415

    results: list[_T] = []
    failures: list[Exception] = []
    tail: deque[str] = deque(maxlen=_TAIL)

    def heard(line: str) -> None:
        tail.append(line)
        listener(line)

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_heard, process, heard)
            # Kept apart from the group, which would wrap it; a cancellation goes through.
            try:
                results.append(await talk(conversation))
            except Exception as error:
                failures.append(error)
            finally:
                _kill(process)
    finally:
        _kill(process)
        with anyio.CancelScope(shield=True):
            await process.wait()
            await process.aclose()
    for failure in failures:
        if isinstance(failure, Ended):
            failure.tail = tuple(tail)
        raise failure
    return results[0]


def _kill(process: "Process") -> None:
    """End the process and whatever it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def _heard(process: "Process", listener: Listener) -> None:
    """Pass on what the process prints, line by line, until nobody can print any more."""
    line = bytearray()
    if process.stdout is None:
        return
    async for chunk in process.stdout:
        line += chunk
        *whole, line = line.split(b"\n")
        for one in (*whole, *([line] if len(line) > _LONGEST_LINE else [])):
            _tell(one, listener)
        line = bytearray() if len(line) > _LONGEST_LINE else line
    if line:
        _tell(line, listener)


def _tell(line: bytearray, listener: Listener) -> None:
    listener(line[:_LONGEST_LINE].decode("utf-8", "replace").rstrip("\r"))
