"""What is installed in two sets of files: Python distributions and packages of dpkg, apk and rpm, old and new."""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from packaging.utils import canonicalize_name

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError
from reprobuild.image.os_packages import OsPackage, apk_packages, dpkg_packages
from reprobuild.image.rpm import RPM_DATABASES, rpm_packages
from reprobuild.image.tree import ImageTree, Node
from reprobuild.verify.cause import Cause
from reprobuild.verify.difference import Difference
from reprobuild.verify.layer_sum import LayerSum
from reprobuild.verify.places import is_package_database, source_of
from reprobuild.verify.record import record_hashes

__all__ = ["Contents", "Owners", "distribution_differences", "os_package_differences"]

Contents = Callable[[Digest], bytes | None]
"""Gives the bytes of a file by digest, None if they are not at hand."""

_RECORD = re.compile(r"(?:.*/)?(?P<name>[^/]+)-(?P<version>[^/-]+)\.dist-info/RECORD")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Distribution:
    name: str
    version: str
    record: str
    """The path of its RECORD."""
    digest: Digest | None
    layer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Which of the distributions that differ a path belongs to."""

    by_path: Mapping[str, Difference]
    by_folder: Mapping[str, Difference]

    def of(self, path: str) -> Difference | None:
        """Return the difference of the distribution that *path* is part of; None if it is of none that differs."""
        if not self.by_path and not self.by_folder:
            return None
        return (
            self.by_path.get(path)
            or self.by_path.get(source_of(path) or path)
            or self.by_folder.get(posixpath.dirname(path))
        )


def distribution_differences(a: LayerSum, b: LayerSum, contents: Contents) -> tuple[list[Difference], Owners]:
    """Return the distributions that differ between *a* and *b*, and who owns which path because of it."""
    mine, theirs = _distributions(a), _distributions(b)
    found: list[Difference] = []
    by_path: dict[str, Difference] = {}
    by_folder: dict[str, Difference] = {}
    for key in sorted(mine.keys() | theirs.keys()):
        old, new = mine.get(key), theirs.get(key)
        difference, paths = _compared(old, new, contents)
        if difference is not None:
            found.append(difference)
            by_path |= dict.fromkeys(paths, difference)
            by_folder |= {posixpath.dirname(one.record): difference for one in (old, new) if one}
    return found, Owners(by_path=by_path, by_folder=by_folder)


def os_package_differences(a: LayerSum, b: LayerSum, contents: Contents) -> Iterator[Difference]:
    """Yield the packages of the operating system that differ between *a* and *b*, as their databases say."""
    paths = {path for path in a.files.keys() | b.files.keys() if is_package_database(path)}
    # A database that only one of them has says that the systems differ, not their packages.
    both = [path for path in sorted(paths) if "/status.d/" in path or (path in a.files and path in b.files)]
    was, now = _os_packages(a, both, contents), _os_packages(b, both, contents)
    for key in sorted(was.keys() | now.keys()):
        old, new = was.get(key), now.get(key)
        if (old and old[0]) != (new and new[0]):
            yield Difference(
                cause="OS package",
                kind="package",
                place=key[0],
                old=old[0] if old else None,
                new=new[0] if new else None,
                layers=(old[1] if old else None, new[1] if new else None),
            )


def _os_packages(
    side: LayerSum, databases: Iterable[str], contents: Contents
) -> dict[tuple[str, str], tuple[str, int | None]]:
    """Return version and layer by name and architecture."""
    tree, layers = ImageTree(), dict[str, int]()
    for path in databases:
        placed = side.files.get(path)
        data = contents(placed.file.digest) if placed and placed.file.digest else None
        if placed is not None and data is not None:
            tree.place(path, Node(kind="file", size=len(data), content=data))
            layers[path] = placed.layer
    return {
        (one.name, one.architecture): (one.version, layers.get(one.database))
        for one in (*dpkg_packages(tree), *apk_packages(tree), *_of_rpm(tree))
    }


def _of_rpm(tree: ImageTree) -> Iterator[OsPackage]:
    """Yield what rpm says is installed in *tree*; of a database that cannot be read, nothing."""
    for path in RPM_DATABASES:
        node = tree.get(path)
        if node is not None and node.content is not None:
            with suppress(ContentError):
                yield from list(rpm_packages(node.content, path))


def _distributions(files: LayerSum) -> dict[tuple[str, str], _Distribution]:
    """Return what is installed by name and folder; a RECORD stands for a distribution."""
    found: dict[tuple[str, str], _Distribution] = {}
    for path, placed in files.files.items():
        if path.endswith("/RECORD") and (match := _RECORD.fullmatch(path)):
            name = canonicalize_name(match["name"])
            found[name, posixpath.dirname(posixpath.dirname(path))] = _Distribution(
                name=name, version=match["version"], record=path, digest=placed.file.digest, layer=placed.layer
            )
    return found


def _compared(
    old: _Distribution | None, new: _Distribution | None, contents: Contents
) -> tuple[Difference | None, Iterable[str]]:
    """Return how *old* and *new* differ, and the paths that differ because of it."""
    was, now = _hashes(old, contents), _hashes(new, contents)
    if old is None or new is None:
        return _difference("distribution", old, new), was.keys() | now.keys()
    if old.version != new.version:
        return _difference("different wheel version", old, new), was.keys() | now.keys()
    # Installers compile bytecode and write scripts and notes; all else was in the wheel.
    either = was.keys() | now.keys()
    swapped = {path for path in either if was.get(path) != now.get(path) and _is_of_wheel(path, was, now)}
    if not swapped:
        return None, ()
    detail = f"{len(swapped)} of its files have other hashes"
    return replace(_difference("wheel swapped", old, new), detail=detail), swapped


def _difference(cause: Cause, old: _Distribution | None, new: _Distribution | None) -> Difference:
    there = old or new
    return Difference(
        cause=cause,
        kind="package",
        place=there.name if there else "",
        old=old.version if old else None,
        new=new.version if new else None,
        layers=(old.layer if old else None, new.layer if new else None),
    )


def _hashes(one: _Distribution | None, contents: Contents) -> dict[str, str]:
    data = contents(one.digest) if one and one.digest else None
    return record_hashes(data, one.record) if one and data is not None else {}


def _is_of_wheel(path: str, was: Mapping[str, str], now: Mapping[str, str]) -> bool:
    folder, name = posixpath.split(path)
    if path.endswith((".pyc", ".pyo")) or name in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}:
        return False
    return posixpath.basename(folder) not in {"bin", "Scripts"} and bool(was.get(path) or now.get(path))
