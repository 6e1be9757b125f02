"""Questions to uv, for as long as one update lasts: a few at a time, and what two connectors ask is asked once.

Answers are shared; refusals are not, since they name who asked.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from anyio import CapacityLimiter, Event
from anyio.lowlevel import RunVar

__all__ = ["answered", "at_a_time", "shared_questions"]

_T = TypeVar("_T")


class _Questions:
    """The questions that are being asked, and the answers that there are."""

    def __init__(self, jobs: int, *, one_by_one: bool) -> None:
        self.limiter = CapacityLimiter(jobs)
        self.one_by_one = one_by_one
        self.answers: dict[Hashable, object] = {}
        self.open: dict[Hashable, Event] = {}


_CURRENT: RunVar[_Questions | None] = RunVar("questions")


@contextmanager
def shared_questions(jobs: int, *, several: bool) -> Iterator[None]:
    """Let the questions of this event loop be shared for as long as the block lasts, *jobs* of them at a time.

    With *several* askers, each is to ask one question after the other, so that what it has learnt serves the next.
    """
    token = _CURRENT.set(_Questions(jobs, one_by_one=several))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def at_a_time(most: int) -> int:
    """Return how many questions one asker may ask at a time, *most* if nothing is shared."""
    questions = _CURRENT.get(None)
    return 1 if questions is not None and questions.one_by_one else most


async def answered(key: Hashable, ask: Callable[[], Awaitable[_T]]) -> _T:
    """Return what *ask* gives, or what it gave before for the same *key*."""
    questions = _CURRENT.get(None)
    if questions is None:
        return await ask()
    while key not in questions.answers:
        if (asked := questions.open.get(key)) is not None:
            await asked.wait()
            continue
        questions.open[key] = Event()
        try:
            async with questions.limiter:
                questions.answers[key] = await ask()
        finally:
            questions.open.pop(key).set()
    return questions.answers[key]  # type: ignore[return-value]
