"""A command under the stopwatch: how long it took and how much memory it held."""

import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.errors import MachineError

if TYPE_CHECKING:
    from resource import struct_rusage

__all__ = ["Sample", "said", "timed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run: wall-clock seconds, and the most bytes of memory held at once."""

    seconds: float
    memory: int


def timed(argv: Sequence[str | Path], log: Path, environ: Mapping[str, str] | None = None) -> Sample:
    """Run *argv*, its output going to *log*, and return what it took; raise MachineError if it fails.

    The memory is the largest resident set of any one process among the command and its descendants (getrusage(2)).
    *environ* is added to the environment.
    """
    words = [str(word) for word in argv]
    if shutil.which(words[0]) is None:
        raise MachineError("is not installed", where=words[0], hint="scripts/bench installs what it needs")
    to_log = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    start = time.perf_counter()
    pid = os.posix_spawnp(words[0], words, {**os.environ, **(environ or {})}, file_actions=to_log)
    status, usage = _waited(pid)
    seconds = time.perf_counter() - start
    if status:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
        code = os.waitstatus_to_exitcode(status)
        raise MachineError(f"ended with {code}:\n{tail}", where=" ".join(words), hint="see the lines above")
    return Sample(seconds=seconds, memory=usage.ru_maxrss * 1024)


def said(argv: Sequence[str | Path], log: Path, environ: Mapping[str, str] | None = None) -> str:
    """Run *argv* and return what it wrote, without the stopwatch."""
    timed(argv, log, environ)
    return log.read_text(encoding="utf-8", errors="replace").strip()


def _waited(pid: int) -> tuple[int, "struct_rusage"]:
    """Wait for *pid*; if that is interrupted, end it first, for it must not outlive us."""
    try:
        _, status, usage = os.wait4(pid, 0)
    except BaseException:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        raise
    return status, usage
