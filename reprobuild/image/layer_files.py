"""A layer of the store → its files, one after another: streamed, checked, nothing unpacked, nothing executed.

A layer's compressed bytes were checked when they came into the store; here the plain bytes are checked against
the config's diffID, which also covers what the compressed digest cannot: that config and layers belong together.
Whoever keeps anything of a layer keeps it only once the last file has gone by.
"""

import struct
import tarfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from typing import Literal, NamedTuple, Protocol

from reprobuild.builder.tree import Entry, Kind, checked_path
from reprobuild.canonical import Digest, hex_of
from reprobuild.errors import ContentError
from reprobuild.image.plain import STEP, plain
from reprobuild.image.plain_file import PlainFile, Readable
from reprobuild.image.tar_member import Archive, Member
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Silent, Task

__all__ = ["Blobs", "LayerFile", "Readable", "layer_files"]

_PLAIN_LIMIT = 16 * 1024**3
"""Plain bytes of one layer."""
_ENTRY_LIMIT = 2_000_000
_DEPTH_LIMIT = 200
_XATTR = "SCHILY.xattr."
"""What GNU tar, Go and we begin the pax keyword of an extended attribute with."""
_OPAQUE = ".wh..wh..opq"
_WHITEOUT = ".wh."
_KINDS: dict[bytes, Kind] = {
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.CHRTYPE: "character",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}
_TAR_FAULTS = (tarfile.TarError, EOFError, IndexError, OverflowError, RecursionError, ValueError, struct.error)


class Blobs(Protocol):
    """Where the compressed bytes of layers are read: the store, or what takes its place for one image."""

    def open(self, digest: Digest) -> AbstractContextManager[Readable]:
        """Open the blob *digest*; ContentError if it is not there."""
        ...

    def chunks(self, digest: Digest) -> Iterator[bytes]:
        """Yield the blob's bytes; raise ContentError at the end if they are not what *digest* says."""
        ...


class LayerFile(NamedTuple):
    """One entry of a layer, or what it hides of the layers below (OCI image-spec, layer.md, "Whiteouts").

    ``hides`` is ``path`` for a whiteout of ``entry.path``, ``below`` for what the directory ``entry.path`` has in
    the layers below. The root's path is empty. ``mtime`` is in seconds since 1970.
    """

    entry: Entry
    hides: Literal["", "path", "below"] = ""
    mtime: int = 0
    content: Readable | None = None

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of a file, which can be read once, before the next entry is asked for."""
        left = self.entry.size
        while self.content is not None and left > 0 and (chunk := self.content.read(min(STEP, left))):
            left -= len(chunk)
            yield chunk


def layer_files(
    layer: Descriptor, diff_id: Digest, store: Blobs, *, where: str, task: Task | None = None, room: int = _PLAIN_LIMIT
) -> Generator[LayerFile, None, None]:
    """Yield the entries of *layer*, which is in *store* and whose plain bytes have the digest *diff_id*, as they come.

    *task* counts compressed bytes; *room* is how many plain bytes there may be. Raises ContentError, naming
    *where*, for anything that is not such a layer, at the end at the latest.
    """

    def blame() -> None:
        """Raise if the store is to blame rather than the image, and take the blob out."""
        for _ in store.chunks(layer.digest):
            pass

    # Closed here, not some time later by whoever collects garbage: the bytes may come from a source in another thread.
    with closing(_compressed(layer, store, task or Silent())) as compressed:
        try:
            pieces = plain(layer, compressed, where=where)
            yield from _files(PlainFile(pieces, blame, room=room, where=where), diff_id, where)
        except ContentError:
            blame()
            raise


def _files(file: PlainFile, diff_id: Digest, where: str) -> Iterator[LayerFile]:
    count = 0
    try:
        archive = Archive(file)
        for member in archive:
            count += 1
            if count > _ENTRY_LIMIT:
                raise ContentError(f"more than {_ENTRY_LIMIT} files", where=where)
            if (found := _found(file, archive, member, where)) is not None:
                yield found
    except _TAR_FAULTS as error:
        raise ContentError(f"not a readable tar archive: {str(error)[:200]}", where=where) from error
    file.drain()
    if file.hash.hexdigest() != hex_of(diff_id):
        raise ContentError(
            f"its plain bytes are sha256:{file.hash.hexdigest()}, the config says {diff_id}",
            where=where,
            hint="config and layers do not belong together; use another image, or ask whoever publishes it",
        )


def _compressed(layer: Descriptor, store: Blobs, task: Task) -> Generator[bytes, None, None]:
    with store.open(layer.digest) as file:
        while chunk := file.read(STEP):
            task.advance(len(chunk))
            yield chunk


def _found(file: PlainFile, archive: Archive, member: Member, where: str) -> LayerFile | None:
    path = _path(member, where)
    folder, slash, name = path.rpartition("/")
    if name == _OPAQUE:
        return LayerFile(entry=Entry(path=folder, kind="directory"), hides="below")
    if name.startswith(".wh..wh."):
        return None  # aufs kept its own books under such names
    if name.startswith(_WHITEOUT):
        hidden = checked_path(folder + slash + name.removeprefix(_WHITEOUT), where=where)
        return LayerFile(entry=Entry(path=hidden), hides="path")
    entry = _entry(member, path, where)
    if not path and entry.kind != "directory":
        raise ContentError("the root is not a directory", where=where)
    content: Readable | None = None
    if entry.kind == "file":
        # Only sparse files are not as they stand in the archive.
        content = archive.sparse(member) if member.issparse() else file.content(member.offset_data, member.size)
    return LayerFile(entry=entry, mtime=int(member.mtime), content=content)


def _entry(member: Member, path: str, where: str) -> Entry:
    kind = _kind(member, where)
    target = member.linkname if kind == "symlink" else ""
    if kind == "hardlink":
        target = checked_path(member.linkname, where=where)
    return Entry(
        path=path,
        kind=kind,
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        size=member.size if kind == "file" else 0,
        target=target,
        device=(member.devmajor, member.devminor) if kind in {"character", "block"} else (0, 0),
        xattrs=_xattrs(member.pax_headers) if member.pax_headers else (),
    )


def _xattrs(headers: Mapping[str, str]) -> tuple[tuple[str, bytes], ...]:
    found = {key.removeprefix(_XATTR): value for key, value in headers.items() if key.startswith(_XATTR)}
    return tuple((name, value.encode("utf-8", "surrogateescape")) for name, value in sorted(found.items()))


def _path(member: Member, where: str) -> str:
    if member.name in {".", "./", "/", ""} and member.isdir():
        return ""
    path = checked_path(member.name.removesuffix("/"), where=where)
    if path.count("/") >= _DEPTH_LIMIT:
        raise ContentError(f"more than {_DEPTH_LIMIT} directories deep: {path[:200]!r}", where=where)
    return path


def _kind(member: Member, where: str) -> Kind:
    if member.isreg():
        return "file"
    if (kind := _KINDS.get(member.type)) is not None:
        return kind
    raise ContentError(f"unknown type of entry {member.type!r}: {member.name[:200]!r}", where=where)
