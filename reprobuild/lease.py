"""Who is in a store: everybody at once, or whoever takes things out of it, alone (docs/adr/0012).

What a command found in the store is there until the command ends, since nothing leaves it while anybody is in. Three
empty files, locked with flock(2), so that a lock ends with its process, however that ends: ``users`` is held by whoever
uses the store, ``gate`` for a moment by whoever comes, and by the collector while it waits, ``collector`` by the one
who takes out.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reprobuild.errors import MachineError

__all__ = ["FOLDER", "alone", "enter", "leave", "users"]

FOLDER = "leases"
"""The folder of these files in a store."""

_SPELL = 2.0
_PAUSE = 1.0
_BREATH = 0.01
_held: dict[str, int] = {}


def enter(root: Path) -> None:
    """Be in the store *root* until `leave` or the end of this process; wait while a collector is alone there.

    A store that cannot be written is used as it is: whoever may not write to it cannot be waited for.
    """
    place = str(root.absolute())
    if place in _held:
        return
    with suppress(OSError):
        folder = root / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        gate = _open(folder / "gate")
        try:
            fcntl.flock(gate, fcntl.LOCK_SH)
            handle = _open(folder / "users")
        finally:
            os.close(gate)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
        except BaseException:
            os.close(handle)
            raise
        if _held.setdefault(place, handle) != handle:
            os.close(handle)


def leave() -> None:
    """Leave all stores that this process has entered."""
    while _held:
        os.close(_held.popitem()[1])


@contextmanager
def alone(root: Path, *, wait: float) -> Iterator[None]:
    """Be alone in the store *root* for as long as the block lasts.

    Raises MachineError, naming who is in there, if that cannot be had within *wait* seconds. Those who come meanwhile
    are held up for two seconds at a time, so that there is a turn for us as well, and never for long.
    """
    folder, deadline = root / FOLDER, time.monotonic() + wait
    folder.mkdir(parents=True, exist_ok=True)
    with _opened(folder / "collector") as collector, _opened(folder / "users") as handle:
        if not _locked(collector, deadline):
            raise _busy(root, "collector")
        while not _won(handle, folder / "gate", deadline):
            if time.monotonic() >= deadline:
                raise _busy(root, "users")
            time.sleep(min(_PAUSE, max(0.0, deadline - time.monotonic())))
        yield


def users(root: Path, name: str = "users") -> list[str]:
    """Return who is in the store *root*, as far as this machine tells: ``process 17 (reprobuild build)``."""
    try:
        wanted = str((root / FOLDER / name).stat().st_ino)
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    # 1: FLOCK  ADVISORY  READ 4711 08:01:1234 0 EOF; a line with an arrow is of one who waits (proc_locks(5)).
    fields = [line.split() for line in locks if "->" not in line and " FLOCK " in line]
    found = sorted({int(one[4]) for one in fields if len(one) > 5 and one[5].rpartition(":")[2] == wanted})
    return [_described(process) for process in found if process > 0]


def _won(handle: int, gate: Path, deadline: float) -> bool:
    """Try for a while, with the gate closed, to lock *handle*."""
    closed = _open(gate)
    try:
        fcntl.flock(closed, fcntl.LOCK_EX)
        return _locked(handle, min(deadline, time.monotonic() + _SPELL))
    finally:
        os.close(closed)


def _locked(handle: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.EACCES, errno.EINTR}:
                raise
        else:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_BREATH)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = _open(path, os.O_RDWR)
    try:
        yield handle
    finally:
        os.close(handle)


def _open(path: Path, flags: int = os.O_RDONLY) -> int:
    # Without O_CREAT first: where others made it, it may be there for us and not be ours to make.
    with suppress(FileNotFoundError):
        return os.open(path, flags | os.O_CLOEXEC)
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _busy(root: Path, name: str) -> MachineError:
    found = users(root, name)
    who = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    return MachineError(
        f"the store is in use{f' by {who}' if who else ''}", where=str(root), hint="try later, or give --wait SECONDS"
    )


def _described(process: int) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    text = " ".join(word.decode("utf-8", "replace") for word in words if word)[-120:]
    return f"process {process} ({text})" if text else f"process {process}"
