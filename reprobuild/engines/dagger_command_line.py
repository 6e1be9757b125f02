"""A session of Dagger's command line, which is the way to its engines: started, told of, and ended in bounded time.

The SDK would start one itself, and wait for its end for minutes when the engine is gone.
"""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from subprocess import PIPE

import anyio
import anyio.abc

from reprobuild.errors import MachineError

__all__ = ["COMMAND_LINE", "dagger_session"]

COMMAND_LINE = "_EXPERIMENTAL_DAGGER_CLI_BIN"
"""Dagger's own variable for the program."""
_PLACE = ("DAGGER_SESSION_PORT", "DAGGER_SESSION_TOKEN")
_SECONDS_TO_END = 10


@asynccontextmanager
async def dagger_session(program: str, told: Callable[[str], None]) -> AsyncIterator[None]:
    """Start *program*, and have the SDK use its session within the block; *told* gets its lines about progress."""
    try:
        process = await anyio.open_process([program, "session"], stdin=PIPE, stdout=PIPE, stderr=PIPE)
    except OSError as error:
        raise MachineError(f"{program} cannot be run: {error.strerror}", where=COMMAND_LINE) from error
    async with anyio.create_task_group() as group:
        group.start_soon(_listen, process, told)
        try:
            port, token = await _place(process)
            before = {name: os.environ.get(name) for name in _PLACE}
            os.environ |= dict(zip(_PLACE, (port, token), strict=True))
            try:
                yield
            finally:
                for name, value in before.items():
                    os.environ.pop(name) if value is None else os.environ.update({name: value})
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)
            group.cancel_scope.cancel()


async def _place(process: anyio.abc.Process) -> tuple[str, str]:
    """Return port and token, which the first line is about."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    said = b""
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        while b"\n" not in said:
            said += await process.stdout.receive()
    try:
        value = json.loads(said)
        return str(int(value["port"])), str(value["session_token"])
    except (ValueError, KeyError, TypeError) as error:
        raise MachineError("Dagger's command line ended without a session") from error


async def _listen(process: anyio.abc.Process, told: Callable[[str], None]) -> None:
    assert process.stderr is not None  # noqa: S101 - it is a pipe
    line = b""
    with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        async for chunk in process.stderr:
            *lines, line = (line + chunk).split(b"\n")
            for one in lines:
                told(one.decode("utf-8", "replace"))


async def _end(process: anyio.abc.Process) -> None:
    """End *process* as it wants to be ended, by closing its standard input, or else at once."""
    if process.stdin is not None:
        with suppress(OSError):
            await process.stdin.aclose()
    with anyio.move_on_after(_SECONDS_TO_END):
        await process.wait()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    await process.aclose()
