"""The connection to a Dagger engine: opened for the first execution, shared by all, closed with the event loop."""

import asyncio
import io
import os
import re
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, TextIO, cast

import anyio
import anyio.abc
import dagger

from reprobuild.engines.dagger_command_line import COMMAND_LINE, dagger_session
from reprobuild.errors import MachineError, NetworkError, ReprobuildError
from reprobuild.progress import Progress, Silent

__all__ = ["DaggerSession", "failed_query"]

_HOW = (
    "start an engine (docs/how-to/dagger.md): where Docker runs, Dagger does that itself; another one is named with "
    "_EXPERIMENTAL_DAGGER_RUNNER_HOST; or use --engine embedded"
)
_SESSION = "DAGGER_SESSION_PORT"
_RUNNER = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"
_KNOCKING = 20
_SECONDS = 600
"""To connect: an engine that is not there yet may have to be pulled."""
_FULL = ("no space left on device", "disk quota exceeded")
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NOISE = re.compile(r" ?\[traceparent:[0-9a-f-]+\]|\nFor more information check: \S+")
"""What Dagger and its Python library add to errors."""
_LOST = (dagger.TransportError, dagger.ClientConnectionError, OSError)


@dataclass(slots=True)
class DaggerSession:
    """A connection, and what is known of it: ``kept`` is for whoever uses it, and gone with it."""

    kept: dict[object, Any] = field(default_factory=dict)
    _client: "asyncio.Future[dagger.Client] | None" = None
    _task: "asyncio.Task[None] | None" = None

    @staticmethod
    def here() -> "DaggerSession":
        """Return the session of the running event loop, which all executors in it share."""
        return _SESSIONS.setdefault(asyncio.get_running_loop(), DaggerSession())

    async def client(self, progress: Progress | None = None, log: Callable[[str], None] | None = None) -> dagger.Client:
        """Return the engine's client; raise MachineError if there is no engine, or one of another version.

        *progress*, of whoever asks first, shows the connecting; *log* is told what Dagger says of its progress.
        """
        if self._client is None:
            loop = asyncio.get_running_loop()
            self._client = loop.create_future()
            # A task of its own, since a connection has to be closed where it was opened. It ends with the loop.
            self._task = loop.create_task(self._hold(self._client, log))
            task = (progress or Silent()).task("connecting to the Dagger engine", unit="engines")
            self._client.add_done_callback(lambda done: task.finish("failed" if done.exception() else ""))
        return await asyncio.shield(self._client)

    async def _hold(self, ready: "asyncio.Future[dagger.Client]", log: Callable[[str], None] | None) -> None:
        loop = asyncio.get_running_loop()
        said = _Said(log, loop)
        try:
            await _knock(os.environ.get(_RUNNER, ""))
            config = dagger.Config(log_output=cast("TextIO", said), retry=None)
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(_SECONDS):
                    program = os.environ.get(COMMAND_LINE)
                    if program and not os.environ.get(_SESSION):
                        await stack.enter_async_context(dagger_session(program, said.take))
                    client = await stack.enter_async_context(dagger.Connection(config))
                    _check_version(await client.version())
                ready.set_result(client)
                await asyncio.Event().wait()
        except Exception as error:
            if not ready.done():
                ready.set_exception(_no_engine(error, said.end))
                ready.exception()  # whoever waits for it is told; nobody may
        finally:
            _SESSIONS.pop(loop, None)


_SESSIONS: "dict[asyncio.AbstractEventLoop, DaggerSession]" = {}
"""Of the loops that run. A loop holds its tasks by weak references only."""


class _Said(io.TextIOBase):
    """Takes what Dagger's command line writes, from a thread of its own."""

    def __init__(self, log: Callable[[str], None] | None, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._told, self._loop = log, loop
        self._last: deque[str] = deque(maxlen=20)

    @property
    def end(self) -> str:
        """The last lines."""
        return "\n".join(self._last)

    def write(self, text: str, /) -> int:
        self.writelines(text.splitlines())
        return len(text)

    def writelines(self, lines: Iterable[str], /) -> None:  # type: ignore[override]
        for line in lines:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self.take, line)

    def take(self, line: str) -> None:
        """Take a line, in the thread of the loop."""
        if plain := _ESCAPE.sub("", line).rstrip():
            self._last.append(plain)
            if self._told is not None:
                self._told(f"dagger: {plain}")


def failed_query(error: Exception, *, where: str) -> ReprobuildError:
    """Return what to raise for an *error* that a question to the engine ended with."""
    if isinstance(error, _LOST):
        hint = "see whether the engine is still there, and run the command again"
        return NetworkError(f"the connection to the Dagger engine was lost: {_brief(error)}", where=where, hint=hint)
    text = _brief(error)
    if any(words in text.lower() for words in _FULL):
        hint = "free some of it: `dagger core engine local-cache prune`"
        return MachineError("the disk of the Dagger engine is full", where=where, hint=hint)
    if "exec format error" in text:
        hint = "register an emulator on its host (QEMU, binfmt_misc), or use an engine on such a machine"
        return MachineError("the Dagger engine cannot run programs of that platform", where=where, hint=hint)
    if "insecure" in text.lower():
        hint = "it is `security.insecureRootCapabilities` of its engine.json; or use --engine embedded"
        message = f"the Dagger engine does not allow insecure root capabilities, which isolate a program: {text}"
        return MachineError(message, where=where, hint=hint)
    return MachineError(f"the Dagger engine could not do it: {text}", where=where, hint="see its log")


async def _knock(engine: str) -> None:
    """Raise MachineError if nobody listens at *engine*, an address: Dagger would try again for many minutes."""
    kind, _, place = engine.partition("://")
    if kind not in {"unix", "tcp"} or os.environ.get(_SESSION):
        return
    try:
        with anyio.fail_after(_KNOCKING):
            if kind == "unix":
                stream: anyio.abc.ByteStream = await anyio.connect_unix(place)
            else:
                host, _, port = place.partition("?")[0].rpartition(":")
                stream = await anyio.connect_tcp(host.strip("[]"), int(port))
    except (OSError, TimeoutError, ValueError) as error:
        raise MachineError(f"no Dagger engine answers at {engine}: {error}", where=_RUNNER, hint=_HOW) from error
    await stream.aclose()


def _check_version(engine: str) -> None:
    sdk = version("dagger-io")
    minor = sdk.split(".")[:2]
    if engine.removeprefix("v").split(".")[:2] != minor:
        raise MachineError(
            f"the Dagger engine is {engine}, its Python library {sdk}",
            hint=f"start an engine v{'.'.join(minor)}, for which reprobuild is made; or use --engine embedded",
        )


def _no_engine(error: Exception, said: str) -> ReprobuildError:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ReprobuildError):
        return error
    text = _brief(error) or type(error).__name__
    detail = f"{text}\n{said}" if said and said not in text else text
    return MachineError(f"no Dagger engine can be reached: {detail}", hint=_HOW)


def _brief(error: Exception) -> str:
    return _NOISE.sub("", str(error)).strip()[-1000:]
