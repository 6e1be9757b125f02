"""Content-addressed blobs, and records that say which blob answers which question.

``blobs/sha256/ab/<hex>`` holds bytes under their own digest; ``records/<kind>/ab/<hex of key>`` holds small
JSON documents. Both are written under a temporary name, fsynced and renamed, so a reader sees all or nothing
and two writers of one name write the same bytes: no lock is needed, and ``kill -9`` leaves at most a file in
``tmp/``. A blob is hashed again whenever its bytes cross a trust boundary (`read`, `chunks`). The time of a file is
that of its last use, to the day.
"""

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from reprobuild.canonical import Digest, canonical_json, digest_of, hex_of
from reprobuild.errors import ContentError, MachineError

__all__ = [
    "CHUNK",
    "BlobWriter",
    "DamagedError",
    "Store",
    "default_root",
    "machine_errors",
    "parse_record",
    "replace_file",
    "replacing",
]

CHUNK = 1024 * 1024
"""How many bytes are read at a time."""
_SUM = "sum"
"""The member of a record that `_sum_of` gives; no digest with a prefix, since it names no blob."""

_DAY = 24 * 60 * 60


def default_root(environ: Mapping[str, str]) -> Path:
    """Return the user's store: ``REPROBUILD_STORE``, or a folder in the platform's cache folder."""
    if chosen := environ.get("REPROBUILD_STORE"):
        return Path(chosen)
    from platformdirs import user_cache_path  # noqa: PLC0415 - not needed where the variable is set

    return user_cache_path("reprobuild")


class DamagedError(ContentError):
    """A blob was damaged and has left the store: whoever asks for it again gets it made or fetched anew."""


class BlobWriter:
    """A blob being written; its digest is computed on the way unless it is *known*. Made by `Store.writer`."""

    def __init__(self, file: BinaryIO, known: Digest | None = None) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._known = known
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append *data*."""
        if self._known is None:
            self._hash.update(data)
        self._file.write(data)
        self.size += len(data)

    @property
    def digest(self) -> Digest:
        """The digest of what has been written so far, or the one that is known."""
        return self._known or Digest("sha256:" + self._hash.hexdigest())


class Store:
    """The blobs and records under one folder, shared by connectors, runs and processes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: Digest) -> Path:
        """Return where the blob *digest* is or would be."""
        name = hex_of(digest)
        return self.root / f"blobs/sha256/{name[:2]}/{name}"

    def has(self, digest: Digest, size: int | None = None) -> bool:
        """Say whether the blob is there, with *size* bytes if given; its bytes are not read."""
        path = self.path(digest)
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
        _keep(path, found.st_mtime)
        return size is None or found.st_size == size

    def __contains__(self, digest: Digest) -> bool:
        return self.path(digest).exists()

    def chunks(self, digest: Digest) -> Iterator[bytes]:
        """Yield the blob's bytes; raise ContentError at the end if they are not what *digest* says."""
        found = hashlib.sha256()
        with self.open(digest) as file:
            while chunk := file.read(CHUNK):
                found.update(chunk)
                yield chunk
        if found.hexdigest() != hex_of(digest):
            raise self.damaged(digest)

    def open(self, digest: Digest) -> BinaryIO:
        """Open the blob for reading, unverified: whoever consumes it checks it."""
        try:
            file = self.path(digest).open("rb")
        except FileNotFoundError as error:
            raise ContentError(f"{digest} is not in the store", where=str(self.root)) from error
        _keep(file.fileno(), os.fstat(file.fileno()).st_mtime)
        return file

    def read(self, digest: Digest) -> bytes:
        """Return the bytes of a small blob, verified."""
        return b"".join(self.chunks(digest))

    @contextmanager
    def writer(
        self,
        expected: Digest | None = None,
        *,
        where: str | None = None,
        flushed: bool = True,
        is_checked: bool = False,
    ) -> Iterator[BlobWriter]:
        """Open a blob for writing; it enters the store when the block ends without an exception.

        With *expected*, other bytes raise ContentError and nothing enters the store; *is_checked* is for whoever
        writes a stream that raises unless its bytes are *expected*, which are not hashed twice. Unless *flushed*, a
        power cut may damage it: that is for what is quickly made again, and read by its digest only.
        """
        with machine_errors(self.root), _temporary(self.root / "tmp") as (file, temporary):
            writer = BlobWriter(file, expected if is_checked else None)
            yield writer
            if expected is not None and writer.digest != expected:
                raise ContentError(
                    f"the bytes are {writer.digest}, not {expected}",
                    where=where,
                    hint="whoever serves it changed it, or it broke on the way; try again, then look at the source",
                )
            _commit(file, temporary, self.path(writer.digest), flushed=flushed)

    def add(self, data: bytes) -> Digest:
        """Put *data* into the store and return its digest."""
        digest = digest_of(data)
        if not self.has(digest, len(data)):
            with self.writer() as writer:
                writer.write(data)
        return digest

    def add_chunks(self, chunks: Iterable[bytes], expected: Digest, *, where: str | None = None) -> None:
        """Put the bytes of *chunks* into the store; raise ContentError unless they are *expected*."""
        with self.writer(expected, where=where) as writer:
            for chunk in chunks:
                writer.write(chunk)

    def record(self, kind: str, key: Digest) -> dict[str, Any] | None:
        """Return the record of *kind* under *key*; None if there is none or it cannot be read."""
        try:
            with open(self._record_path(kind, key), "rb") as file:  # noqa: PTH123 - a build with nothing to do reads many
                _keep(file.fileno(), os.fstat(file.fileno()).st_mtime)
                return parse_record(file.read(), kind, key)
        except FileNotFoundError:
            return None

    def write_record(self, kind: str, key: Digest, value: Mapping[str, Any]) -> None:
        """Set the record of *kind* under *key*."""
        # Not flushed to the disk: a record that a power cut damages counts as none, and is made again.
        with replacing(self._record_path(kind, key), scratch=self.root / "tmp", flushed=False) as file:
            file.write(canonical_json({**value, _SUM: _sum_of(kind, key, value)}))

    def _record_path(self, kind: str, key: Digest) -> Path:
        name = hex_of(key)
        return self.root / "records" / kind / name[:2] / name

    def discard(self, digest: Digest) -> None:
        """Take a damaged blob out of the store, so that the next run makes or fetches it again."""
        self.path(digest).unlink(missing_ok=True)

    def damaged(self, digest: Digest) -> "DamagedError":
        """Take a damaged blob out of the store and return the error that says so."""
        self.discard(digest)
        hint = "run the command again: it will be made or fetched anew; `reprobuild store verify` looks at everything"
        return DamagedError(f"{digest} was damaged and has been removed", where=str(self.root), hint=hint)


