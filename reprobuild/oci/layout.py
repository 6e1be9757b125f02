"""Image layouts (OCI image-spec v1.1, image-layout.md), on disk or inside a tar, read and written.

``index.json`` lists images by the tag in ``org.opencontainers.image.ref.name``; blobs are files named by
their digest. What is read is checked; what is written is there before ``index.json`` mentions it.
"""

import fcntl
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from reprobuild.canonical import canonical_json, hex_of, parse_json
from reprobuild.errors import ContentError, MachineError, SpecificationError
from reprobuild.oci.checked import checked, in_thread
from reprobuild.oci.contents import contents
from reprobuild.oci.source import DOCUMENT_LIMIT
from reprobuild.oci.types import INDEX, Descriptor, parse_index
from reprobuild.store import CHUNK, Store, machine_errors, replace_file, replacing

__all__ = [
    "REF_NAME",
    "Files",
    "Folder",
    "Layout",
    "begin_layout",
    "enlist",
    "holds",
    "layout_documents",
    "read_file",
    "write_layout",
]

REF_NAME = "org.opencontainers.image.ref.name"

_LAYOUT = canonical_json({"imageLayoutVersion": "1.0.0"})
_MARK = "oci-layout"


class Files(Protocol):
    """Named bytes: a folder, or the members of a tar."""

    def size(self, name: str) -> int | None:
        """Return the size of the file *name* in bytes, None if there is none."""
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of the file *name*."""
        ...

    def close(self) -> None:
        """Let go of open files."""
        ...


class Folder:
    """The files below *root*; Files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def size(self, name: str) -> int | None:
        """Return the size of the file *name*, None if there is none."""
        with machine_errors(self.root / name):
            try:
                found = (self.root / name).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of the file *name*."""
        with machine_errors(self.root / name), (self.root / name).open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def close(self) -> None:
        """Do nothing: no file stays open."""


class Layout:
    """The image layout in *files* as a source; *tag* chooses what ``resolve`` returns. A Source.

    *where* is the reference, for messages.
    """

    def __init__(self, files: Files, tag: str | None, *, where: str) -> None:
        self._files = files
        self._tag = tag
        self._where = where

    async def resolve(self) -> Descriptor:
        """Return the image with the tag, or the only one if no tag was given."""
        listed = self._listed()
        chosen = [item for item in listed if self._tag is None or item.annotations.get(REF_NAME) == self._tag]
        if len({item.digest for item in chosen}) == 1:
            return chosen[0]
        there = ", ".join(sorted({item.annotations.get(REF_NAME, "(no tag)") for item in listed})) or "nothing"
        what = f"{'several images' if chosen else 'no image'}{f' {self._tag!r}' if self._tag else ''}"
        raise SpecificationError(
            f"{what}; it holds {there[:1000]}", where=self._where, hint="write PATH:TAG with one of its tags"
        )

    def stream(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """Yield the bytes of *descriptor*, checked; see Source."""
        return checked(in_thread(self._blob(descriptor)), descriptor, where=self._where)

    async def listed(self) -> tuple[Descriptor, ...]:
        """Return all that `index.json` lists."""
        return self._listed()

    async def close(self) -> None:
        """Close the files."""
        self._files.close()

    def _blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        name = f"blobs/sha256/{hex_of(descriptor.digest)}"
        size = self._files.size(name)
        if size is None:
            hint = "it was copied in part, or for other platforms only; make or copy it again"
            raise ContentError(f"the image is incomplete: there is no {name}", where=self._where, hint=hint)
        if size != descriptor.size:
            hint = "it was damaged or cut short; make or copy it again"
            raise ContentError(f"{name} has {size} bytes, not {descriptor.size}", where=self._where, hint=hint)
        yield from self._files.chunks(name)

    def _listed(self) -> tuple[Descriptor, ...]:
        mark = read_file(self._files, _MARK, where=self._where)
        index = read_file(self._files, "index.json", where=self._where)
        if mark is None or index is None:
            missing = _MARK if mark is None else "index.json"
            raise SpecificationError(
                f"not an image layout: it has no {missing}", where=self._where, hint="check the path"
            )
        _check_version(mark, self._where)
        return parse_index(index, where=f"{self._where}: index.json").manifests


def write_layout(path: Path, *, entries: Sequence[tuple[Descriptor, str | None]], store: Store) -> None:
    """Put the images *entries*, each with a tag or None, from *store* into the image layout *path*.

    What the layout lists already stays, except under the same tags. Blobs that are there are kept if their
    bytes are right and replaced if not. ``index.json`` is written last: a crash leaves the old images listed.
    """
    _check_existing(path)
    blobs = list(contents([descriptor for descriptor, _ in entries], store))
    begin_layout(path)
    for descriptor in blobs:
        _place(path, descriptor, store)
    enlist(path, entries)


def begin_layout(path: Path) -> None:
    """Make the folder *path* ready to take blobs; raise SpecificationError if it holds something else."""
    _check_existing(path)
    with machine_errors(path):
        (path / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)


def enlist(path: Path, entries: Sequence[tuple[Descriptor, str | None]]) -> None:
    """List *entries*, whose blobs are there, in the layout *path*, each with a tag or None."""
    if not (path / _MARK).exists():
        replace_file(path / _MARK, _LAYOUT)
    with _locked(path):
        index = layout_documents(entries, kept=_existing(path))["index.json"]
        if read_file(Folder(path), "index.json", where=str(path)) != index:
            replace_file(path / "index.json", index)


def layout_documents(
    entries: Sequence[tuple[Descriptor, str | None]], *, kept: Sequence[dict[str, Any]] = ()
) -> dict[str, bytes]:
    """Return ``index.json`` and ``oci-layout`` of a layout that lists *entries*, and of *kept* what they leave.

    The order in which images were added does not show: they are listed by tag, then digest.
    """
    new = [_tagged(descriptor, tag) for descriptor, tag in entries]
    tags = {_tag(item) for item in new} - {""}
    digests = {item["digest"] for item in new}
    left = [item for item in kept if _tag(item) not in tags and not (_tag(item) == "" and item["digest"] in digests)]
    unique = {canonical_json(item): item for item in left + new}
    listed = sorted(unique.values(), key=lambda item: (_tag(item), item["digest"], canonical_json(item)))
    index = canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})
    return {"index.json": index, _MARK: _LAYOUT}


def read_file(files: Files, name: str, *, where: str, limit: int = DOCUMENT_LIMIT) -> bytes | None:
    """Return the bytes of the small file *name*, None if there is none; raise ContentError if it is too large."""
    size = files.size(name)
    if size is None:
        return None
    if size > limit:
        raise ContentError(f"{name} has {size} bytes, more than {limit} are not read", where=where)
    return b"".join(files.chunks(name))


def _tagged(descriptor: Descriptor, tag: str | None) -> dict[str, Any]:
    value = descriptor.to_json()
    annotations = {key: text for key, text in descriptor.annotations.items() if key != REF_NAME}
    if tag:
        annotations[REF_NAME] = tag
    return {key: item for key, item in value.items() if key != "annotations"} | (
        {"annotations": annotations} if annotations else {}
    )


def _tag(item: dict[str, Any]) -> str:
    return str((item.get("annotations") or {}).get(REF_NAME, ""))


def _existing(path: Path) -> list[dict[str, Any]]:
    """Return the descriptors that the layout lists, as they stand: others may have written more into them."""
    data = read_file(Folder(path), "index.json", where=str(path))
    if data is None:
        return []
    parse_index(data, where=str(path / "index.json"))
    listed: Any = parse_json(data).get("manifests") or []
    return list(listed)


def _check_existing(path: Path) -> None:
    """Raise, before anything is written, if *path* holds something that is not a layout of ours to extend."""
    with machine_errors(path):
        if path.exists() and not path.is_dir():
            raise SpecificationError("there is a file, not a folder", where=str(path), hint="choose another path")
        occupied = path.exists() and any(path.iterdir())
    mark = read_file(Folder(path), _MARK, where=str(path))
    if mark is not None:
        _check_version(mark, str(path))
        _existing(path)
    elif occupied and not (path / "blobs").is_dir():
        raise SpecificationError(
            "the folder is not empty and not an image layout", where=str(path), hint="choose another path"
        )


def _check_version(mark: bytes, where: str) -> None:
    version = parse_json(mark, where=f"{where}: {_MARK}").get("imageLayoutVersion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise ContentError(f"unsupported imageLayoutVersion {str(version)[:50]!r}", where=where)


def _place(path: Path, descriptor: Descriptor, store: Store) -> None:
    """Put the blob *descriptor* into the layout *path*; bytes that are there are kept only if they are right."""
    target = path / "blobs" / "sha256" / hex_of(descriptor.digest)
    if holds(path, descriptor):
        return
    with replacing(target, scratch=path) as file:
        for chunk in store.chunks(descriptor.digest):
            file.write(chunk)


def holds(path: Path, descriptor: Descriptor) -> bool:
    """Say whether the layout *path* has the blob *descriptor*, its bytes read."""
    target = path / "blobs" / "sha256" / hex_of(descriptor.digest)
    if Folder(target.parent).size(target.name) != descriptor.size:
        return False
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == hex_of(descriptor.digest)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder's lock, so that of two writers neither loses the other's images."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise MachineError(error.strerror or str(error), where=str(path)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
