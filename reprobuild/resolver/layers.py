"""Layers, lowest first → ImageTree: streamed from the store, in a thread, nothing unpacked, nothing executed.

A layer's compressed bytes were checked when they came into the store; here the plain bytes are checked against
the config's diffID, which also covers what the compressed digest cannot: that config and layers belong together.
"""

import hashlib
import struct
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, Literal, cast

from reprobuild.builder.tree import checked_path
from reprobuild.canonical import Digest, hex_of
from reprobuild.errors import ContentError
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Task
from reprobuild.resolver.elf import scan
from reprobuild.resolver.image_tree import ImageTree, Node
from reprobuild.resolver.plain import STEP, plain
from reprobuild.store import Store

__all__ = ["LayerReader", "Selection"]

_TOTAL_LIMIT = 16 * 1024**3
"""Plain bytes of all layers together."""
_ENTRY_LIMIT = 2_000_000
_DEPTH_LIMIT = 200
_TEXT_LIMIT = 8 * 1024**2
"""Bytes of a file whose contents are kept; the longest RECORD seen has one."""
_EXTENSION_LIMIT = 1024**2
"""Bytes of a pax or GNU extension, which tarfile reads at once."""
_EXTENSIONS = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)
_OPAQUE = ".wh..wh..opq"
_WHITEOUT = ".wh."
_TAR_FAULTS = (tarfile.TarError, EOFError, IndexError, OverflowError, RecursionError, ValueError, struct.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which files, by path, are kept whole (small ones), and which are scanned as ELF files."""

    kept: Callable[[str], bool]
    scanned: Callable[[str], bool]


class LayerReader:
    """Grows ``tree`` by one layer after another. For one image; blocking, so that it belongs into a thread."""

    def __init__(self, store: Store, selection: Selection, *, where: str) -> None:
        self.tree = ImageTree()
        self._store = store
        self._selection = selection
        self._where = where
        self._count = 0
        self._entries = 0
        self._room = _TOTAL_LIMIT

    def read(self, layer: Descriptor, diff_id: Digest, *, task: Task) -> None:
        """Add *layer*, which is in the store and whose plain bytes have the digest *diff_id*; *task* counts its bytes.

        Raises ContentError, naming the layer and the image, for anything that is not such a layer.
        """
        where = f"{self._where}, layer {self._count + 1} ({layer.digest})"
        try:
            self._read(layer, diff_id, task, where)
        except ContentError:
            # The store may be to blame rather than the image: then this raises, and takes the blob out.
            for _ in self._store.chunks(layer.digest):
                pass
            raise
        self._count += 1

    def _read(self, layer: Descriptor, diff_id: Digest, task: Task, where: str) -> None:
        file = _PlainFile(plain(layer, self._compressed(layer, task), where=where), self._room, where)
        try:
            # tarfile copies what is left of its buffer at every header: a small one is faster.
            with tarfile.open(
                None, "r|", cast("IO[bytes]", file), bufsize=16 * 1024, tarinfo=_Member, encoding="utf-8"
            ) as archive:
                while (member := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]  # or it remembers them all
                    self._add(archive, member, where)
        except _TAR_FAULTS as error:
            raise ContentError(f"not a readable tar archive: {str(error)[:200]}", where=where) from error
        file.drain()
        if file.hash.hexdigest() != hex_of(diff_id):
            raise ContentError(
                f"its plain bytes are sha256:{file.hash.hexdigest()}, the config says {diff_id}",
                where=where,
                hint="config and layers do not belong together; use another image, or ask whoever publishes it",
            )
        self._room -= file.size

    def _compressed(self, layer: Descriptor, task: Task) -> Iterator[bytes]:
        with self._store.open(layer.digest) as file:
            while chunk := file.read(STEP):
                task.advance(len(chunk))
                yield chunk

    def _add(self, archive: tarfile.TarFile, member: tarfile.TarInfo, where: str) -> None:
        self._entries += 1
        if self._entries > _ENTRY_LIMIT:
            raise ContentError(f"more than {_ENTRY_LIMIT} files", where=where)
        path = _path(member, where)
        folder, slash, name = path.rpartition("/")
        if name == _OPAQUE:
            self.tree.hide_below(folder, layer=self._count)
        elif name.startswith(".wh..wh."):
            pass  # aufs kept its own books under such names
        elif name.startswith(_WHITEOUT):
            hidden = checked_path(folder + slash + name.removeprefix(_WHITEOUT), where=where)
            self.tree.hide(hidden, layer=self._count)
        else:
            self.tree.place(path, self._node(archive, member, path, where))

    def _node(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, where: str) -> Node:
        if member.islnk():
            target = self.tree.find(checked_path(member.linkname, where=where))
            if target is None or target.node.kind == "directory":
                raise ContentError(f"{path}: a hard link to nothing, {member.linkname[:200]!r}", where=where)
            return replace(target.node, layer=self._count)
        node = Node(
            kind=_kind(member, where),
            mode=member.mode & 0o7777,
            uid=member.uid,
            gid=member.gid,
            size=member.size if member.isreg() else 0,
            target=member.linkname if member.issym() else "",
            layer=self._count,
        )
        if not path and node.kind != "directory":
            raise ContentError("the root is not a directory", where=where)
        return self._with_contents(archive, member, path, node, where)

    def _with_contents(
        self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, node: Node, where: str
    ) -> Node:
        scanned, kept = self._selection.scanned(path), self._selection.kept(path)
        if node.kind != "file" or not (scanned or kept) or (file := archive.extractfile(member)) is None:
            return node
        if scanned:
            return replace(node, elf=scan(iter(partial(file.read, STEP), b"")))
        if member.size > _TEXT_LIMIT:
            raise ContentError(f"{path}: {member.size} bytes, more than {_TEXT_LIMIT} are not read", where=where)
        return replace(node, content=file.read())


class _Member(tarfile.TarInfo):
    """A tar header that is not taken for the end when it is damaged, and whose extensions do not fill the memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        return cls._checked(super().frombuf, buf, encoding, errors)

    @classmethod
    def _frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str, **options: bool) -> "_Member":
        """Do the same where it is read by newer Pythons, security releases of old ones among them."""
        read: Callable[..., tarfile.TarInfo] = super()._frombuf  # type: ignore[misc]
        return cls._checked(partial(read, **options), buf, encoding, errors)

    @staticmethod
    def _checked(read: Callable[..., tarfile.TarInfo], buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        try:
            member = cast("_Member", read(buf, encoding, errors))
        except tarfile.HeaderError as error:
            if any(buf):
                raise tarfile.ReadError(str(error)) from error
            raise
        if member.size < 0 or (member.type in _EXTENSIONS and member.size > _EXTENSION_LIMIT):
            raise tarfile.ReadError(f"a header that announces {member.size} bytes")
        return member


class _PlainFile:
    """The plain bytes of a layer as the file that tarfile reads; hashes and counts all that goes through."""

    def __init__(self, pieces: Iterator[bytes], room: int, where: str) -> None:
        self.hash = hashlib.sha256()
        self.size = 0
        self._pieces = pieces
        self._room = room
        self._where = where
        self._piece = b""
        self._start = 0

    def read(self, size: int) -> bytes:
        """Return *size* bytes, fewer only at the end."""
        parts: list[bytes] = []
        while size > 0 and (self._start < len(self._piece) or self._next()):
            part = self._piece[self._start : self._start + size]
            parts.append(part)
            self._start += len(part)
            size -= len(part)
        return b"".join(parts)

    def drain(self) -> None:
        """Read what follows the end of the archive: it is part of the diffID."""
        while self._next():
            pass

    def _next(self) -> bool:
        for piece in self._pieces:
            self.hash.update(piece)
            self.size += len(piece)
            if self.size > self._room:
                raise ContentError(f"the layers hold more than {_TOTAL_LIMIT} bytes", where=self._where)
            self._piece, self._start = piece, 0
            if piece:
                return True
        return False


def _path(member: tarfile.TarInfo, where: str) -> str:
    if member.name in {".", "./", "/", ""} and member.isdir():
        return ""
    path = checked_path(member.name.removesuffix("/"), where=where)
    if path.count("/") >= _DEPTH_LIMIT:
        raise ContentError(f"more than {_DEPTH_LIMIT} directories deep: {path[:200]!r}", where=where)
    return path


def _kind(member: tarfile.TarInfo, where: str) -> Literal["file", "directory", "symlink", "other"]:
    if member.isreg():
        return "file"
    if member.isdir():
        return "directory"
    if member.issym():
        return "symlink"
    if member.isdev():
        return "other"
    raise ContentError(f"unknown type of entry {member.type!r}: {member.name[:200]!r}", where=where)
