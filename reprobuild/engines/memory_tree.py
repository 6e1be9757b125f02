"""A root filesystem in memory that a Python function may change, and what it changed."""

import posixpath
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from reprobuild.builder.tree import Entry, Kind, parents
from reprobuild.canonical import Digest
from reprobuild.engines.execution import Change, Changes
from reprobuild.engines.paths import checked_change, checked_text
from reprobuild.image.tree import ImageTree, Node

__all__ = ["MemoryFile", "MemoryTree"]


@dataclass(slots=True, kw_only=True)
class MemoryFile:
    """What is at a path; hard links of one file are one of these. ``content`` is None until it is asked for."""

    kind: Kind
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    target: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[str, bytes] = field(default_factory=dict)
    content: bytes | None = None


class MemoryTree:
    """What *below* holds, and changes of it. Paths may begin with a slash; links in them are followed but the last.

    Raises the OSError that Linux would, for what a program can get wrong. *content* reads a file of *below*.
    *fixed* are files that are there for the program and never count as changes.
    """

    def __init__(
        self, below: ImageTree, content: Callable[[str], bytes], fixed: Mapping[str, MemoryFile], *, uid: int, gid: int
    ) -> None:
        self._below, self._content, self._uid, self._gid = below, content, uid, gid
        self._files = {path: _file(node) for path, node in below.walk()}
        self._touched: set[str] = set()
        self._fixed: set[str] = set()
        self._invented: set[str] = set()
        for target, file in fixed.items():
            self._fix(self._resolved(target), file)

    def exists(self, path: str) -> bool:
        """Say whether there is something at *path*."""
        return self._resolved(path) in self._files

    def read(self, path: str) -> bytes:
        """Return the bytes of the file at *path*."""
        place = self._resolved(path)
        file = self._there(place)
        if file.content is None:
            file.content = self._content(place)
        return file.content

    def names(self, path: str) -> list[str]:
        """Return the names in the directory *path*, sorted."""
        place = self._resolved(path)
        if self._there(place).kind != "directory":
            raise NotADirectoryError(path)
        inside = f"{place}/" if place else ""
        below = (one.removeprefix(inside) for one in self._files if one != place and one.startswith(inside))
        return sorted(one for one in below if "/" not in one)

    def look(self, path: str) -> MemoryFile:
        """Return a copy of what is known of *path*, without its bytes."""
        return replace(self._there(self._resolved(path)), content=None)

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Put *data* into the file *path*, which is made with *mode* if it is not there."""
        place = self._resolved(path)
        if place in self._files:
            file = self._changing(place)
            if file.kind != "file":
                raise IsADirectoryError(path)
            file.content = data
        else:
            self.place(path, MemoryFile(kind="file", mode=mode, uid=self._uid, gid=self._gid, content=data))

    def mkdir(self, path: str, *, mode: int = 0o755) -> None:
        """Make the directory *path*; those above it must be there."""
        self.place(path, MemoryFile(kind="directory", mode=mode, uid=self._uid, gid=self._gid))

    def symlink(self, path: str, target: str) -> None:
        """Make a symbolic link at *path* that says *target*."""
        self.place(path, MemoryFile(kind="symlink", mode=0o777, uid=self._uid, gid=self._gid, target=target))

    def link(self, path: str, source: str) -> None:
        """Make a hard link at *path* to the file at *source*."""
        place = self._resolved(source)
        self.read(source)
        self._touched.add(place)
        self.place(path, self._there(place))

    def place(self, path: str, file: MemoryFile) -> None:
        """Put *file* at *path*, where nothing is."""
        place = self._resolved(path)
        folder = self._files.get(posixpath.dirname(place))
        if folder is None or folder.kind != "directory":
            raise FileNotFoundError(path)
        if place in self._files:
            raise FileExistsError(path)
        self._files[place] = file
        self._touched.add(place)

    def remove(self, path: str) -> None:
        """Remove what is at *path*, and all below it."""
        place = self._resolved(path)
        self._there(place)
        if any(one == place or one.startswith(f"{place}/") for one in self._fixed):
            raise PermissionError(path)
        for one in [one for one in self._files if one == place or one.startswith(f"{place}/")]:
            del self._files[one]

    def chmod(self, path: str, mode: int) -> None:
        """Set the permission bits of *path*."""
        self._changing(self._resolved(path)).mode = mode

    def chown(self, path: str, uid: int, gid: int) -> None:
        """Set the owner of *path*."""
        file = self._changing(self._resolved(path))
        file.uid, file.gid = uid, gid

    def set_xattr(self, path: str, name: str, value: bytes) -> None:
        """Set an extended attribute of *path*."""
        self._changing(self._resolved(path)).xattrs[name] = value

    def changes(self, add: Callable[[str, bytes], Digest], *, where: str) -> Changes:
        """Return what was changed; *add* keeps contents. Raises ContentError for what no layer can hold."""
        removed = [path for path, node in self._below.walk() if self._is_gone(path, node)]
        top = [path for path in removed if not any(path.startswith(f"{other}/") for other in removed)]
        links: dict[int, str] = {}
        touched = (self._touched & self._files.keys()) - self._fixed
        used = {folder for path in touched for folder in parents(path)} & self._invented
        ordered = sorted(touched | used, key=str.encode)
        present = [self._change(checked_change(path, where=where), links, add, where) for path in ordered]
        return Changes(present=tuple(present), removed=tuple(sorted(top, key=str.encode)))

    def _is_gone(self, path: str, node: Node) -> bool:
        file = self._files.get(path)
        return file is None or file.kind != node.kind

    def _change(self, path: str, links: dict[int, str], add: Callable[[str, bytes], Digest], where: str) -> Change:
        file = self._files[path]
        if file.kind == "file" and (first := links.setdefault(id(file), path)) != path:
            return Change(entry=Entry(path=path, kind="hardlink", target=first))
        data = self.read(path) if file.kind == "file" else b""
        entry = Entry(
            path=path,
            kind=file.kind,
            mode=stat.S_IMODE(file.mode),
            uid=file.uid,
            gid=file.gid,
            size=len(data),
            target=checked_text(file.target, where=where),
            device=file.device,
            xattrs=tuple(sorted(file.xattrs.items())),
        )
        return Change(entry=entry, digest=add(path, data) if file.kind == "file" else None)

    def _fix(self, place: str, file: MemoryFile) -> None:
        for folder in (place[:end] for end, letter in enumerate(place) if letter == "/"):
            if folder not in self._files:
                self._files[folder] = MemoryFile(kind="directory")
                self._invented.add(folder)
        self._files[place] = file
        self._fixed.add(place)

    def _changing(self, place: str) -> MemoryFile:
        if place in self._fixed:
            raise PermissionError(place)
        file = self._there(place)
        if file.kind == "file" and file.content is None:
            file.content = self._content(place)
        self._touched.add(place)
        return file

    def _there(self, place: str) -> MemoryFile:
        try:
            return self._files[place]
        except KeyError:
            raise FileNotFoundError(place) from None

    def _resolved(self, path: str) -> str:
        folder, _, name = path.strip("/").rpartition("/")
        here = ""
        for part in folder.split("/") if folder else ():
            step, followed = posixpath.normpath(posixpath.join(here, part)), 0
            while (file := self._files.get(step)) is not None and file.kind == "symlink" and followed < 40:
                step = posixpath.normpath(posixpath.join("/", posixpath.dirname(step), file.target)).lstrip("/")
                followed += 1
            here = step
        return posixpath.join(here, name) if here not in {"", "."} else name


def _file(node: Node) -> MemoryFile:
    return MemoryFile(
        kind=node.kind,
        mode=node.mode,
        uid=node.uid,
        gid=node.gid,
        target=node.target,
        device=node.device,
        xattrs=dict(node.xattrs),
    )
