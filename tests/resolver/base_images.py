"""Base images for tests: a few files each, of the shape that real ones have, with ELF files of a few bytes."""

import gzip
import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reprobuild.builder.tar import END, archive
from reprobuild.builder.tree import Entry, directory, symlink
from reprobuild.canonical import Digest
from reprobuild.image.layers import LayerReader, Selection
from reprobuild.image.tree import ImageTree
from reprobuild.oci.layout import write_layout
from reprobuild.oci.open import open_source
from reprobuild.oci.reference import parse_reference
from reprobuild.oci.source import Source
from reprobuild.oci.types import (
    CONFIG,
    INDEX,
    LAYER_GZIP,
    MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
)
from reprobuild.progress import Silent
from reprobuild.resolver.interpreter import is_kept, is_program
from reprobuild.store import Store
from tests.images import AMD64, ARM64, add_document

__all__ = [
    "ENV",
    "Files",
    "Image",
    "Layer",
    "alpine",
    "debian",
    "distribution",
    "elf",
    "file",
    "folder",
    "glibc",
    "image",
    "index",
    "layer",
    "link",
    "packed",
    "program",
    "python_org",
    "source",
    "tar",
    "tree_of",
]

Files = Sequence[tuple[Entry, bytes]]
ENV = ("PATH=/usr/local/bin:/usr/bin:/bin",)
_MACHINE = {AMD64: 62, ARM64: 183}
_GLIBC_LOADER = {
    AMD64: ("lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu"),
    ARM64: ("lib/ld-linux-aarch64.so.1", "usr/lib/aarch64-linux-gnu"),
}


def elf(*texts: bytes, platform: Platform = AMD64, machine: int | None = None, loader: str = "") -> bytes:
    """Return an ELF file of 64 bits that asks for *loader* and holds *texts* as C strings."""
    path = loader.encode() + b"\0" if loader else b""
    kind = _MACHINE[platform] if machine is None else machine
    identity = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    # e_phoff 64, e_phentsize 56, e_phnum 0 or 1: the loader's path follows the only program header.
    head = identity + struct.pack("<HHIQQQIHHHHHH", 3, kind, 1, 0, 64, 0, 0, 64, 56, 1 if loader else 0, 0, 0, 0)
    table = struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(path), len(path), 1) if loader else b""
    return head + table + path + b"\0" + b"".join(text + b"\0" for text in texts)


