"""``lock/wheels``: where pip and uv find the wheels of a lock, and where users can bring them along."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from reprobuild.canonical import hex_of
from reprobuild.lockfile import Wheel
from reprobuild.progress import Progress
from reprobuild.store import CHUNK, Store, machine_errors, replacing

__all__ = ["WHEELS", "place", "take"]

WHEELS = "lock/wheels"
"""The folder's path in the workspace; locks refer to it, git ignores it."""


def take(wheels: Iterable[Wheel], root: Path, store: Store, progress: Progress) -> None:
    """Put those of *wheels* into the store that lie in the workspace's folder; warn of those that are other files."""
    for wheel in wheels:
        path = root / WHEELS / wheel.file
        if not path.is_file():
            continue
        if _is(path, wheel):
            store.add_chunks(_chunks(path), wheel.digest, where=str(path))
        else:
            progress.warn(f"{WHEELS}/{wheel.file} is not the wheel that is locked, and is not used")


def place(wheels: Iterable[Wheel], root: Path, store: Store) -> None:
    """Put *wheels*, which the store has, into the workspace's folder; files that are right are left alone."""
    for wheel in wheels:
        path = root / WHEELS / wheel.file
        if not _is(path, wheel):
            with replacing(path) as file:
                for chunk in store.chunks(wheel.digest):
                    file.write(chunk)


def _is(path: Path, wheel: Wheel) -> bool:
    with machine_errors(path):
        if not path.is_file() or path.stat().st_size != wheel.size:
            return False
        found = hashlib.sha256()
        for chunk in _chunks(path):
            found.update(chunk)
    return found.hexdigest() == hex_of(wheel.digest)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
