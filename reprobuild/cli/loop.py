"""The event loop of a command, and how it ends early.

The first Ctrl-C or SIGTERM cancels the work, which cleans up after itself; the second ends the process at
once, which is safe too: files are written under other names and renamed.
"""

import gc
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

__all__ = ["run_async"]

_T = TypeVar("_T")
_MANY = 20_000
"""New objects after which garbage is looked for."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_async(work: Callable[[], Awaitable[_T]], *, on_interrupt: Callable[[], None]) -> _T:
    """Return what *work* gives; raise what it raises, or KeyboardInterrupt if a signal came.

    *on_interrupt* is called when the signal comes, before the work has ended.
    """
    # What has been imported stays; and what a build makes by the thousand has hardly any circles in it.
    gc.freeze()
    gc.set_threshold(_MANY)
    gc.enable()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        return anyio.run(_supervised, work, on_interrupt)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _supervised(work: Callable[[], Awaitable[_T]], on_interrupt: Callable[[], None]) -> _T:
    outcome: list[_T | Exception] = []
    interrupted = False

    async def watch() -> None:
        nonlocal interrupted
        with anyio.open_signal_receiver(*_SIGNALS) as signals:
            async for _ in signals:
                break
        interrupted = True
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        on_interrupt()
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        try:
            outcome.append(await work())
        except Exception as error:
            outcome.append(error)
        group.cancel_scope.cancel()
    if interrupted or not outcome:
        raise KeyboardInterrupt
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]