def file(path: str, content: bytes = b"", *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> tuple[Entry, bytes]:
    """Return a file and its contents."""
    return Entry(path=path, mode=mode, uid=uid, gid=gid, size=len(content)), content


def program(path: str, content: bytes) -> tuple[Entry, bytes]:
    """Return an executable file."""
    return file(path, content, mode=0o755)


def link(path: str, target: str) -> tuple[Entry, bytes]:
    """Return a symbolic link."""
    return symlink(path, target), b""


def folder(path: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> tuple[Entry, bytes]:
    """Return a directory."""
    return directory(path, mode=mode, uid=uid, gid=gid), b""


def glibc(platform: Platform = AMD64, version: str = "2.36") -> Files:
    """Return a C library of Debian's, /lib being a link to usr/lib."""
    loader, place = _GLIBC_LOADER[platform]
    name = loader.rpartition("/")[2]
    banner = f"GNU C Library (Debian GLIBC {version}-9) stable release version {version}.\n".encode()
    first, _, _ = loader.partition("/")
    return [
        *({path: link(path, f"usr/{path}") for path in ("bin", "lib", first)}.values()),
        link(f"usr/{loader}", f"/{place}/{name}"),
        program(f"{place}/{name}", elf(platform=platform)),
        program(f"{place}/libc.so.6", elf(banner, platform=platform, loader=f"/{loader}")),
    ]


def distribution(
    site: str, name: str, version: str, *, files: Mapping[str, bytes], record: Iterable[str] | None = None
) -> Files:
    """Return an installed distribution in *site*: *files* relative to it, and RECORD with them, or with *record*."""
    metadata = f"{name.replace('-', '_')}-{version}.dist-info"
    there = dict(files) | {
        f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nText\n".encode()
    }
    listed = [*(there if record is None else record), f"{metadata}/RECORD"]
    there[f"{metadata}/RECORD"] = "".join(f'"{path}",,\n' for path in listed).encode()
    paths = {_joined(site, path): content for path, content in there.items()}
    return [file(path, content) for path, content in paths.items()]


def python_org(version: str = "3.11.9", *, platform: Platform = AMD64, pip: str | None = "24.0") -> Files:
    """Return what Docker's official Python images add to Debian: a shared libpython below /usr/local."""
    minor = ".".join(version.split(".")[:2])
    site = f"usr/local/lib/python{minor}/site-packages"
    loader = f"/{_GLIBC_LOADER[platform][0]}"
    pip_files = {
        "pip/__init__.py": b"",
        "pip/_internal/cli.py": b"",
        "../../../bin/pip": b"#!",
        "../../../bin/pip3": b"#!",
    }
    return [
        *glibc(platform),
        program(f"usr/local/bin/python{minor}", elf(platform=platform, loader=loader)),
        link("usr/local/bin/python3", f"python{minor}"),
        link("usr/local/bin/python", "python3"),
        program(f"usr/local/lib/libpython{minor}.so.1.0", elf(version.encode(), b"3.2.0", platform=platform)),
        file(f"usr/local/lib/python{minor}/os.py"),
        file(f"usr/local/include/python{minor}/patchlevel.h", f'#define PY_VERSION "{version}"\n'.encode()),
        *(distribution(site, "pip", pip, files=pip_files) if pip else ()),
    ]


def debian(version: str = "3.11.2", *, platform: Platform = AMD64) -> Files:
    """Return Debian's own Python, which installs below /usr/local/lib/python3.N/dist-packages."""
    minor = ".".join(version.split(".")[:2])
    loader = f"/{_GLIBC_LOADER[platform][0]}"
    program_bytes = elf(b"3.2.0", version.encode(), platform=platform, loader=loader)
    return [
        *glibc(platform),
        program(f"usr/bin/python{minor}", program_bytes),
        link("usr/bin/python3", f"python{minor}"),
        file(f"usr/lib/python{minor}/os.py"),
        file(f"usr/lib/python{minor}/site.py", b"# into /usr/local/lib/python<version>/dist-packages\n"),
        link("var/run", "/run"),
        folder("run"),
        folder("tmp", mode=0o1777),
        folder("root", mode=0o700),
    ]


def alpine(version: str = "3.12.3") -> Files:
    """Return Alpine's Python: musl, a shared libpython, everything below /usr."""
    minor = ".".join(version.split(".")[:2])
    musl = elf(b"musl libc (x86_64)\nVersion %s\n", b"1.2.4_git20230717")
    return [
        program("lib/ld-musl-x86_64.so.1", musl),
        link("lib/libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1"),
        program(f"usr/bin/python{minor}", elf(loader="/lib/ld-musl-x86_64.so.1")),
        link("usr/bin/python3", f"python{minor}"),
        program(f"usr/lib/libpython{minor}.so.1.0", elf(version.encode())),
        file(f"usr/lib/python{minor}/os.py"),
        file(f"usr/lib/python{minor}/site.py", b"# as it comes\n"),
        *distribution(f"usr/lib/python{minor}/site-packages", "six", "1.16.0", files={"six.py": b""}),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer as it goes into a manifest: compressed bytes, their media type, the diffID that the config says."""

    data: bytes
    diff_id: Digest
    media_type: str = LAYER_GZIP


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image on one platform."""

    layers: Sequence[Layer]
    platform: Platform = AMD64
    env: Sequence[str] = ENV
    workdir: str = ""
    manifest_type: str = MANIFEST
    config_type: str = CONFIG
    config_platform: Platform | None = None

    def add(self, store: Store) -> Descriptor:
        """Put the image into *store*; return its manifest's descriptor."""
        config = ImageConfig(
            platform=self.config_platform or self.platform,
            config={"Env": list(self.env), "WorkingDir": self.workdir},
            diff_ids=tuple(layer.diff_id for layer in self.layers),
        )
        layers = tuple(
            Descriptor(media_type=layer.media_type, digest=store.add(layer.data), size=len(layer.data))
            for layer in self.layers
        )
        manifest = Manifest(config=add_document(config.to_json(), self.config_type, store), layers=layers)
        value = manifest.to_json() | {"mediaType": self.manifest_type}
        return add_document(value, self.manifest_type, store, platform=self.platform)


def tar(files: Files) -> bytes:
    """Return *files* as a tar archive, in the order given."""
    return b"".join(archive([(entry, [content] if content else []) for entry, content in files], epoch=0)) + END


def layer(files: Files) -> Layer:
    """Return *files* as a layer."""
    return packed(tar(files))


def packed(plain: bytes, *, claimed: bytes | None = None) -> Layer:
    """Return *plain* as a gzip layer; the config says the diffID of *claimed*, if that is given."""
    said = plain if claimed is None else claimed
    return Layer(data=gzip.compress(plain, 1, mtime=0), diff_id=Digest("sha256:" + hashlib.sha256(said).hexdigest()))


def tree_of(*layers: Files, store: Store) -> ImageTree:
    """Return what *layers* add up to, read from *store* as the product reads them."""
    reader = LayerReader(store, Selection(kept=is_kept, scanned=is_program), where="test image")
    for item in map(layer, layers):
        blob = Descriptor(media_type=item.media_type, digest=store.add(item.data), size=len(item.data))
        reader.read(blob, item.diff_id, task=Silent())
    return reader.tree


def image(*layers: Files, platform: Platform = AMD64, env: Sequence[str] = ENV) -> Image:
    """Return an image with a layer for each of *layers*."""
    return Image(layers=[layer(files) for files in layers], platform=platform, env=env)


def index(*images: Image, store: Store, others: Sequence[Descriptor] = ()) -> Descriptor:
    """Put *images* and an index of them, and of *others*, into *store*; return the index's descriptor."""
    manifests = (*others, *(item.add(store) for item in images))
    return add_document(Index(manifests=manifests).to_json(), INDEX, store)


def source(root: Descriptor, folder_: Path, store: Store) -> Source:
    """Return the source of an image layout that holds *root* alone."""
    write_layout(folder_ / "layout", entries=[(replace(root, platform=None), "base")], store=store)
    return open_source(parse_reference("oci:layout:base"), root=folder_, environ={})


def _joined(site: str, path: str) -> str:
    parts = site.split("/")
    while path.startswith("../"):
        path, parts = path[3:], parts[:-1]
    return "/".join([*parts, path])
