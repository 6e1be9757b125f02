"""The shared libraries of a base image, read from its layers in the store and remembered by its manifest.

Where the dynamic linker looks: ld.so(8) and ldconfig(8) for glibc, Debian's directories for each architecture
among its defaults; for musl ``/etc/ld-musl-<arch>.path``. Nothing is executed, and no cache is believed.
"""

import fnmatch
import hashlib
import io
import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reprobuild.builder.base import stored_manifest
from reprobuild.canonical import Digest, canonical_json, digest_of, parse_digest
from reprobuild.errors import ContentError
from reprobuild.image.elf import machine_of
from reprobuild.image.index import IndexedFile, RootLayer, remember_index, tree_of
from reprobuild.image.layer_files import LayerFile, layer_files
from reprobuild.image.shared_object import SharedObject, from_json, read_shared_object, to_json
from reprobuild.image.tree import ImageTree
from reprobuild.lockfile import BaseImage
from reprobuild.oci.types import Platform
from reprobuild.progress import Task
from reprobuild.resolver.needs import BaseLibraries
from reprobuild.store import Store

__all__ = ["base_libraries", "remembered_libraries"]

_KIND = "base-libraries"
_FORMAT = 1
"""Of what is remembered; another one is another key."""
_LIBRARY = re.compile(r"(?!(?:.*/)?(?:gconv|python3[^/]*)/)(?:.*/)?[^/]+\.so(?:\.[^/]+)?")
"""What is called as a library is. Not those of iconv and of Python, which nothing links with."""
_TEXT = re.compile(r"etc/ld\.so\.conf|etc/ld\.so\.conf\.d/[^/]+|etc/ld-musl-[^/]+\.path|(?:etc|usr/lib)/os-release")
_SIZE_LIMIT = 512 * 1024 * 1024
_TEXT_LIMIT = 64 * 1024
_INCLUDES = 20
"""How deep configurations of the linker may include one another."""
_TRIPLET = re.compile(r"(?:usr/)?lib/[a-z0-9_]+-linux-(?:gnu|musl)[a-z0-9_]*")
_GLIBC = ("lib", "usr/lib", "lib64", "usr/lib64")
_MUSL = ("lib", "usr/local/lib", "usr/lib")


def base_libraries(base: BaseImage, platform: Platform, store: Store, *, task: Task | None = None) -> BaseLibraries:
    """Return the libraries of *base* on *platform*, whose manifest, config and layers are in *store*.

    Blocking; *task* counts the compressed bytes that are read. Raises ContentError for layers that are not what
    they are said to be, LockError if the lock is not of this image.
    """
    if (known := remembered_libraries(base, platform, store)) is not None:
        return known
    manifest, config = stored_manifest(base, platform, store)
    where = f"{base.image} ({platform})"
    layers = [
        RootLayer(descriptor=layer, diff_id=diff_id)
        for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
    ]
    reading = _Reading(store)
    for number, layer in enumerate(layers):
        reading.read(layer, where=f"{where}, layer {number + 1} ({layer.descriptor.digest})", task=task)
    tree = tree_of(layers, store, where=where)
    found = _libraries(tree, reading, base, platform, config.env)
    store.write_record(_KIND, _key(base, platform), {"blob": store.add(canonical_json(_to_json(found)))})
    return found


