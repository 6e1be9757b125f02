"""The seam through which long work tells how far it is; the command line decides how that looks."""

from typing import Protocol

__all__ = ["Progress", "Silent", "Task"]


class Task(Protocol):
    """One piece of work under way, counted in bytes or pieces."""

    def advance(self, amount: int) -> None:
        """Add *amount* to what is done."""
        ...

    def finish(self, outcome: str = "") -> None:
        """End the task, with a word about how it went."""
        ...


class Progress(Protocol):
    """Where tasks are announced. Safe to call from threads."""

    def task(self, label: str, total: int | None = None, *, unit: str = "bytes") -> Task:
        """Announce a task of *total* units, None if nobody knows."""
        ...

    def note(self, text: str) -> None:
        """Say one line that stays."""
        ...

    def warn(self, text: str) -> None:
        """Say one line that a user should act on."""
        ...


class Silent:
    """A progress, and a task, that nobody watches."""

    def task(self, label: str, total: int | None = None, *, unit: str = "bytes") -> Task:  # noqa: ARG002
        """Announce to nobody."""
        return self

    def note(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""

    def advance(self, amount: int) -> None:
        """Count nothing."""

    def finish(self, outcome: str = "") -> None:
        """End nothing."""