def parse_record(data: bytes, kind: str, key: Digest) -> dict[str, Any] | None:
    """Return the record of *kind* under *key* whose file has the bytes *data*; None if it is damaged, or another's."""
    try:
        value = json.loads(data)
        found = value.pop(_SUM, None) if isinstance(value, dict) else None
        return value if found is not None and found == _sum_of(kind, key, value) else None
    except (ValueError, RecursionError):
        return None


def _sum_of(kind: str, key: Digest, value: Mapping[str, Any]) -> str:
    """Return what tells a record from one that was damaged or belongs elsewhere; no secret is in it."""
    return hashlib.sha256(b"\n".join((kind.encode(), key.encode(), canonical_json(value)))).hexdigest()


def replace_file(path: Path, data: bytes, *, scratch: Path | None = None) -> None:
    """Write *data* to *path* so that a reader, or a crash, sees the old bytes or the new ones, never a part."""
    with replacing(path, scratch=scratch) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, *, scratch: Path | None = None, flushed: bool = True) -> Iterator[BinaryIO]:
    """Open a file that takes the place of *path* when the block ends without an exception, whole or not at all.

    Unless *flushed*, a power cut may leave it empty; a process that ends may not.
    """
    with machine_errors(path), _temporary(scratch or path.parent) as (file, temporary):
        yield file
        _commit(file, temporary, path, flushed=flushed)


@contextmanager
def machine_errors(place: Path) -> Iterator[None]:
    """Turn what the operating system refuses at *place* into a MachineError with the next step."""
    hints = {
        errno.ENOSPC: "free some space, as `reprobuild store gc` does, or point REPROBUILD_STORE to a larger disk",
        errno.EDQUOT: "free some space, as `reprobuild store gc` does, or point REPROBUILD_STORE to a larger disk",
        errno.EACCES: "check who owns it, or point REPROBUILD_STORE to a folder of yours",
        errno.EROFS: "point REPROBUILD_STORE to a folder that can be written",
    }
    try:
        yield
    except OSError as error:
        hint = hints.get(error.errno or 0)
        raise MachineError(error.strerror or str(error), where=error.filename or str(place), hint=hint) from error


def _keep(place: Path | int, used: float) -> None:
    """Note that the file at *place* is of use, if that was last noted more than a day ago: `store gc` goes by it."""
    if not -_DAY < time.time() - used < _DAY:
        with suppress(OSError):  # A store that cannot be written is used, too.
            os.utime(place)


@contextmanager
def _temporary(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    import tempfile  # noqa: PLC0415 - whoever only reads does without

    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".tmp-", dir=folder)
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, path
    finally:
        path.unlink(missing_ok=True)


def _commit(file: BinaryIO, temporary: Path, final: Path, *, flushed: bool = True) -> None:
    file.flush()
    # mkstemp makes files for the owner alone; a store or a lock may be shared, as other files are.
    os.fchmod(file.fileno(), 0o644)
    if flushed:
        os.fsync(file.fileno())
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary.replace(final)
