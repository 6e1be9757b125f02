"""Entries of a layer's tree, and the rule that puts them in order.

An entry is metadata only; contents travel beside it as chunks of bytes, so that no file is ever held whole.
Paths are relative to the image's root, in POSIX form, without a leading slash: ``usr/bin/python3``.
"""

import posixpath
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from reprobuild.errors import ContentError

__all__ = [
    "Entry",
    "Kind",
    "checked_path",
    "directory",
    "in_order",
    "parents",
    "regular_file",
    "resolve",
    "symlink",
    "whiteout",
]

_UNSAFE = frozenset({"", ".", ".."})

_MOST_LINKS = 40
"""As many as Linux follows (path_resolution(7))."""

Kind = Literal["file", "directory", "symlink", "hardlink", "character", "block", "fifo"]


class Entry(NamedTuple):
    """One path of a tree: its kind, permission bits, numeric owner, and for a file its size in bytes.

    ``target`` is what a symlink says, or for a hard link the path of the entry that it repeats. ``device``
    is (major, minor). ``xattrs`` pairs names such as ``security.capability`` with values, sorted by name.
    """

    path: str
    kind: Kind = "file"
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    target: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, bytes], ...] = ()


def regular_file(path: str, size: int, *, executable: bool = False) -> Entry:
    """Return a file of root's with mode 0755 or 0644."""
    return Entry(path=path, mode=0o755 if executable else 0o644, size=size)


def directory(path: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    """Return a directory, root's with mode 0755 unless said otherwise."""
    return Entry(path=path, kind="directory", mode=mode, uid=uid, gid=gid)


def symlink(path: str, target: str) -> Entry:
    """Return a symbolic link that says *target*."""
    return Entry(path=path, kind="symlink", mode=0o777, target=target)


def whiteout(path: str) -> Entry:
    """Return the entry that removes *path* of the layers below (OCI image-spec, layer.md)."""
    parent, slash, name = path.rpartition("/")
    return Entry(path=f"{parent}{slash}.wh.{name}")


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return *entries* in the order of the bytes rule: by path bytes, so parents come first."""
    return sorted(entries, key=lambda entry: entry.path.encode("utf-8"))


def parents(path: str, *, below: str = "") -> list[str]:
    """Return the directories that lead to *path*, outermost first, strictly inside *below*."""
    parts = path.split("/")[:-1]
    start = len(below.split("/")) if below else 0
    return ["/".join(parts[: count + 1]) for count in range(start, len(parts))]


def resolve(path: str, links: Mapping[str, str]) -> str:
    """Return *path* with the symbolic links on the way to it followed; *links* maps link paths to what they say.

    An entry written through a link would replace it by a directory and cut off what lies behind it.
    """
    if not links:
        return path
    for _ in range(_MOST_LINKS):
        parent = next((parent for parent in parents(path) if parent in links), None)
        if parent is None:
            return path
        target = posixpath.join("/", posixpath.dirname(parent), links[parent])
        path = (posixpath.normpath(target) + path[len(parent) :]).lstrip("/")
    raise ContentError(f"symbolic links of the base lead {path!r} in a circle")


def checked_path(path: str, *, where: str | None = None) -> str:
    """Return *path* if it is relative, clean and stays below the root; raise ContentError otherwise."""
    clean = path.removeprefix("./")
    if "\0" in clean or not _UNSAFE.isdisjoint(clean.split("/")):
        raise ContentError(f"unsafe path {path[:200]!r}", where=where)
    return clean
