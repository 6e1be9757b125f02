"""The files of an image as its layers add up to them: metadata of all, contents of the few that were asked for.

Paths are relative to the root, in POSIX form, without a leading slash; the root is the empty path. A stored
path never leads through a symbolic link. How layers add up: OCI image-spec, layer.md, "Applying Changesets".
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from reprobuild.builder.tree import Entry
from reprobuild.canonical import Digest
from reprobuild.errors import ContentError
from reprobuild.image.links import followed

if TYPE_CHECKING:
    from reprobuild.image.elf import Elf

__all__ = ["Found", "ImageTree", "Node", "node_of"]


class Node(NamedTuple):
    """One path: what it is, its permission bits, its numeric owner, its size in bytes.

    ``target`` is what a symbolic link says, ``device`` is (major, minor), ``xattrs`` pairs names with values.
    ``digest`` is there where layers were indexed, ``content`` and ``elf`` for files that were asked for.
    ``mtime`` is in seconds since 1970; ``layer`` counts from the lowest, 0.
    """

    kind: Literal["file", "directory", "symlink", "character", "block", "fifo"]
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    size: int = 0
    target: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, bytes], ...] = ()
    mtime: int = 0
    digest: Digest | None = None
    layer: int = 0
    content: bytes | None = None
    elf: "Elf | None" = None


def node_of(entry: Entry, *, layer: int, mtime: int = 0, digest: Digest | None = None) -> Node:
    """Return what *entry*, which is no hard link, puts at its path."""
    if entry.kind == "hardlink":
        raise ValueError("a hard link is what it repeats")
    return Node(
        kind=entry.kind,
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
        size=entry.size,
        target=entry.target,
        device=entry.device,
        xattrs=entry.xattrs,
        mtime=mtime,
        digest=digest,
        layer=layer,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a path leads to, and the symbolic links on the way, by their own stored paths."""

    path: str
    node: Node
    links: tuple[str, ...]


class ImageTree:
    """What is where in an image. Grown layer by layer from the lowest, with `place`, `hide` and `hide_below`."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {"": Node(kind="directory")}
        self._names: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, path: str) -> Node | None:
        """Return what is at *path* itself, a symbolic link unfollowed."""
        return self._nodes.get(path.strip("/"))

    def names(self, path: str) -> list[str]:
        """Return the names in the directory that is stored at *path*, sorted."""
        return sorted(self._names.get(path.strip("/"), ()))

    def find(self, path: str) -> Found | None:
        """Return where *path* leads to through all symbolic links, none of which leaves the root; None if nowhere."""
        try:
            led = followed(path, self._target)
        except KeyError:
            return None
        return Found(path=led[0], node=self._nodes[led[0]], links=led[1]) if led else None

    def walk(self, path: str = "") -> Iterator[tuple[str, Node]]:
        """Yield everything that is stored at and below *path*, parents first, in the order of names."""
        # A list of what is to come: generators within generators take long for what lies deep.
        left = [path.strip("/")]
        while left:
            here = left.pop()
            if (node := self._nodes.get(here)) is not None:
                yield here, node
            if (names := self._names.get(here)) is not None:
                folder = f"{here}/" if here else ""
                left += [folder + name for name in sorted(names, reverse=True)]

    def place(self, path: str, node: Node) -> None:
        """Put *node* at *path* in place of what is there; of two directories the contents stay."""
        if not path:
            self._nodes[""] = node
            return
        folder, _, name = path.rpartition("/")
        folder = self._folder(folder, node.layer)
        place = f"{folder}/{name}" if folder else name
        old = self._nodes.get(place)
        if old is not None and not (old.kind == node.kind == "directory"):
            self._remove(place)
        self._nodes[place] = node
        self._names.setdefault(folder, set()).add(name)

    def linked(self, path: str, target: str, *, where: str) -> Node:
        """Return what a hard link at *path* repeats; raise ContentError if *target* is no file."""
        found = self.find(target)
        if found is None or found.node.kind == "directory":
            raise ContentError(f"{path}: a hard link to nothing, {target[:200]!r}", where=where)
        return found.node

    def hide(self, path: str, *, layer: int) -> None:
        """Take away what layers below *layer* have at *path*: a whiteout."""
        folder, _, name = path.rpartition("/")
        if (found := self.find(folder)) is not None:
            self._prune(posixpath.join(found.path, name), layer)

    def hide_below(self, path: str, *, layer: int) -> None:
        """Take away what layers below *layer* have in the directory *path*: an opaque whiteout."""
        if (found := self.find(path)) is not None:
            for name in self.names(found.path):
                self._prune(posixpath.join(found.path, name), layer)

    def _target(self, path: str) -> str | None:
        """Return where the link at *path* points, None if it is none; raise KeyError if there is nothing."""
        node = self._nodes[path]
        return node.target if node.kind == "symlink" else None

    def _folder(self, path: str, layer: int) -> str:
        """Return the stored path of the directory *path*, made on the way where it is missing."""
        known = self._nodes.get(path)
        if known is not None and known.kind == "directory":
            return path
        above, _, name = path.rpartition("/")
        place = posixpath.join(self._folder(above, layer), name)
        if (found := self.find(place)) is not None and found.node.kind == "directory":
            return found.path
        self.place(place, Node(kind="directory", layer=layer))
        return place

    def _prune(self, path: str, layer: int) -> None:
        """Remove what is at and below *path* and older than *layer*, but not what leads to something newer."""
        for name in self.names(path):
            self._prune(posixpath.join(path, name), layer)
        node = self._nodes.get(path)
        if node is not None and node.layer < layer and not self._names.get(path):
            self._remove(path)

    def _remove(self, path: str) -> None:
        for name in self._names.pop(path, set()):
            self._remove(posixpath.join(path, name))
        self._nodes.pop(path, None)
        folder, _, name = path.rpartition("/")
        self._names.get(folder, set()).discard(name)
