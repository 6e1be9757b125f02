"""Arguments of a hook's calls, checked where the hook can be told the line."""

from __future__ import annotations

__all__ = ["mode", "owner_of", "text", "texts"]


def text(value: object, call: str, name: str, *, empty: bool = False) -> str:
    """Return *value*, the argument *name* of *call*; raise TypeError or ValueError if it is no text or empty."""
    if not isinstance(value, str):
        awaited = " (is an `await` missing?)" if hasattr(value, "__await__") else ""
        raise TypeError(f"{call}: {name} is to be a str, not {type(value).__name__}{awaited}")
    if not value and not empty:
        raise ValueError(f"{call}: {name} is empty")
    if any("\ud800" <= letter <= "\udfff" or (letter == "\0" and name != "contents") for letter in value):
        raise ValueError(f"{call}: {name} cannot be written: {value[:100]!r}")
    return str(value)


def texts(value: object, call: str, name: str) -> list[str]:
    """Return *value*, a list or tuple of texts."""
    if not isinstance(value, list | tuple):
        raise TypeError(f"{call}: {name} is to be a list of str, not {type(value).__name__}")
    return [text(one, call, f"{name}[{place}]", empty=True) for place, one in enumerate(value)]


def owner_of(value: object, call: str) -> str | None:
    """Return *value*, an owner; None and an empty one are none."""
    return None if value is None or value == "" else text(value, call, "owner")


def mode(value: object, call: str) -> int | None:
    """Return *value*, the permissions of a file, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{call}: permissions is to be an int like 0o644, not {type(value).__name__}")
    if not 0 <= value <= 0o7777:
        raise ValueError(f"{call}: permissions cannot be {value:#o}")
    return value
