"""The memory that a command and all its processes hold together: what is shared counts once."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Memory", "watched"]

_SECONDS = 0.05


@dataclass(slots=True)
class Memory:
    """The most bytes that were held at once up to now."""

    most: int = 0


@contextmanager
def watched() -> Iterator[Memory]:
    """Look at the processes that this one starts in the block, several times a second and at its end; at no others."""
    memory, ended = Memory(), threading.Event()
    before = {*_descendants(os.getpid())}

    def look() -> None:
        is_last = False
        while not is_last:
            is_last = ended.wait(_SECONDS)
            memory.most = max(memory.most, sum(_held(pid) for pid in {*_descendants(os.getpid())} - before))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()


def _descendants(pid: int) -> Iterator[int]:
    try:
        tasks = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return
    for child in (int(word) for text in tasks for word in text.split()):
        yield child
        yield from _descendants(child)


def _held(pid: int) -> int:
    """Return the proportional set size of *pid* (proc(5), smaps_rollup): pages that several share are divided."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
