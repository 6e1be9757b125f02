"""Which paths of a directory are copied: Dagger's ``include`` and ``exclude``, which are those of .dockerignore."""

import re
from collections.abc import Sequence
from functools import cache

__all__ = ["selected"]


def selected(path: str, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> bool:
    """Say whether *path*, relative to the directory and without a leading slash, is copied.

    A pattern holds for what it matches and for all below that. ``*`` and ``?`` do not match a slash, ``**`` matches
    any number of folders, ``[…]`` a letter, a backslash takes the next letter as it is. Of *exclude*, a pattern with
    ``!`` takes back what those before it excluded. Without *include*, all is included. Folders on the way to a
    selected path are made as they are in the source.
    """
    included = not include or _matched(path, include)
    return included and not _matched(path, exclude)


def _matched(path: str, patterns: Sequence[str]) -> bool:
    matched = False
    for pattern in patterns:
        negated = pattern.startswith("!")
        if matched is negated and _compiled(pattern.removeprefix("!")).match(path):
            matched = not negated
    return matched


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = [part for part in pattern.strip().split("/") if part not in {"", "."}]
    text = "".join("(?:[^/]+/)*" if part == "**" else _part(part) + "/" for part in parts[:-1])
    last = parts[-1] if parts else "**"
    return re.compile(text + (".*" if last == "**" else _part(last)) + r"(?:/.*)?\Z", re.DOTALL)


def _part(part: str) -> str:
    """Return *part*, a pattern without slashes, as a regular expression; what is not well-formed matches nothing."""
    text = "".join(_piece(piece) for piece in re.findall(r"\\.|\[[^\]]+\]|\*+|.", part, re.DOTALL))
    try:
        re.compile(text)
    except re.error:
        return r"(?!)"
    return text


def _piece(piece: str) -> str:
    if piece.startswith("*"):
        return "[^/]*"
    if piece == "?":
        return "[^/]"
    if len(piece) > 2 and piece.startswith("["):
        return "[" + piece[1:-1].replace("[", r"\[").replace("&", r"\&").replace("~", r"\~").replace("|", r"\|") + "]"
    return re.escape(piece[1:] if len(piece) == 2 and piece.startswith("\\") else piece)
