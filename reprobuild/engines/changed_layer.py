"""A layer that holds what a program did → `Changes`, with the contents of files in the store.

It is read as layers of images are: entries in any order, whiteouts for what is gone (OCI image-spec, layer.md).
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from reprobuild.builder.tree import Entry
from reprobuild.canonical import Digest
from reprobuild.engines.execution import Change, Changes
from reprobuild.engines.file_metadata import kept_xattr
from reprobuild.engines.leak import LeakGuard
from reprobuild.engines.paths import checked_change, checked_text
from reprobuild.errors import ContentError
from reprobuild.image.layer_files import LayerFile, Readable, layer_files
from reprobuild.image.tree import ImageTree
from reprobuild.oci.types import LAYER_TAR, Descriptor
from reprobuild.store import CHUNK, Store, machine_errors

__all__ = ["layer_changes"]


def layer_changes(layer: Path, below: ImageTree, store: Store, *, secrets: Mapping[str, bytes], where: str) -> Changes:
    """Return what *layer*, a file that holds an uncompressed layer, changes about *below*.

    Blocking. Raises ContentError for what no layer of ours can hold, and for one of *secrets*.
    """
    seen = _Seen(below, store, LeakGuard(secrets, where=where), where)
    with machine_errors(layer):
        digest = _digest(layer)
        described = Descriptor(media_type=LAYER_TAR, digest=digest, size=layer.stat().st_size)
        for file in layer_files(described, digest, _OneFile(layer), where=where):
            seen.meet(file)
    return seen.changes()


@dataclass(frozen=True, slots=True)
class _OneFile:
    """The only blob that there is."""

    path: Path

    @contextmanager
    def open(self, _: Digest) -> Iterator[Readable]:
        with self.path.open("rb") as file:
            yield file

    def chunks(self, _: Digest) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk


class _Seen:
    """What has been met of a layer."""

    def __init__(self, below: ImageTree, store: Store, guard: LeakGuard, where: str) -> None:
        self._below, self._store, self._guard, self._where = below, store, guard, where
        self._found: dict[str, Change] = {}
        self._links: dict[str, list[str]] = {}
        self._gone: set[str] = set()
        self._opaque: set[str] = set()

    def meet(self, file: LayerFile) -> None:
        """Note one entry."""
        entry = file.entry
        path = checked_text(entry.path, where=self._where)
        if file.hides == "path":
            self._gone.add(path)
        elif file.hides == "below":
            self._opaque.add(path)
        elif entry.kind == "hardlink":
            self._links.setdefault(entry.target, []).append(checked_change(path, where=self._where))
        else:
            kept = tuple((name, value) for name, value in entry.xattrs if kept_xattr(name))
            entry = entry._replace(path=checked_change(path, where=self._where), xattrs=kept)
            for text in (path.encode(), checked_text(entry.target, where=self._where).encode(), *dict(kept).values()):
                self._guard.check(path, text)
            digest = self._kept(path, file) if entry.kind == "file" else None
            self._found[path] = Change(entry=entry, digest=digest)

    def changes(self) -> Changes:
        """Return what it all comes to."""
        self._relink()
        kinds = {path: "file" if one.entry.kind == "hardlink" else one.entry.kind for path, one in self._found.items()}
        self._check_folders(kinds)
        removed = {path for path in self._gone if self._below.get(path) is not None}
        removed |= {path for path, kind in kinds.items() if (old := self._below.get(path)) and old.kind != kind}
        removed |= set(self._hidden(kinds))
        root, old = self._found.get(""), self._below.get("")
        if root is not None and old is not None:
            entry = root.entry
            if (entry.mode, entry.uid, entry.gid) == (old.mode, old.uid, old.gid):
                del self._found[""]
        present = [self._found[path] for path in sorted(self._found, key=str.encode)]
        return Changes(present=tuple(present), removed=tuple(sorted(removed, key=str.encode)))

    def _kept(self, path: str, file: LayerFile) -> Digest:
        with self._store.writer(flushed=False) as writer:
            for chunk in self._guard.checked(path, file.chunks()):
                writer.write(chunk)
        return writer.digest

    def _relink(self) -> None:
        """Have the first of the paths of one file be the file, and the others its links."""
        for target, others in self._links.items():
            one = self._found.get(target)
            if one is None or one.entry.kind != "file":
                raise ContentError(f"{others[0]}: a hard link to nothing, {target[:200]!r}", where=self._where)
            del self._found[target]
            first, *rest = sorted([target, *others], key=str.encode)
            self._found[first] = replace(one, entry=one.entry._replace(path=first))
            for path in rest:
                self._found[path] = Change(entry=Entry(path=path, kind="hardlink", target=first))

    def _check_folders(self, kinds: Mapping[str, str]) -> None:
        """Raise ContentError for what is in no folder: an engine may be anybody's."""
        for path in filter(None, kinds):
            above = path.rpartition("/")[0]
            old = self._below.get(above)
            if kinds.get(above, old.kind if old else "") != "directory":
                raise ContentError(f"/{path[:200]} is in no folder", where=self._where)

    def _hidden(self, kinds: Mapping[str, str]) -> Iterator[str]:
        """Yield what is below folders that were made anew, and is not there any more."""
        hiding: set[str] = set()
        for path in sorted((path for path, kind in kinds.items() if kind == "directory"), key=str.encode):
            old = self._below.get(path)
            merged = old is not None and old.kind == "directory"
            above = path.rpartition("/")[0] in hiding if path else False
            if not (path in self._opaque or above or not merged):
                continue
            hiding.add(path)
            for name in self._below.names(path) if merged else ():
                inner = f"{path}/{name}" if path else name
                if inner not in kinds:
                    yield inner


def _digest(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest("sha256:" + hashlib.file_digest(file, "sha256").hexdigest())
