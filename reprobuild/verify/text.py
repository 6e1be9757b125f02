"""Two texts of one path → why they differ, and the lines that do."""

import re
from difflib import unified_diff

from reprobuild.verify.cause import Cause

__all__ = ["is_text", "text_cause", "text_diff"]

_MOST_BYTES = 64 * 1024
_MOST_LINES = 2_000
_LONGEST = 160
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b")

_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_VARYING = (
    (
        "a date",
        re.compile(
            rb"\d{4}[-/]\d\d[-/]\d\d(?:[T ]\d\d[:-]\d\d(?:[:-]\d\d(?:[.,]\d+)?)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
        ),
    ),
    (
        "a date",
        re.compile(
            rb"(?i)(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? +)?(?:\d{1,2} +)?(?:%s)[a-z]* +\d{1,2}(?:,? +\d{4})?"
            rb"(?: +\d\d:\d\d(?::\d\d)?)?(?: +[A-Z]{3,4})?(?: +\d{4})?" % _MONTHS.encode()
        ),
    ),
    ("a time", re.compile(rb"\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?")),
    ("a UUID", re.compile(rb"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")),
    ("a temporary path", re.compile(rb"/(?:var/)?(?:tmp|build|builds|workspace)/[\w./+-]*|\btmp[a-z0-9_]{8}\b")),
    ("a number", re.compile(rb"\b\d{6,}(?:\.\d+)?\b")),
    # Digests are longer and have a reason; versions are shorter than such numbers, and have one, too.
    ("an address or identifier", re.compile(rb"(?i)\b(?:0x)?[0-9a-f]{8,39}\b")),
)


def is_text(data: bytes) -> bool:
    """Say whether *data* is UTF-8 without control characters, and short enough to be compared as lines."""
    if len(data) > _MOST_BYTES or not _CONTROL.isdisjoint(data):
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def text_cause(a: bytes, b: bytes) -> tuple[Cause, str]:
    """Return why the text *a* is not *b*."""
    if a.replace(b"\r\n", b"\n") == b.replace(b"\r\n", b"\n"):
        return "line ends", "CR LF in one, LF in the other"
    mine, theirs = a.splitlines(), b.splitlines()
    if sorted(mine) == sorted(theirs):
        return "line order", f"{len(mine)} lines"
    if (name := _varying(mine, theirs)) is not None:
        return "time or random value", name
    same = len(set(mine) & set(theirs))
    return "text", f"{len(mine)} lines → {len(theirs)} lines, {same} in both"


def text_diff(a: bytes, b: bytes, *, limit: int) -> tuple[str, ...]:
    """Return the lines of a unified diff of *a* and *b* without its heading, at most *limit*; none if it is no text."""
    if not (is_text(a) and is_text(b)):
        return ()
    mine, theirs = a.decode().splitlines(), b.decode().splitlines()
    if max(len(mine), len(theirs)) > _MOST_LINES:
        return ()
    lines = list(unified_diff(mine, theirs, lineterm="", n=0))[2:]
    shown = [line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…" for line in lines[:limit]]
    return (*shown, f"… {len(lines) - limit} more lines") if len(lines) > limit else tuple(shown)


def _varying(mine: list[bytes], theirs: list[bytes]) -> str | None:
    """Return what varies if the lines are the same but for dates, numbers and the like; None if more does."""
    if len(mine) != len(theirs):
        return None
    names: list[str] = []
    for one, other in zip(mine, theirs, strict=True):
        if one != other:
            if (name := _varying_line(one, other)) is None:
                return None
            names.append(name)
    return ", ".join(dict.fromkeys(names))


def _varying_line(one: bytes, other: bytes) -> str | None:
    for name, pattern in _VARYING:
        one, other = pattern.sub(b"\0", one), pattern.sub(b"\0", other)
        if one == other:
            return name
    return None
