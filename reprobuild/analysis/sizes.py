"""What the bytes of an image's layers are there for."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from reprobuild.analysis.facts import Cause
from reprobuild.analysis.owned_paths import plain_path

__all__ = ["causes_of", "instructions_of"]

_PATH, _KIND, _SIZE, _HIDES = 0, 1, 5, 7
"""Places in a row of a layer's index."""
_CACHES = re.compile(
    r"(?:var/cache|var/lib/apt/lists|var/log|var/tmp|tmp|usr/share/(?:info|man)/cache)/"
    r"|(?:root|home/[^/]+)/(?:\.cache|\.npm|\.cargo/registry)/|.*/(?:pip|http-v2|uv)/(?:cache|http)/"
)
_SYSTEM = ("var/lib/dpkg/", "lib/apk/", "usr/lib/apk/", "var/lib/rpm/", "usr/lib/sysimage/rpm/", "etc/apk/")
_SITE = re.compile(r"(?:.*/)?(?:site|dist)-packages/(?P<top>[^/]+)")
_NAME = re.compile(r"[-_.]+")


def causes_of(rows: Iterable[Sequence[Any]], *, owned: Collection[str], workdir: str, connector: str) -> dict[str, int]:
    """Return the bytes of a layer's files, *rows* of its index, by cause.

    *owned* are the paths of OS packages, as `plain_path`. What lies in *workdir*, or is the *connector*'s own
    distribution, is code; whatever else lies among Python's distributions or in ``usr/local`` is a dependency.
    """
    found: dict[str, int] = {}
    places = tuple(f"{place.strip('/')}/" for place in (workdir, "airbyte") if place.strip("/"))
    own = _NAME.sub("_", connector).lower()
    for row in rows:
        if row[_KIND] == "file" and not row[_HIDES] and row[_SIZE]:
            cause = _cause(row[_PATH], owned, places, own)
            found[cause] = found.get(cause, 0) + row[_SIZE]
    return found


def instructions_of(history: Iterable[Mapping[str, Any]], count: int) -> list[str]:
    """Return what *history* says of each of *count* layers, lowest first; nothing where it does not fit."""
    said = [str(entry.get("created_by") or "") for entry in history if not entry.get("empty_layer")]
    return said if len(said) == count else [""] * count


def _cause(path: str, owned: Collection[str], places: tuple[str, ...], own: str) -> str:
    if path.endswith((".pyc", ".pyo")):
        return Cause.BYTECODE
    if _CACHES.match(path):
        return Cause.CACHES
    if path.startswith(_SYSTEM) or plain_path(path) in owned:
        return Cause.OS
    if (site := _SITE.match(path)) is not None:
        top = _NAME.sub("_", site["top"].split("-", 1)[0]).lower()
        return Cause.CODE if own and top in {own, f"airbyte_{own}"} else Cause.DEPENDENCIES
    if path.startswith(places):
        return Cause.CODE
    return Cause.DEPENDENCIES if path.startswith("usr/local/") else Cause.OTHER
