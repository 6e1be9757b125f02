"""The files inside a tar, read in place: nothing is ever extracted.

A tar from elsewhere may try anything, so names must stay below the root and stand once, links must lead to
a file inside, and only what the headers place within the file is read.
"""

import os
import posixpath
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from reprobuild.builder.tree import checked_path
from reprobuild.errors import ContentError
from reprobuild.store import CHUNK, machine_errors

__all__ = ["Members"]

_MOST_MEMBERS = 20_000
_LONGEST_HEADER = 1024 * 1024
_MOST_LINKS = 8
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    offset: int
    size: int


class Members:
    """The members of the uncompressed tar *path*, by name; Files. *where* is the reference, for messages.

    Raises ContentError if it is not a tar, or one that tries something.
    """

    def __init__(self, path: Path, *, where: str) -> None:
        self._where = where
        self._ranges: dict[str, _Range] = {}
        self._links: dict[str, str] = {}
        with machine_errors(path):
            self._file = path.open("rb")
        try:
            with machine_errors(path):
                self._scan()
        except BaseException:
            self.close()
            raise

    def size(self, name: str) -> int | None:
        """Return the size of the member *name*, links followed; None if there is none."""
        found = self._ranges.get(self._target(name))
        return None if found is None else found.size

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of the member *name*, links followed."""
        found = self._ranges.get(self._target(name))
        if found is None:
            raise self._bad(f"there is no {name!r}")
        offset, end = found.offset, found.offset + found.size
        while offset < end:
            with machine_errors(Path(self._file.name)):
                # Positioned, so that several members can be read at once.
                chunk = os.pread(self._file.fileno(), min(CHUNK, end - offset), offset)
            if not chunk:
                raise self._bad("the file became shorter while it was read")
            offset += len(chunk)
            yield chunk

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _scan(self) -> None:
        if self._file.read(8).startswith(_COMPRESSED):
            raise ContentError("the archive is compressed", where=self._where, hint="decompress it first")
        self._file.seek(0)
        total = os.fstat(self._file.fileno()).st_size
        count = 0
        try:
            with tarfile.open(fileobj=_Headers(self._file), mode="r:") as archive:  # type: ignore[call-overload]
                for member in archive:
                    count += 1
                    if count > _MOST_MEMBERS:
                        raise self._bad(f"more than {_MOST_MEMBERS} members")
                    self._add(member, total)
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            raise self._bad(f"not a tar archive, or a damaged one: {str(error)[:200]}") from error

    def _add(self, member: tarfile.TarInfo, total: int) -> None:
        if member.isdir() and member.name in {".", "./", ""}:
            return
        name = checked_path(member.name, where=self._where)
        if member.isdir():
            return
        if name in self._ranges or name in self._links:
            raise self._bad(f"{name[:200]!r} stands twice")
        if member.issym() or member.islnk():
            folder = posixpath.dirname(name) if member.issym() else ""
            self._links[name] = self._inside(posixpath.join(folder, member.linkname), name)
        elif not member.isreg() or member.issparse():
            raise self._bad(f"{name[:200]!r} is neither a file nor a link")
        elif member.size < 0 or member.offset_data + member.size > total:
            raise self._bad(f"{name[:200]!r} is cut short")
        else:
            self._ranges[name] = _Range(offset=member.offset_data, size=member.size)

    def _inside(self, target: str, name: str) -> str:
        clean = posixpath.normpath(target)
        if clean.startswith(("/", "../")) or clean in {".", ".."}:
            raise self._bad(f"the link {name[:200]!r} leads out of the archive")
        return clean

    def _target(self, name: str) -> str:
        for _ in range(_MOST_LINKS):
            if name not in self._links:
                return name
            name = self._links[name]
        raise self._bad(f"links lead to links without end at {name[:200]!r}")

    def _bad(self, message: str) -> ContentError:
        return ContentError(message, where=self._where, hint="save or download the archive again")


class _Headers:
    """A file as tarfile reads headers from it; an extended header of a bomb's size is refused, not read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        if size > _LONGEST_HEADER:
            message = "an extended header is too long"
            raise ValueError(message)
        return self._file.read(size)

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()
