"""Where the entries of one layer go in a directory of its own, as whoever applies layers one after another sees it.

A stored place never leads through a symbolic link, so writing to it never leaves the directory.
"""

import posixpath
from typing import Literal, NamedTuple, Protocol

from reprobuild.errors import ContentError
from reprobuild.image.tree import Node

__all__ = ["Below", "LayerPlaces", "Place"]

_FOLLOWED = 40
_Kind = Literal["directory", "symlink", "other"]


class Below(Protocol):
    """What the layers below add up to: an `ImageTree`, or what takes its place."""

    def get(self, path: str) -> Node | None:
        """Return what is at *path* itself, a symbolic link unfollowed."""
        ...


class Place(NamedTuple):
    """What the layer itself has somewhere; ``target`` is what a symbolic link says."""

    kind: _Kind
    target: str = ""


_FOLDER = Place(kind="directory")


class LayerPlaces:
    """What a layer has had so far. *below* is what the layers below add up to, and is asked only if it matters."""

    def __init__(self, below: Below) -> None:
        self._own: dict[str, Place] = {"": _FOLDER}
        self._below = below

    def own(self, path: str) -> Place | None:
        """Return what the layer has at *path* itself."""
        return self._own.get(path)

    def put(self, path: str, place: Place) -> None:
        """Note what is at *path*, which `resolved` gave."""
        self._own[path] = place

    def forget(self, path: str) -> None:
        """Note that nothing is at *path* any more, nor below it."""
        for known in [one for one in self._own if one == path or one.startswith(path + "/")]:
            del self._own[known]

    def resolved(self, path: str, *, where: str) -> tuple[str, list[tuple[str, Node]]]:
        """Return where *path* goes, and the folders to be made for it first, outermost first, as they are below.

        Raises ContentError if links lead in a circle.
        """
        made: list[tuple[str, Node]] = []
        folder, _, name = path.rpartition("/")
        folder = self._folder(folder, made, where, 0)
        return (f"{folder}/{name}" if folder else name), made

    def _folder(self, path: str, made: list[tuple[str, Node]], where: str, followed: int) -> str:
        if followed > _FOLLOWED:
            raise ContentError(f"symbolic links lead {path[:200]!r} in a circle", where=where)
        if self._own.get(path) == _FOLDER:
            return path
        above, _, name = path.rpartition("/")
        place = posixpath.join(self._folder(above, made, where, followed), name)
        own = self._own.get(place)
        if own == _FOLDER:
            return place
        below = self._below.get(place) if own is None else None
        link = own.target if own and own.kind == "symlink" else below.target if below else ""
        if link:
            return self._folder(_aim(place, link), made, where, followed + 1)
        node = below if below is not None and below.kind == "directory" else Node(kind="directory")
        made.append((place, node))
        self._own[place] = _FOLDER
        return place


def _aim(place: str, target: str) -> str:
    """Return the path that the symbolic link at *place* says, kept inside the root."""
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(place), target)).lstrip("/")
