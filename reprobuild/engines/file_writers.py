"""Files written by a few threads while the next ones are read: making a file is most of the work of unpacking."""

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from types import TracebackType
from typing import Self

from reprobuild.canonical import Digest
from reprobuild.engines.file_metadata import set_metadata
from reprobuild.image.layer_files import LayerFile

__all__ = ["FileWriters"]

_SMALL = 1024 * 1024
_AT_ONCE = 64
"""Small files that may wait in memory."""


class FileWriters:
    """Writes files that were not there; at the end of the block all are, or what went wrong is raised."""

    def __init__(self, where: str) -> None:
        self._where = where
        # More than processors: the kernel lets each wait for its own folder.
        self._pool = ThreadPoolExecutor(max_workers=min(4, len(os.sched_getaffinity(0)) + 1))
        self._room = BoundedSemaphore(_AT_ONCE)
        self._under_way: dict[str, Future[Digest]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=error is not None)
        if error is None:
            self.wait()

    def write(self, place: str, file: LayerFile) -> Callable[[], Digest]:
        """Write *file* at the path *place*, perhaps later; the result waits and returns its digest."""
        if file.entry.size > _SMALL:
            digest = self._written(place, file, file.chunks())
            return lambda: digest
        data = b"".join(file.chunks())
        self._room.acquire()
        future = self._pool.submit(self._written_small, place, file, data)
        self._under_way[place] = future
        return future.result

    def wait(self, place: str | None = None) -> None:
        """Return once the file at *place*, or every file, is there."""
        for one in [place] if place is not None else list(self._under_way):
            if (future := self._under_way.pop(one, None)) is not None:
                future.result()

    def _written_small(self, place: str, file: LayerFile, data: bytes) -> Digest:
        try:
            return self._written(place, file, [data])
        finally:
            self._room.release()

    def _written(self, place: str, file: LayerFile, chunks: Iterable[bytes]) -> Digest:
        found = hashlib.sha256()
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            for chunk in chunks:
                found.update(chunk)
                rest = memoryview(chunk)
                while rest:
                    rest = rest[os.write(handle, rest) :]
            set_metadata(handle, file.entry, file.mtime, where=self._where)
        finally:
            os.close(handle)
        return Digest("sha256:" + found.hexdigest())
