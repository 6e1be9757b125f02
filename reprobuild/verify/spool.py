"""Contents of small files, kept on disk while two images are compared; by digest, each once."""

import os
import tempfile
from pathlib import Path
from threading import Lock
from types import TracebackType

from reprobuild.canonical import Digest
from reprobuild.store import CHUNK, machine_errors

__all__ = ["Spool"]

_MOST = 4 * 1024**3
"""Bytes in all; what does not fit any more goes unexplained."""


class Spool:
    """A temporary file in *folder* that has no name and is gone when it is closed. Safe to use from threads."""

    def __init__(self, folder: Path) -> None:
        with machine_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed by __exit__
        self._folder = folder
        self._lock = Lock()
        self._places: dict[Digest, tuple[int, int]] = {}
        self._waiting: list[bytes] = []
        self._written = self._end = 0

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._places

    def add(self, digest: Digest, data: bytes) -> None:
        """Keep *data*, whose digest the caller has computed, unless there is no room."""
        with self._lock:
            if digest in self._places or self._end + len(data) > _MOST:
                return
            self._places[digest] = self._end, len(data)
            self._waiting.append(data)
            self._end += len(data)
            if self._end - self._written >= CHUNK:
                self._flush()

    def __call__(self, digest: Digest) -> bytes | None:
        """Return the bytes with *digest*; None if they are not here."""
        if (found := self._places.get(digest)) is None:
            return None
        if self._waiting:
            with self._lock:
                self._flush()
        with machine_errors(self._folder):
            return os.pread(self._file.fileno(), found[1], found[0])

    def _flush(self) -> None:
        view = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        with machine_errors(self._folder):
            while view:
                count = os.pwrite(self._file.fileno(), view, self._written)
                view, self._written = view[count:], self._written + count
