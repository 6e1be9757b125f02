"""Archives of an image: one tar that OCI tools, Docker and podman all read.

It holds an image layout (``oci-archive:``) and, if each image is of one platform, beside it the
``manifest.json`` that ``docker load`` reads (``docker-archive:``), whose names point to the same blobs.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from reprobuild.builder.tar import END, archive
from reprobuild.builder.tree import Entry, directory, in_order, regular_file
from reprobuild.canonical import canonical_json, hex_of
from reprobuild.oci.contents import contents, manifests
from reprobuild.oci.layout import layout_documents
from reprobuild.oci.types import Descriptor
from reprobuild.store import Store, replacing

__all__ = ["EPOCH", "write_archive"]

EPOCH = 315532800
"""1980-01-01 in seconds since 1970: the time of every member."""


def write_archive(
    path: Path, *, entries: Sequence[tuple[Descriptor, str | None]], store: Store, epoch: int = EPOCH
) -> None:
    """Write the images *entries*, each with a tag or None, from *store* into the archive *path*.

    The same images give the same bytes. A tag of the form ``NAME:TAG`` is what ``docker load`` calls the image.
    An archive that is there is replaced when the new one is whole.
    """
    blobs = list(contents([descriptor for descriptor, _ in entries], store))
    documents = layout_documents(entries) | _load_document(entries, store)
    sources: dict[str, Iterable[bytes]] = {name: [data] for name, data in documents.items()}
    members: list[Entry] = [directory("blobs"), directory("blobs/sha256")]
    members += [regular_file(name, len(data)) for name, data in documents.items()]
    for blob in blobs:
        members.append(regular_file(_blob_name(blob), blob.size))
        sources[_blob_name(blob)] = store.chunks(blob.digest)
    with replacing(path) as file:
        for chunk in archive(((entry, sources.get(entry.path, ())) for entry in in_order(members)), epoch=epoch):
            file.write(chunk)
        file.write(END)


def _load_document(entries: Sequence[tuple[Descriptor, str | None]], store: Store) -> dict[str, bytes]:
    """Return ``manifest.json``, which knows no platforms: nothing if an entry has several."""
    images: list[dict[str, Any]] = []
    for descriptor, tag in entries:
        found = manifests(descriptor, store)
        if len(found) != 1:
            return {}
        layers = [_blob_name(layer) for layer in found[0].layers]
        images.append({"Config": _blob_name(found[0].config), "RepoTags": list(_names(tag)), "Layers": layers})
    return {"manifest.json": canonical_json(images)}


def _names(tag: str | None) -> Iterator[str]:
    if tag and ":" in tag.rpartition("/")[2] and "@" not in tag:
        yield tag


def _blob_name(descriptor: Descriptor) -> str:
    return f"blobs/sha256/{hex_of(descriptor.digest)}"
