"""The distributions that a base image has installed, and what to remove before another version goes in.

Read from their metadata (PEP 376's and PEP 627's ``.dist-info``, setuptools' ``.egg-info``) in the directories
that wheels install into; those of the base's own package manager are never touched.
"""

import csv
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reprobuild.errors import LockError
from reprobuild.image.tree import ImageTree
from reprobuild.lockfile import BaseDistribution, normal_name
from reprobuild.printable import is_printable
from reprobuild.resolver.interpreter import Python

__all__ = ["installed_distributions", "installed_pip"]

_FIELD = rb"^%s:[ \t]*([A-Za-z0-9][A-Za-z0-9.!+_-]{0,120})[ \t]*\r?$"
_NAME = re.compile(_FIELD % b"Name", re.MULTILINE | re.IGNORECASE)
_VERSION = re.compile(_FIELD % b"Version", re.MULTILINE | re.IGNORECASE)
_METADATA = {".dist-info": "/METADATA", ".egg-info": "/PKG-INFO"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Distribution:
    """A distribution, its metadata's stored path, and every file of its own that is there."""

    name: str
    version: str
    metadata: str
    files: frozenset[str]


def installed_distributions(tree: ImageTree, python: Python, *, where: str) -> tuple[BaseDistribution, ...]:
    """Return what is installed where wheels go, sorted by name, each with the fewest paths that hold it, sorted.

    What belongs to one distribution wholly is one path, all else is listed file by file. Nothing outside the
    scheme's prefix is ever listed, whatever a RECORD says.
    """
    found: list[BaseDistribution] = []
    for site in _stored(tree, (python.interpreter.purelib, python.interpreter.platlib)):
        distributions = [_read(tree, site, name, python, where) for name in _metadata_names(tree, site)]
        owners = _owners(distributions, site)
        found += [
            BaseDistribution(name=item.name, version=item.version, paths=_paths(tree, item, site, owners))
            for item in distributions
        ]
    return tuple(sorted(found, key=lambda item: (item.name, item.version)))


def installed_pip(tree: ImageTree, python: Python, *, where: str) -> str | None:
    """Return the version of the pip that ``python -m pip`` would run, None if there is none."""
    for site in _stored(tree, python.sites):
        for entry in _metadata_names(tree, site):
            name, version = _identity(tree, f"{site}/{entry}", where)
            if name == "pip":
                return version
    return None


def _stored(tree: ImageTree, paths: Iterable[str]) -> list[str]:
    """Return where *paths* are really stored, each once, missing ones left out."""
    found = (tree.find(path) for path in paths)
    return list(dict.fromkeys(item.path for item in found if item is not None))


def _metadata_names(tree: ImageTree, site: str) -> list[str]:
    return [name for name in tree.names(site) if name.endswith(tuple(_METADATA)) and _text(tree, f"{site}/{name}")]


def _text(tree: ImageTree, metadata: str) -> bytes:
    """Return the METADATA or PKG-INFO of the folder *metadata*, or its own text if it is a file."""
    for path in (metadata + _METADATA[posixpath.splitext(metadata)[1]], metadata):
        node = tree.get(path)
        if node is not None and node.content is not None:
            return node.content
    return b""


def _identity(tree: ImageTree, metadata: str, where: str) -> tuple[str, str]:
    head = _text(tree, metadata).replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    name, version = _NAME.search(head), _VERSION.search(head)
    if name is None or version is None:
        raise LockError(
            f"/{metadata} names no distribution and version",
            where=where,
            hint="the installation in the base image is broken; use another one, or ask whoever publishes it",
        )
    return normal_name(name[1].decode()), version[1].decode()


def _read(tree: ImageTree, site: str, entry: str, python: Python, where: str) -> _Distribution:
    metadata = f"{site}/{entry}"
    name, version = _identity(tree, metadata, where)
    prefix = python.interpreter.data.strip("/")
    listed = {path for path in _listed(tree, site, metadata) if path.startswith((f"{prefix}/", f"{site}/"))}
    files = {path for path in listed if (node := tree.get(path)) is not None and node.kind != "directory"}
    files |= {path for path, node in tree.walk(metadata) if node.kind != "directory"}
    files |= {bytecode for path in files for bytecode in _bytecode(tree, path)}
    return _Distribution(name=name, version=version, metadata=metadata, files=frozenset(files))


def _listed(tree: ImageTree, site: str, metadata: str) -> set[str]:
    """Return the paths that RECORD, or for an egg installed-files.txt, lists."""
    record, eggs = tree.get(f"{metadata}/RECORD"), tree.get(f"{metadata}/installed-files.txt")
    if record is not None and record.content is not None:
        base, written = site, _record(record.content)
    elif eggs is not None and eggs.content is not None:
        base, written = metadata, eggs.content.decode("utf-8", "surrogateescape").splitlines()
    else:
        return set()
    return {posixpath.normpath(posixpath.join("/", base, path)).lstrip("/") for path in written}


def _record(content: bytes) -> list[str]:
    """Return the paths in the RECORD *content*, none if it is damaged: then only the metadata's folder is known."""
    try:
        return [row[0] for row in csv.reader(content.decode("utf-8", "surrogateescape").splitlines()) if row]
    except csv.Error:
        return []


def _bytecode(tree: ImageTree, path: str) -> list[str]:
    """Return the compiled forms of the module *path*, which no RECORD need list (PEP 3147)."""
    if not path.endswith(".py"):
        return []
    folder, _, name = path.rpartition("/")
    cache, stem = f"{folder}/__pycache__", name.removesuffix(".py") + "."
    return [f"{cache}/{item}" for item in tree.names(cache) if item.startswith(stem) and item.endswith(".pyc")]


def _top(path: str, site: str) -> str:
    """Return the entry of *site* that *path* is in, or *path* itself if it is elsewhere."""
    if not path.startswith(f"{site}/"):
        return path
    return f"{site}/{path[len(site) + 1 :].partition('/')[0]}"


def _owners(distributions: Iterable[_Distribution], site: str) -> Mapping[str, set[str]]:
    """Return by top-level entry the distributions that have files in it."""
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for distribution in distributions:
        for path in distribution.files:
            owners[_top(path, site)].add(distribution.metadata)
    return owners


def _paths(tree: ImageTree, item: _Distribution, site: str, owners: Mapping[str, set[str]]) -> tuple[str, ...]:
    paths: set[str] = set()
    by_top: defaultdict[str, set[str]] = defaultdict(set)
    for path in item.files:
        by_top[_top(path, site)].add(path)
    for top, files in by_top.items():
        here = {path for path, node in tree.walk(top) if node.kind != "directory"}
        paths |= {top} if owners[top] == {item.metadata} and here <= files else files
    # A name that is not text cannot stand in a lock.
    return tuple(sorted(f"/{path}" for path in paths if is_printable(path)))
