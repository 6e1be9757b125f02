"""What is varied about a machine to see whether an execution depends on it."""

from dataclasses import dataclass

__all__ = ["Variation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """How an execution's surroundings differ from the usual ones.

    ``hostname`` takes the place of the execution's. ``processors`` is how many the program may run on. ``pids``
    process ids are used up before the program starts its first child. ``reverse`` has the root filesystem's
    directories read in another order: they are made in reverse, on a file system in memory.
    """

    hostname: str | None = None
    processors: int | None = None
    pids: int = 0
    reverse: bool = False
