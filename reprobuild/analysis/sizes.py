"""What the bytes of an image's layers are there for."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reprobuild.analysis.facts import Cause
from reprobuild.analysis.owned_paths import plain_path

__all__ = ["Counted", "Owners", "causes_of", "counted", "instructions_of", "total_of"]

_PATH, _KIND, _SIZE, _HIDES = 0, 1, 5, 7
"""Places in a row of a layer's index."""
_CACHES = re.compile(
    r"(?:var/cache|var/lib/apt/lists|var/log|var/tmp|tmp|usr/share/(?:info|man)/cache)/"
    r"|(?:root|home/[^/]+)/(?:\.cache|\.npm|\.cargo/registry)/"
)
_FOLDERS = ("var/", "tmp/", "root/", "home/", "usr/share/")
"""Where caches are."""
_SYSTEM = ("var/lib/dpkg/", "lib/apk/", "usr/lib/apk/", "var/lib/rpm/", "usr/lib/sysimage/rpm/", "etc/apk/")
_RPM = ("usr/bin/", "usr/lib", "usr/sbin/", "usr/share/", "usr/include/", "etc/", "bin/", "sbin/", "lib/", "lib64/")
"""Where packages of rpm install, whose lists of files are not read."""
_LIBRARY = re.compile(r"usr/local/(?:lib|lib64|include)/(?:python3|libpython3|pkgconfig)")
"""A Python that was built from source."""
_SITE = re.compile(r"(?:.*/)?(?:site|dist)-packages/(?P<top>[^/]+)")
_PACKAGES = "-packages/"
_NAME = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Who owns paths of an image: *packages* of its system, the paths as `plain_path`, and who lies in *workdir*: code.

    *is_rpm* says that all of the system is the packages', whose lists are not read.
    """

    packages: frozenset[str] = frozenset()
    workdir: str = ""
    is_rpm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The bytes of a layer's files by cause, and those among Python's distributions by what they are called."""

    causes: Mapping[str, int]
    distributions: Mapping[str, int]


def counted(rows: Iterable[Sequence[Any]], owners: Owners) -> Counted:
    """Return the bytes of a layer's files, *rows* of its index, whosever image it is in.

    What was put into ``usr/local`` is a dependency, as what lies among Python's distributions mostly is.
    """
    causes: dict[str, int] = {}
    distributions: dict[str, int] = {}
    places = tuple(f"{place.strip('/')}/" for place in (owners.workdir, "airbyte") if place.strip("/"))
    for row in rows:
        if row[_KIND] == "file" and not row[_HIDES] and row[_SIZE]:
            top = _top(row[_PATH])
            cause = _cause(row[_PATH], owners, places, is_distribution=top is not None)
            causes[cause] = causes.get(cause, 0) + row[_SIZE]
            if top is not None and cause == Cause.DEPENDENCIES:
                distributions[top] = distributions.get(top, 0) + row[_SIZE]
    return Counted(causes=causes, distributions=distributions)


def causes_of(layer: Counted, connector: str) -> dict[str, int]:
    """Return the bytes of *layer* by cause in an image of *connector*, whose own distribution is code."""
    own = _NAME.sub("_", connector).lower()
    mine = sum(
        size
        for name, size in layer.distributions.items()
        if own and _NAME.sub("_", name.split("-", 1)[0]).lower() in {own, f"airbyte_{own}"}
    )
    causes = dict(layer.causes)
    if mine:
        causes[Cause.DEPENDENCIES] -= mine
        causes[Cause.CODE] = causes.get(Cause.CODE, 0) + mine
    return {cause: size for cause, size in causes.items() if size}


def total_of(rows: Iterable[Sequence[Any]]) -> int:
    """Return the bytes of a layer's files."""
    return sum(row[_SIZE] for row in rows if row[_KIND] == "file" and not row[_HIDES])


def instructions_of(history: Iterable[Mapping[str, Any]], count: int) -> list[str]:
    """Return what *history* says of each of *count* layers, lowest first; nothing where it does not fit."""
    said = [str(entry.get("created_by") or "") for entry in history if not entry.get("empty_layer")]
    return said if len(said) == count else [""] * count


def _top(path: str) -> str | None:
    """Return the name right below the folder of distributions that *path* is in; None if it is in none."""
    end = path.rfind(_PACKAGES)
    if end < 0:
        return None
    top = path[end + len(_PACKAGES) :].partition("/")[0]
    if top and path[:end].rpartition("/")[2] in {"site", "dist"}:
        return top
    found = _SITE.match(path)
    return found["top"] if found is not None else None


def _cause(path: str, owners: Owners, places: tuple[str, ...], *, is_distribution: bool) -> str:
    if path.endswith((".pyc", ".pyo")):
        return Cause.BYTECODE
    if is_distribution:
        return Cause.OS if plain_path(path) in owners.packages else Cause.DEPENDENCIES
    if path.startswith(_SYSTEM) or plain_path(path) in owners.packages:
        return Cause.OS
    if path.startswith(_FOLDERS) and _CACHES.match(path):
        return Cause.CACHES
    return Cause.CODE if path.startswith(places) else _by_folder(path, is_rpm=owners.is_rpm)


def _by_folder(path: str, *, is_rpm: bool) -> str:
    if path.startswith("usr/local/") and not _LIBRARY.match(path):
        return Cause.DEPENDENCIES
    return Cause.OS if is_rpm and path.startswith(_RPM) else Cause.OTHER
