"""What the bytes of an image's layers are there for."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reprobuild.analysis.facts import Cause
from reprobuild.analysis.owned_paths import plain_path

__all__ = ["Owners", "causes_of", "instructions_of", "total_of"]

_PATH, _KIND, _SIZE, _HIDES = 0, 1, 5, 7
"""Places in a row of a layer's index."""
_CACHES = re.compile(
    r"(?:var/cache|var/lib/apt/lists|var/log|var/tmp|tmp|usr/share/(?:info|man)/cache)/"
    r"|(?:root|home/[^/]+)/(?:\.cache|\.npm|\.cargo/registry)/|.*/(?:pip|http-v2|uv)/(?:cache|http)/"
)
_SYSTEM = ("var/lib/dpkg/", "lib/apk/", "usr/lib/apk/", "var/lib/rpm/", "usr/lib/sysimage/rpm/", "etc/apk/")
_RPM = ("usr/bin/", "usr/lib", "usr/sbin/", "usr/share/", "usr/include/", "etc/", "bin/", "sbin/", "lib/", "lib64/")
"""Where packages of rpm install, whose lists of files are not read."""
_LIBRARY = re.compile(r"usr/local/(?:lib|lib64|include)/(?:python3|libpython3|pkgconfig)")
"""A Python that was built from source."""
_SITE = re.compile(r"(?:.*/)?(?:site|dist)-packages/(?P<top>[^/]+)")
_NAME = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Who owns paths of an image: *packages* of its system, the paths as `plain_path`, and the *connector*.

    The connector's are its own distribution and what lies in *workdir*. *is_rpm* says that all of the system is the
    packages', whose lists are not read.
    """

    packages: Collection[str] = ()
    connector: str = ""
    workdir: str = ""
    is_rpm: bool = False


def causes_of(rows: Iterable[Sequence[Any]], owners: Owners) -> dict[str, int]:
    """Return the bytes of a layer's files, *rows* of its index, by cause.

    What lies among Python's distributions, or was put into ``usr/local``, is a dependency, unless it is code.
    """
    found: dict[str, int] = {}
    places = tuple(f"{place.strip('/')}/" for place in (owners.workdir, "airbyte") if place.strip("/"))
    own = _NAME.sub("_", owners.connector).lower()
    for row in rows:
        if row[_KIND] == "file" and not row[_HIDES] and row[_SIZE]:
            cause = _cause(row[_PATH], owners, places, own)
            found[cause] = found.get(cause, 0) + row[_SIZE]
    return found


def total_of(rows: Iterable[Sequence[Any]]) -> int:
    """Return the bytes of a layer's files."""
    return sum(row[_SIZE] for row in rows if row[_KIND] == "file" and not row[_HIDES])


def instructions_of(history: Iterable[Mapping[str, Any]], count: int) -> list[str]:
    """Return what *history* says of each of *count* layers, lowest first; nothing where it does not fit."""
    said = [str(entry.get("created_by") or "") for entry in history if not entry.get("empty_layer")]
    return said if len(said) == count else [""] * count


def _cause(path: str, owners: Owners, places: tuple[str, ...], own: str) -> str:
    if path.endswith((".pyc", ".pyo")):
        return Cause.BYTECODE
    if _CACHES.match(path):
        return Cause.CACHES
    if path.startswith(_SYSTEM) or plain_path(path) in owners.packages:
        return Cause.OS
    if (site := _SITE.match(path)) is not None:
        top = _NAME.sub("_", site["top"].split("-", 1)[0]).lower()
        return Cause.CODE if own and top in {own, f"airbyte_{own}"} else Cause.DEPENDENCIES
    return Cause.CODE if path.startswith(places) else _by_folder(path, is_rpm=owners.is_rpm)


def _by_folder(path: str, *, is_rpm: bool) -> str:
    if path.startswith("usr/local/") and not _LIBRARY.match(path):
        return Cause.DEPENDENCIES
    return Cause.OS if is_rpm and path.startswith(_RPM) else Cause.OTHER
