"""The text of a lock → TOML's values, quickly for locks as we write them.

Most of a lock is its packages, in a form that one pattern describes; a build of many connectors with nothing to do is
mostly the reading of them. What the pattern does not describe from end to end is left to tomllib.
"""

import re
import tomllib
from typing import Any

__all__ = ["load_lock"]

_TEXT = r'"([^"\\\x00-\x1f\x7f]*)"'
"""A basic string without escapes, which means what it says."""
_NUMBER = r"(0|[1-9][0-9]{0,17})"
_WHEEL = re.compile(rf"    \{{path = {_TEXT}, size = {_NUMBER}, hashes = \{{sha256 = {_TEXT}\}}\}},\n")
_PACKAGE = re.compile(
    rf"\[\[packages\]\]\nname = {_TEXT}\nversion = {_TEXT}\n(?:marker = {_TEXT}\n)?"
    r"wheels = \[\n((?:    \{[^\n]*\},\n)+)\]\n\n"
)
_FIRST, _END = "\n[[packages]]\n", "\n[tool.reprobuild]\n"


def load_lock(text: str) -> dict[str, Any]:
    """Return what ``tomllib.loads`` does for *text*, and raise what it does."""
    return _quickly(text) or tomllib.loads(text)


def _quickly(text: str) -> dict[str, Any] | None:
    """Return the value of *text* if it is written as we write locks, None if it may be anything else."""
    start, end = text.find(_FIRST) + 1, text.rfind(_END) + 1
    # A string of several lines could hold what looks like a package.
    if not 0 < start < end or '"""' in text or "'''" in text:
        return None
    packages = _packages(text, start, end)
    if packages is None:
        return None
    try:
        value = tomllib.loads(text[:start] + text[end:])
    except tomllib.TOMLDecodeError:
        return None
    return None if "packages" in value else {**value, "packages": packages}


def _packages(text: str, start: int, end: int) -> list[dict[str, Any]] | None:
    packages: list[dict[str, Any]] = []
    while start < end:
        match = _PACKAGE.match(text, start, end)
        wheels = _wheels(match[4]) if match is not None else None
        if match is None or wheels is None:
            return None
        package = {"name": match[1], "version": match[2], "marker": match[3], "wheels": wheels}
        packages.append({key: value for key, value in package.items() if value is not None})
        start = match.end()
    return packages


def _wheels(text: str) -> list[dict[str, Any]] | None:
    wheels: list[dict[str, Any]] = []
    start = 0
    while start < len(text):
        if (match := _WHEEL.match(text, start)) is None:
            return None
        wheels.append({"path": match[1], "size": int(match[2]), "hashes": {"sha256": match[3]}})
        start = match.end()
    return wheels
