"""Versions that another tool has already pinned: poetry.lock, uv.lock, pylock.toml, pinned requirements.txt.

Read for what they say of versions alone. A distribution with several versions (for several environments) is
left to the resolver, as is what does not come from an index and what only development needs, where that can
be known. The formats are Poetry's, uv's, PEP 751 and pip's requirements file format.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

from reprobuild.errors import SpecificationError
from reprobuild.lockfile import normal_name

__all__ = ["read_pins", "salvage"]

_VERSION = re.compile(r"v?[0-9][A-Za-z0-9._+!-]*")
_PINNED = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*===?\s*(?P<version>[^\s;,#*]+)\s*(?:$|[;#\s])"
)
_REMAINS = re.compile(r'^name = "([^"\n]+)"\r?\nversion = "([^"\n]+)"', re.MULTILINE)
_ELSEWHERE = ("editable", "virtual", "directory", "path", "git", "url")


def read_pins(path: PurePath, text: str) -> dict[str, str]:
    """Return the pinned version of each distribution, by normalised name, in the file *path* that holds *text*.

    The kind follows from the file's name. Raises SpecificationError if a TOML file is not what it is called.
    """
    if path.suffix != ".toml" and path.name not in {"poetry.lock", "uv.lock"}:
        return _unique(_requirements(text))
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecificationError(
            f"not TOML: {error}", where=str(path), hint="write it again with the tool that it belongs to"
        ) from error
    kinds = {"poetry.lock": _poetry, "uv.lock": _uv}
    read, key = (kinds[path.name], "package") if path.name in kinds else (_pylock, "packages")
    packages = value.get(key, [])
    if not isinstance(packages, list) or not all(isinstance(package, dict) for package in packages):
        raise SpecificationError(f"{key} is not a list of tables", where=str(path))
    return _unique(read(packages))


def salvage(text: str) -> dict[str, str]:
    """Return the versions that can still be recognised in a damaged lock of ours: what to prefer, not to trust."""
    return _unique((match[1], match[2]) for match in _REMAINS.finditer(text))


def _unique(pairs: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """Return name → version for the names that have one version, and a version that is one."""
    found: dict[str, set[str]] = {}
    for name, version in pairs:
        if isinstance(name, str) and isinstance(version, str) and _VERSION.fullmatch(version):
            found.setdefault(normal_name(name), set()).add(version)
    return {name: next(iter(versions)) for name, versions in sorted(found.items()) if len(versions) == 1}


def _poetry(packages: list[dict[str, Any]]) -> Iterator[tuple[Any, Any]]:
    for package in packages:
        source = package.get("source")
        kind = source.get("type") if isinstance(source, dict) else None
        groups = package.get("groups", [package.get("category", "main")])
        if kind in {None, "legacy"} and isinstance(groups, list) and "main" in groups:
            yield package.get("name"), package.get("version")


def _uv(packages: list[dict[str, Any]]) -> Iterator[tuple[Any, Any]]:
    for package in packages:
        source = package.get("source")
        if isinstance(source, dict) and not any(kind in source for kind in _ELSEWHERE):
            yield package.get("name"), package.get("version")


def _pylock(packages: list[dict[str, Any]]) -> Iterator[tuple[Any, Any]]:
    for package in packages:
        marker = package.get("marker", "")
        development = isinstance(marker, str) and "dependency_groups" in marker
        if not development and not any(kind in package for kind in ("vcs", "directory", "archive")):
            yield package.get("name"), package.get("version")


def _requirements(text: str) -> Iterator[tuple[str, str]]:
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        if match := _PINNED.match(line.strip()):
            yield match["name"], match["version"]
