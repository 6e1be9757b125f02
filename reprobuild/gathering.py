"""Several calls at once, a few at a time; the first error of ours ends them all and is the one that is raised."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from reprobuild.errors import ReprobuildError

__all__ = ["gathered"]

_T = TypeVar("_T")


async def gathered(calls: Sequence[Callable[[], Awaitable[_T]]], *, limit: int) -> list[_T]:
    """Return what *calls* return, in their order, *limit* of them running at a time."""
    import anyio  # noqa: PLC0415

    results: dict[int, _T] = {}
    limiter = anyio.CapacityLimiter(limit)

    async def run(place: int, call: Callable[[], Awaitable[_T]]) -> None:
        async with limiter:
            results[place] = await call()

    try:
        async with anyio.create_task_group() as group:
            for place, call in enumerate(calls):
                group.start_soon(run, place, call)
    except BaseExceptionGroup as errors:
        # What failed first stands first; a cancellation or a bug goes on as it is.
        if (known := _first(errors)) is None:
            raise
        raise known from known.__cause__
    return [results[place] for place in range(len(calls))]


def _first(errors: BaseExceptionGroup[BaseException]) -> ReprobuildError | None:
    for error in errors.exceptions:
        if isinstance(error, ReprobuildError):
            return error
        if isinstance(error, BaseExceptionGroup) and (found := _first(error)) is not None:
            return found
    return None
