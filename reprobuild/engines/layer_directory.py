"""The entries of one layer → files in a fresh directory, written as they come, with owners, modes and times."""

import os
import shutil
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from reprobuild.builder.tree import Entry
from reprobuild.canonical import Digest
from reprobuild.engines.file_metadata import bounded_time, set_metadata
from reprobuild.engines.file_writer import write_file
from reprobuild.engines.flavour import Flavour
from reprobuild.engines.layer_places import Below, LayerPlaces, Place
from reprobuild.engines.overlay import no_overlay
from reprobuild.errors import ContentError
from reprobuild.image.index import IndexedFile
from reprobuild.image.layer_files import LayerFile
from reprobuild.image.tree import Node

__all__ = ["LayerDirectory"]


class LayerDirectory:
    """The directory *root*, empty at first, and what of a layer is in it.

    *below* is what the layers below add up to; it is asked only by a layer that leaves out folders. *copy* writes
    the file that is below at a path to another: a hard link may repeat what only the layers below have.
    ``left_out`` are the folders that there are although the layer does not have them, as they are below.
    """

    def __init__(
        self,
        root: Path,
        flavour: Flavour,
        below: Below,
        copy: Callable[[str, Path], None],
        where: str,
    ) -> None:
        self._root, self._flavour, self._copy, self._where = str(root), flavour, copy, where
        self._below = below
        self._places = LayerPlaces(below)
        self._times: dict[str, int] = {"": 0}
        self.left_out: set[str] = set()
        self._hidden: dict[str, str] = {}

    def fill(self, files: Iterable[LayerFile]) -> list[IndexedFile]:
        """Write *files*; return what they were, with digests."""
        found = [self._put(file) for file in files]
        for path, hides in self._hidden.items():
            self._hide(path, hides)
        for path, mtime in sorted(self._times.items(), reverse=True):
            os.utime(self._path(path), (bounded_time(mtime), bounded_time(mtime)))
        return found

    def _put(self, file: LayerFile) -> IndexedFile:
        path, made = self._places.resolved(file.entry.path, where=self._where) if file.entry.path else ("", [])
        for place, node in made:
            self._folder(place, node)
        digest = None
        if file.hides:
            self._hidden[path] = file.hides
        elif file.entry.kind == "directory":
            self._directory(path, file)
        else:
            digest = self._other(path, file)
        return IndexedFile(entry=file.entry, hides=file.hides, mtime=file.mtime, digest=digest)

    def _folder(self, path: str, node: Node) -> None:
        """Make a folder that the layer leaves out, as it is below."""
        if self._places.own(path) is not None:
            self._clear(path)
        os.mkdir(self._path(path))  # noqa: PTH102 - a Path for each folder takes longer than the folder
        entry = Entry(path=path, kind="directory", mode=node.mode, uid=node.uid, gid=node.gid, xattrs=node.xattrs)
        self._places.put(path, Place(kind="directory"))
        self.left_out.add(path)
        self._times[path] = node.mtime
        set_metadata(self._path(path), entry, node.mtime, where=self._where)

    def _directory(self, path: str, file: LayerFile) -> None:
        own = self._places.own(path)
        if own is None or own.kind != "directory":
            if own is not None:
                self._clear(path)
            os.mkdir(self._path(path))  # noqa: PTH102
            self._places.put(path, Place(kind="directory"))
        self.left_out.discard(path)
        self._times[path] = file.mtime
        set_metadata(self._path(path), file.entry, file.mtime, where=self._where)

    def _other(self, path: str, file: LayerFile) -> Digest | None:
        entry, place = file.entry, self._path(path)
        if entry.kind == "hardlink":
            self._link(entry.target, path)
            return None
        if self._places.own(path) is not None:
            self._clear(path)
        self._places.put(path, Place(kind="symlink" if entry.kind == "symlink" else "other", target=entry.target))
        if entry.kind == "file":
            return write_file(place, file, where=self._where)
        if entry.kind == "symlink":
            os.symlink(entry.target, place)  # noqa: PTH211 - as it is, unlike a Path
        elif not self._fifo(place, entry):
            return None
        set_metadata(place, entry, file.mtime, where=self._where)
        return None

    def _link(self, target: str, path: str) -> None:
        source, made = self._places.resolved(target, where=self._where)
        for place, node in made:
            self._folder(place, node)
        if source == path:
            return
        if self._places.own(path) is not None:
            self._clear(path)
        own = self._places.own(source)
        if own is not None and source.startswith("dev/"):
            return
        if own is None:
            self._copy(source, Path(self._path(path)))
            own = Place(kind="other")
        elif own.kind == "directory":
            raise ContentError(f"{path}: a hard link to a directory, {target[:200]!r}", where=self._where)
        else:
            os.link(self._path(source), self._path(path), follow_symlinks=False)
        self._places.put(path, own)

    def _fifo(self, place: str, entry: Entry) -> bool:
        """Make a fifo; say whether it was made: of device nodes the sandbox has its own."""
        if entry.kind == "fifo":
            os.mkfifo(place, 0o600)
            return True
        if entry.path.startswith("dev/"):
            return False
        raise ContentError(
            f"{entry.path} is a device node, and programs that are run get none but those of /dev",
            where=self._where,
            hint="use a base image without device nodes outside /dev",
        )

    def _hide(self, path: str, hides: str) -> None:
        own = self._places.own(path)
        try:
            if own is None and hides == "path":
                os.mknod(self._path(path), stat.S_IFCHR, os.makedev(0, 0))
            elif own is not None and own.kind == "directory":
                os.setxattr(self._path(path), f"{self._flavour.xattrs}opaque", b"y")
            elif own is None and (node := self._below.get(path)) is not None and node.kind == "directory":
                self._folder(path, node)
                self._hide(path, hides)
        except OSError as error:
            raise no_overlay(error, self._root) from error

    def _clear(self, path: str) -> None:
        """Remove what the layer has had at *path*: the last entry of a path is the one that counts."""
        own = self._places.own(path)
        place = self._path(path)
        if own is not None and own.kind == "directory" and Path(place).is_dir():
            shutil.rmtree(place)
            for known in [one for one in self._times if one == path or one.startswith(path + "/")]:
                del self._times[known]
                self.left_out.discard(known)
            self._places.forget(path)
        else:
            Path(place).unlink(missing_ok=True)

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root