def remembered_libraries(base: BaseImage, platform: Platform, store: Store) -> BaseLibraries | None:
    """Return what `base_libraries` would, if *store* remembers it."""
    record = store.record(_KIND, _key(base, platform))
    if record is None:
        return None
    try:
        return _from_json(json.loads(store.read(parse_digest(record.get("blob")))))
    except (ContentError, AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None


class _Reading:
    """The libraries and the configuration files of layers, by the digests of their bytes."""

    def __init__(self, store: Store) -> None:
        self.libraries: dict[Digest, SharedObject] = {}
        self.texts: dict[Digest, str] = {}
        self._store = store

    def read(self, layer: RootLayer, *, where: str, task: Task | None) -> None:
        """Read *layer*; what is in it is remembered for whoever asks for its index next."""
        files = layer_files(layer.descriptor, layer.diff_id, self._store, where=where, task=task)
        remember_index(layer.diff_id, [self._indexed(file) for file in files], self._store)

    def _indexed(self, file: LayerFile) -> IndexedFile:
        digest = None
        if file.entry.kind == "file" and not file.hides:
            digest = self._digest(file)
        return IndexedFile(entry=file.entry, hides=file.hides, mtime=file.mtime, digest=digest)

    def _digest(self, file: LayerFile) -> Digest:
        path, size = file.entry.path, file.entry.size
        is_library = _LIBRARY.fullmatch(path) is not None and size <= _SIZE_LIMIT
        is_text = _TEXT.fullmatch(path) is not None and size <= _TEXT_LIMIT
        hash_, kept = hashlib.sha256(), io.BytesIO()
        for chunk in file.chunks():
            hash_.update(chunk)
            if is_library or is_text:
                kept.write(chunk)
        digest = Digest("sha256:" + hash_.hexdigest())
        kept.seek(0)
        if is_text:
            self.texts[digest] = kept.getvalue().decode("utf-8", "replace")
        elif is_library and (shared := read_shared_object(kept)) is not None:
            self.libraries[digest] = shared
        return digest


def _libraries(
    tree: ImageTree, reading: _Reading, base: BaseImage, platform: Platform, env: Mapping[str, str]
) -> BaseLibraries:
    machine = machine_of(platform.architecture)
    libraries, links = {}, {}
    for path, node in tree.walk():
        if node.kind == "symlink" or (node.kind == "file" and _LIBRARY.fullmatch(path)):
            found = tree.find(path)
            shared = reading.libraries.get(found.node.digest or Digest("")) if found else None
            if shared is not None and shared.machine == machine:
                libraries[path] = shared
            elif found is not None and found.node.kind == "directory":
                links[path] = found.path
    linker = _Configuration(tree, reading.texts)
    return BaseLibraries(
        libraries=libraries,
        directories=tuple(dict.fromkeys(_directories(linker, base.libc.family, env))),
        links=links,
        release=linker.release(),
    )


def _directories(linker: "_Configuration", libc: str, env: Mapping[str, str]) -> Iterator[str]:
    """Yield the real paths of the directories that are searched, in their order."""
    places: list[str] = re.split(r"[:;]", env.get("LD_LIBRARY_PATH", ""))
    if libc == "musl":
        places += linker.musl() or _MUSL
    else:
        triplets = [path for path in linker.directories("lib", "usr/lib") if _TRIPLET.fullmatch(path)]
        places += [*linker.glibc("etc/ld.so.conf"), *triplets, *_GLIBC]
    for place in places:
        if place and (real := linker.real(place)) is not None:
            yield real


class _Configuration:
    """What an image's files say to the dynamic linker."""

    def __init__(self, tree: ImageTree, texts: Mapping[Digest, str]) -> None:
        self._tree = tree
        self._texts = texts

    def real(self, path: str) -> str | None:
        """Return the real path of the directory *path*; None if there is none."""
        found = self._tree.find(path)
        return found.path if found is not None and found.node.kind == "directory" else None

    def directories(self, *above: str) -> Iterator[str]:
        """Yield the directories in each of *above*."""
        for folder in above:
            real = self.real(folder)
            names = self._tree.names(real) if real else ()
            yield from (f"{folder}/{name}" for name in names if self.real(f"{folder}/{name}"))

    def glibc(self, path: str, depth: int = 0) -> Iterator[str]:
        """Yield the directories that the ld.so.conf at *path* lists, and those of the files that it includes."""
        for line in self._lines(path) if depth < _INCLUDES else ():
            word, _, rest = line.partition(" ")
            if word == "include":
                for pattern in rest.split():
                    folder, name = posixpath.split(posixpath.join("/", posixpath.dirname(path), pattern))
                    for other in fnmatch.filter(self._names(folder), name):
                        yield from self.glibc(f"{folder}/{other}", depth + 1)
            elif word != "hwcap":
                yield from (place.partition("=")[0] for place in re.split(r"[\s:,]+", line) if place)

    def musl(self) -> Sequence[str]:
        """Return the directories that ``/etc/ld-musl-<arch>.path`` lists, empty if it is not there."""
        names = fnmatch.filter(self._names("etc"), "ld-musl-*.path")
        return [place for name in names for line in self._lines(f"etc/{name}") for place in line.split(":")]

    def release(self) -> dict[str, str]:
        """Return ID, ID_LIKE and VERSION_ID of os-release(5)."""
        found = {}
        for line in self._lines("etc/os-release") or self._lines("usr/lib/os-release"):
            key, _, value = line.partition("=")
            if key in {"ID", "ID_LIKE", "VERSION_ID"}:
                found[key] = _unquoted(value)
        return found

    def _names(self, folder: str) -> list[str]:
        real = self.real(folder)
        return self._tree.names(real) if real is not None else []

    def _lines(self, path: str) -> list[str]:
        found = self._tree.find(path)
        text = self._texts.get(found.node.digest or Digest(""), "") if found else ""
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        return [re.sub(r"\s+", " ", line) for line in lines if line]


def _unquoted(value: str) -> str:
    try:
        return "".join(shlex.split(value))
    except ValueError:
        return value


def _key(base: BaseImage, platform: Platform) -> Digest:
    manifest = base.platforms[platform].manifest
    return digest_of(canonical_json([_KIND, _FORMAT, manifest, platform.architecture, base.libc.family]))


def _to_json(found: BaseLibraries) -> dict[str, Any]:
    """Return *found* as JSON has it, each library once, however many links lead to it."""
    texts = {path: canonical_json(to_json(shared)) for path, shared in found.libraries.items()}
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts.values()))}
    return {
        "objects": [json.loads(text) for text in numbers],
        "libraries": {path: numbers[text] for path, text in texts.items()},
        "directories": list(found.directories),
        "links": dict(found.links),
        "release": dict(found.release),
    }


def _from_json(value: dict[str, Any]) -> BaseLibraries:
    objects = [from_json(one) for one in value["objects"]]
    return BaseLibraries(
        libraries={path: objects[number] for path, number in value["libraries"].items()},
        directories=tuple(value["directories"]),
        links=dict(value["links"]),
        release=dict(value["release"]),
    )
