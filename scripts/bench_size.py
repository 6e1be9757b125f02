"""How large an image is: as it travels, compressed, and as tar archives."""

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_stopwatch import Sample

__all__ = ["Export", "Size", "size_of"]

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Bytes of the layers: of all, and of those that the build added to the base."""

    layers: int
    compressed: int
    uncompressed: int
    added_compressed: int
    added_uncompressed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The image written as an image layout, which compresses it: what that took, and the size of what came."""

    sample: Sample
    size: Size


def size_of(layout: Path, *, base_layers: int) -> Size:
    """Return the size of the one image in the folder *layout*, whose first *base_layers* are the base's."""
    index = json.loads((layout / "index.json").read_bytes())
    paths = [_blob(layout, layer["digest"]) for layer in _manifest(layout, index)["layers"]]
    compressed = [path.stat().st_size for path in paths]
    uncompressed = [_unpacked(path) for path in paths]
    return Size(
        layers=len(paths),
        compressed=sum(compressed),
        uncompressed=sum(uncompressed),
        added_compressed=sum(compressed[base_layers:]),
        added_uncompressed=sum(uncompressed[base_layers:]),
    )


def _manifest(layout: Path, document: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest below *document*, an index of one or that manifest itself."""
    while "manifests" in document:
        (descriptor,) = document["manifests"]
        document = json.loads(_blob(layout, descriptor["digest"]).read_bytes())
    return document


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / Path(*digest.split(":"))


def _unpacked(path: Path) -> int:
    with gzip.open(path) as file:
        return sum(map(len, _chunks(file)))


def _chunks(file: gzip.GzipFile) -> Iterable[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
