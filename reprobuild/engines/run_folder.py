"""A folder for one run, gone afterwards; what a killed run left is removed by the next."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["run_folder"]


@contextmanager
def run_folder(beside: Path) -> Iterator[Path]:
    """Make a folder in *beside* that is locked for as long as the block lasts, and remove it."""
    beside.mkdir(parents=True, exist_ok=True)
    _sweep(beside)
    path, handle = _locked(beside)
    try:
        yield path
    finally:
        _remove(path)
        os.close(handle)


def _locked(beside: Path) -> tuple[Path, int]:
    """Make a folder and lock it, which somebody else who sweeps may come between."""
    while True:
        path = beside / os.urandom(16).hex()
        path.mkdir(mode=0o700)
        with suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is(path, handle):
                return path, handle
            os.close(handle)


def _sweep(beside: Path) -> None:
    for path in beside.iterdir():
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(path)
            finally:
                os.close(handle)


def _is(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    # Programs can leave trees deeper than Python follows. Mounts are not entered: they go with their namespace.
    subprocess.run(["rm", "-rf", "--one-file-system", "--", str(path)], check=False, stderr=subprocess.DEVNULL)  # noqa: S603, S607
