"""How long work shows on stderr: bars on a terminal, a line for each step's start and end elsewhere."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from reprobuild.cli.output import duration, plain, size, styled, tell
from reprobuild.cli.settings import Settings
from reprobuild.progress import Progress, Silent, Task

__all__ = ["Display", "Lines", "amount", "open_display"]


class Display(Progress, Protocol):
    """A progress that can be taken off the screen."""

    def close(self) -> None:
        """Leave the terminal as it was; tasks that go on are not shown any more."""
        ...


@contextmanager
def open_display(settings: Settings) -> Iterator[Display]:
    """Yield the progress that fits stderr and *settings*."""
    display: Display = _Nothing() if settings.quiet else _Terminal(settings) if _is_terminal() else Lines(settings)
    try:
        yield display
    finally:
        display.close()


def amount(count: int, unit: str) -> str:
    """Return *count* of *unit* for people: ``41.3 MB``, ``12 wheels``."""
    return size(count) if unit == "bytes" else f"{count} {unit}"


class Lines:
    """A line when a step starts and one when it has ended; what a log wants."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def task(self, label: str, total: int | None = None, *, unit: str = "bytes") -> Task:
        """Announce a task of *total* units, None if nobody knows."""
        tell(f"{plain(label)}: started" + (f", {amount(total, unit)}" if total else ""))
        return _Step(label, unit)

    def note(self, text: str) -> None:
        """Say one line that stays."""
        tell(plain(text))

    def warn(self, text: str) -> None:
        """Say one line that a user should act on."""
        tell(f"{styled('warning:', 'open', sys.stderr, self._settings)} {plain(text)}")

    def close(self) -> None:
        """Do nothing: lines stay."""


class _Step:
    """A step that was announced with a line."""

    def __init__(self, label: str, unit: str) -> None:
        self._label, self._unit = label, unit
        self._done, self._start = 0, time.monotonic()
        self._lock = threading.Lock()

    def advance(self, amount: int) -> None:
        with self._lock:
            self._done += amount

    def finish(self, outcome: str = "") -> None:
        told = ", ".join(
            part for part in (plain(outcome) or "done", amount(self._done, self._unit) if self._done else "") if part
        )
        tell(f"{plain(self._label)}: {told} in {duration(time.monotonic() - self._start)}")


class _Nothing(Silent):
    """Nothing on the screen."""

    def close(self) -> None:
        """Do nothing."""


class _Terminal(Lines):
    """Bars for tasks that are under way; rich is imported when the first begins."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._lock = threading.Lock()
        self._bars: Display | None = None
        self._closed = False

    def task(self, label: str, total: int | None = None, *, unit: str = "bytes") -> Task:
        bars = self._opened()
        return Silent() if bars is None else bars.task(plain(label), total, unit=unit)

    def note(self, text: str) -> None:
        (self._bars.note if self._bars else super().note)(plain(text))

    def warn(self, text: str) -> None:
        (self._bars.warn if self._bars else super().warn)(plain(text))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._bars is not None:
                self._bars.close()
                self._bars = None

    def _opened(self) -> Display | None:
        with self._lock:
            if self._bars is None and not self._closed:
                from reprobuild.cli.bars import Bars

                self._bars = Bars(self._settings)
            return self._bars


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
