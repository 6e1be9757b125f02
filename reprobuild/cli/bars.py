"""Progress bars on a terminal: what is under way, how much of it is done, how fast, and how long it will take.

Imported when the first task begins, since rich is not needed before.
"""

import threading

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.progress import Task as RichTask
from rich.text import Text

from reprobuild.cli.output import duration, size
from reprobuild.cli.settings import Color, Settings

__all__ = ["Bars"]

_BAR = 20
"""How wide a bar is, in letters: what stands beside it says more."""


class Bars:
    """A Display of rich's bars on stderr; safe to call from threads."""

    def __init__(self, settings: Settings) -> None:
        color = {Color.AUTO: None, Color.ALWAYS: False, Color.NEVER: True}[settings.color]
        self._console = Console(stderr=True, force_terminal=True, no_color=color, highlight=False, markup=False)
        self._lock = threading.Lock()
        self._shown: RichProgress | None = None
        self._running = 0

    def task(self, label: str, total: int | None = None, *, unit: str = "bytes") -> "_Bar":
        """Show a bar."""
        with self._lock:
            self._running += 1
            if self._shown is None:
                self._shown = self._progress()
                self._shown.start()
            task = self._shown.add_task(label, total=total, unit=unit)
            return _Bar(self, self._shown, task, label)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning above the bars."""
        self._console.print(Text.assemble(("warning: ", "yellow"), text), soft_wrap=True)

    def close(self) -> None:
        """Take all bars off the screen."""
        with self._lock:
            self._stop()

    def ended(self, label: str, outcome: str, task: RichTask) -> None:
        """Replace the bar of *task* by a line that stays."""
        facts = [outcome or "done", _done(task)] if task.completed else [outcome or "done"]
        self.note(f"{label}: {', '.join(facts)} in {duration(task.elapsed or 0.0)}")
        with self._lock:
            self._running -= 1
            # Without bars the terminal is free again for what others print.
            if self._running == 0:
                self._stop()

    def _stop(self) -> None:
        if self._shown is not None:
            self._shown.stop()
            self._shown = None

    def _progress(self) -> RichProgress:
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(bar_width=_BAR), _Facts())
        # Results on stdout are nobody's business here.
        return RichProgress(
            *columns, console=self._console, transient=True, redirect_stdout=False, redirect_stderr=False
        )


class _Bar:
    """One task's bar."""

    def __init__(self, bars: Bars, shown: RichProgress, task: TaskID, label: str) -> None:
        self._bars, self._shown, self._task, self._label = bars, shown, task, label
        self._ended = False

    def advance(self, amount: int) -> None:
        self._shown.advance(self._task, amount)

    def finish(self, outcome: str = "") -> None:
        if self._ended:
            return
        self._ended = True
        task = next(task for task in self._shown.tasks if task.id == self._task)
        self._shown.remove_task(self._task)
        self._bars.ended(self._label, outcome, task)


class _Facts(ProgressColumn):
    """How much is done of how much, how fast, and how long the rest takes."""

    def render(self, task: RichTask) -> Text:
        facts = [_done(task)]
        if task.speed and _counts_bytes(task):
            facts.append(f"{size(int(task.speed))}/s")
        if task.time_remaining:
            # In whole seconds: it is a guess.
            left = task.time_remaining
            facts.append(f"{left:.0f} s left" if left < 60 else f"{duration(left)} left")
        return Text(", ".join(facts), style="dim")


def _done(task: RichTask) -> str:
    """Return how much is done, of how much if that is known and more: ``3.1 MB of 41.3 MB``, ``3 of 12 wheels``."""
    done, total = int(task.completed), None if task.total is None or task.finished else int(task.total)
    if _counts_bytes(task):
        return size(done) + (f" of {size(total)}" if total is not None else "")
    return f"{done}{f' of {total}' if total is not None else ''} {task.fields['unit']}"


def _counts_bytes(task: RichTask) -> bool:
    return bool(task.fields["unit"] == "bytes")
