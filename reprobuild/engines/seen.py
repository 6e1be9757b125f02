"""What an overlay's upper directory says of a program → `Changes`, with the contents of files in the store.

Nothing runs any more that could change the directory meanwhile. overlayfs' own form of what was removed (kernel,
filesystems/overlayfs.rst) is read off; extended attributes are the file's own, those of the machine left out.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reprobuild.builder.tree import Entry, Kind
from reprobuild.canonical import Digest, digest_of
from reprobuild.engines.execution import Change, Changes
from reprobuild.engines.file_metadata import kept_xattr
from reprobuild.engines.flavour import Flavour
from reprobuild.engines.leak import LeakGuard
from reprobuild.engines.paths import checked_change, checked_text
from reprobuild.store import CHUNK, Store

__all__ = ["seen_changes"]

_SMALL = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A path below the upper directory; ``hides`` says that nothing of it comes from the layers below."""

    path: str
    stat: os.stat_result
    hides: bool


def seen_changes(
    upper: Path,
    view: Path,
    invented: frozenset[str],
    store: Store,
    flavour: Flavour,
    *,
    secrets: Mapping[str, bytes],
    where: str,
) -> Changes:
    """Return what *upper* changes about *view*, the root filesystem as it was.

    Folders that are among *invented*, made for mounts alone, count only if something is in them. Raises
    ContentError for what no layer can hold: a socket, a name that is not UTF-8, a tree too deep, one of *secrets*.
    """
    seen = _Seen(upper, view, store, flavour, LeakGuard(secrets, where=where), where)
    seen.walk("", hides=False)
    used = {path.rpartition("/")[0] for path in seen.present if path not in invented}
    for path in sorted(invented & seen.present.keys(), key=len, reverse=True):
        if path in used:
            used.add(path.rpartition("/")[0])
        else:
            del seen.present[path]
    ordered = sorted(seen.present, key=str.encode)
    return Changes(
        present=tuple(seen.change(path) for path in ordered), removed=tuple(sorted(seen.removed, key=str.encode))
    )


class _Seen:
    """The walk through an upper directory, and what it has met."""

    def __init__(self, upper: Path, view: Path, store: Store, flavour: Flavour, guard: LeakGuard, where: str) -> None:
        self._upper, self._view, self._store, self._flavour, self._where = upper, view, store, flavour, where
        self._guard = guard
        self._links: dict[tuple[int, int], str] = {}
        self.present: dict[str, os.stat_result] = {}
        self.removed: list[str] = []

    def walk(self, path: str, *, hides: bool) -> None:
        """Note what is in the folder *path*, and what of the layers below it *hides* or the program removed."""
        found = self._place(path).lstat()
        hides = hides or self._is_opaque(path)
        below = self._lstat_below(path)
        merged = below is not None and stat.S_ISDIR(below.st_mode)
        if path:
            self._note(path, found, below)
        elif below is None or _metadata(found) != _metadata(below):
            self.present[""] = found
        names = []
        for name in self._names(self._place(path)):
            names.append(name)
            self._meet(f"{path}/{name}" if path else name, hides=hides or not merged)
        if hides and merged:
            kept = set(names)
            self.removed += [
                f"{path}/{name}" if path else name for name in self._names(self._view / path) if name not in kept
            ]

    def change(self, path: str) -> Change:
        """Return what is at *path*, a file's bytes put into the store."""
        found, place = self.present[path], self._place(path)
        kind = _kind(found)
        if kind == "file" and found.st_nlink > 1:
            first = self._links.setdefault((found.st_dev, found.st_ino), path)
            if first != path:
                return Change(entry=Entry(path=path, kind="hardlink", target=first))
        entry = Entry(
            path=path,
            kind=kind,
            mode=stat.S_IMODE(found.st_mode),
            uid=found.st_uid,
            gid=found.st_gid,
            size=found.st_size if kind == "file" else 0,
            target=checked_text(os.readlink(place), where=self._where) if kind == "symlink" else "",  # noqa: PTH115 - as it is
            device=(os.major(found.st_rdev), os.minor(found.st_rdev)) if kind in {"character", "block"} else (0, 0),
            xattrs=tuple(_xattrs(place)),
        )
        for text in (path.encode(), entry.target.encode(), *(value for _, value in entry.xattrs)):
            self._guard.check(path, text)
        return Change(entry=entry, digest=self._content(path, place, found.st_size) if kind == "file" else None)

    def _meet(self, path: str, *, hides: bool) -> None:
        found = self._place(path).lstat()
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
            if self._lstat_below(path) is not None:
                self.removed.append(path)
            return
        checked_change(path, where=self._where, socket=stat.S_ISSOCK(found.st_mode))
        if stat.S_ISDIR(found.st_mode):
            self.walk(path, hides=hides)
        else:
            self._note(path, found, self._lstat_below(path))

    def _note(self, path: str, found: os.stat_result, below: os.stat_result | None) -> None:
        self.present[path] = found
        if below is not None and stat.S_IFMT(below.st_mode) != stat.S_IFMT(found.st_mode):
            self.removed.append(path)

    def _lstat_below(self, path: str) -> os.stat_result | None:
        try:
            return (self._view / path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _is_opaque(self, path: str) -> bool:
        name = f"{self._flavour.xattrs}opaque"
        place = self._place(path)
        return name in os.listxattr(place) and os.getxattr(place, name) == b"y"

    def _names(self, folder: Path) -> Iterator[str]:
        yield from sorted(os.listdir(folder))  # noqa: PTH208 - names alone

    def _place(self, path: str) -> Path:
        return self._upper / path if path else self._upper

    def _content(self, path: str, place: Path, size: int) -> Digest:
        if size <= _SMALL:
            data = place.read_bytes()
            self._guard.check(path, data)
            digest = digest_of(data)
            if not self._store.has(digest, len(data)):
                with self._store.writer(flushed=False) as writer:
                    writer.write(data)
            return digest
        digest = _digest(self._guard.checked(path, _chunks(place)))
        if not self._store.has(digest, size):
            with self._store.writer(digest, flushed=False) as writer:
                for chunk in _chunks(place):
                    writer.write(chunk)
        return digest


def _kind(found: os.stat_result) -> Kind:
    kinds: dict[int, Kind] = {
        stat.S_IFREG: "file",
        stat.S_IFDIR: "directory",
        stat.S_IFLNK: "symlink",
        stat.S_IFCHR: "character",
        stat.S_IFBLK: "block",
        stat.S_IFIFO: "fifo",
    }
    return kinds[stat.S_IFMT(found.st_mode)]


def _metadata(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_mode, found.st_uid, found.st_gid


def _xattrs(place: Path) -> Iterator[tuple[str, bytes]]:
    for name in sorted(os.listxattr(place, follow_symlinks=False)):
        if kept_xattr(name):
            yield name, os.getxattr(place, name, follow_symlinks=False)


def _digest(chunks: Iterator[bytes]) -> Digest:
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return Digest("sha256:" + found.hexdigest())


def _chunks(place: Path) -> Iterator[bytes]:
    with place.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
