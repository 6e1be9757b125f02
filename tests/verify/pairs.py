"""Images that differ in one thing: what the tests of comparisons compare."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reprobuild.canonical import Digest, canonical_json
from reprobuild.oci.types import CONFIG, INDEX, LAYER_GZIP, LAYER_TAR, MANIFEST, Descriptor, ImageConfig, Platform
from reprobuild.progress import Silent
from reprobuild.store import Store
from reprobuild.verify.comparison import Comparison
from reprobuild.verify.diff import compare
from reprobuild.verify.reading import Origin, Texts
from reprobuild.verify.stored import Stored
from tests.images import AMD64, add_document

__all__ = ["TIME", "File", "Image", "Layer", "compared", "folder", "index", "site"]

TIME = 1_700_000_000


@dataclass(frozen=True, kw_only=True)
class File:
    """An entry of a layer, as tarfile writes it."""

    path: str
    data: bytes = b""
    kind: bytes = tarfile.REGTYPE
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: float = TIME
    target: str = ""
    device: tuple[int, int] = (0, 0)
    user: str = ""
    pax: Mapping[str, str] = field(default_factory=dict)

    def header(self) -> tarfile.TarInfo:
        info = tarfile.TarInfo(self.path)
        info.type, info.mode, info.uid, info.gid = self.kind, self.mode, self.uid, self.gid
        info.mtime, info.linkname, info.size = self.mtime, self.target, len(self.data)
        info.devmajor, info.devminor = self.device
        info.uname, info.pax_headers = self.user, dict(self.pax)
        return info


def folder(path: str, **more: Any) -> File:
    return File(path=path, kind=tarfile.DIRTYPE, mode=0o755, **more)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Entries in their order, and how they are packed."""

    files: Sequence[File] = ()
    level: int = 6
    media_type: str = LAYER_GZIP
    form: int = tarfile.PAX_FORMAT

    def plain(self) -> bytes:
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w", format=self.form) as archive:
            for file in self.files:
                archive.addfile(file.header(), io.BytesIO(file.data))
        return target.getvalue()

    def packed(self) -> bytes:
        return self.plain() if self.media_type == LAYER_TAR else gzip.compress(self.plain(), self.level, mtime=0)


_BASE = Layer(
    files=[File(path="etc/os-release", data=b"ID=debian\n"), File(path="bin/true", data=b"\x7fELF", mode=0o755)]
)


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image on one platform; ``files`` are the upper of its two layers."""

    files: Sequence[File] = (File(path="app/main.py", data=b"print(1)\n"),)
    base: Layer = _BASE
    upper: Layer | None = None
    more: Sequence[Layer] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    created: str = "2024-01-01T00:00:00Z"
    history: Sequence[Mapping[str, Any]] = ()
    platform: Platform = AMD64
    annotations: Mapping[str, str] = field(default_factory=dict)
    manifest_type: str = MANIFEST
    extra: Mapping[str, Any] = field(default_factory=dict)
    spaced: bool = False
    diff_ids: Sequence[Digest] | None = None

    def layers(self) -> list[Layer]:
        return [self.base, self.upper or Layer(files=self.files), *self.more]

    def add(self, store: Store) -> Descriptor:
        """Put the image into *store*; return its manifest's descriptor."""
        layers = self.layers()
        ids = [Digest("sha256:" + hashlib.sha256(layer.plain()).hexdigest()) for layer in layers]
        config = ImageConfig(
            platform=self.platform,
            config=dict(self.config),
            diff_ids=tuple(self.diff_ids or ids),
            history=tuple(self.history),
            created=self.created,
        )
        data = canonical_json({**config.to_json(), **self.extra})
        data = data.replace(b'":', b'": ') if self.spaced else data
        blob = Descriptor(media_type=CONFIG, digest=store.add(data), size=len(data))
        value = {
            "schemaVersion": 2,
            "mediaType": self.manifest_type,
            "config": blob.to_json(),
            "layers": [_blob(layer, store).to_json() for layer in layers],
            **({"annotations": dict(self.annotations)} if self.annotations else {}),
        }
        return add_document(value, self.manifest_type, store, platform=self.platform)


def _blob(layer: Layer, store: Store) -> Descriptor:
    data = layer.packed()
    return Descriptor(media_type=layer.media_type, digest=store.add(data), size=len(data))


def index(store: Store, *images: Descriptor, **more: Any) -> Descriptor:
    """Put an index of *images* into *store*; return its descriptor."""
    value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [image.to_json() for image in images], **more}
    return add_document(value, INDEX, store)


def site(name: str, version: str, files: Mapping[str, bytes], *, reverse: bool = False) -> list[File]:
    """Return a distribution as pip installs it."""
    place, info = "usr/lib/python3/dist-packages", f"{name}-{version}.dist-info"
    there = {**files, f"{info}/METADATA": f"Name: {name}\nVersion: {version}\n".encode()}
    rows = [f"{path},sha256={hashlib.sha256(data).hexdigest()[:43]},{len(data)}" for path, data in there.items()]
    rows.append(f"{info}/RECORD,,")
    record = "".join(f"{row}\n" for row in (reversed(rows) if reverse else rows)).encode()
    there[f"{info}/RECORD"] = record
    return [File(path=f"{place}/{path}", data=data) for path, data in there.items()]


async def compared(a: Image | Descriptor, b: Image | Descriptor, store: Store, **more: Any) -> Comparison:
    """Compare *a* and *b*, both in *store*."""
    roots = [replace(one.add(store), platform=None) if isinstance(one, Image) else one for one in (a, b)]
    origins = [
        Origin(reference=name, source=Stored(root, store), kept=False) for name, root in zip("AB", roots, strict=True)
    ]
    texts = more.pop("texts", Texts(files=10, lines=100))
    return await compare(*origins, store, Silent(), texts=texts, **more)
