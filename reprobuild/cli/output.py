"""Words on stdout and stderr: results go to stdout, everything else to stderr.

Text that came from elsewhere (a registry, a file name, an error) is printed without control characters, so
that nobody writes to a terminal but us.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from reprobuild.cli.settings import Color, Settings

__all__ = ["SCHEMA", "duration", "plain", "say", "say_json", "size", "styled", "tell"]

SCHEMA = 1
"""The version of what ``--json`` prints: a member that goes or changes its meaning raises it."""

_STYLES = {"good": "32", "open": "33", "bad": "1;31", "hint": "36", "quiet": "2"}


def say(text: str = "") -> None:
    """Write one line of a result to stdout."""
    sys.stdout.write(f"{text}\n")


def say_json(value: Mapping[str, Any]) -> None:
    """Write *value* to stdout as one JSON document, with the schema's version."""
    say(json.dumps({"schema": SCHEMA, **value}, indent=2))


def tell(text: str) -> None:
    """Write one line that is no result to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def styled(text: str, style: str, stream: TextIO, settings: Settings) -> str:
    """Return *text* in the color of *style* (good, open, bad, hint, quiet) if *stream* is to have colors."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if _has_color(stream, settings) else text


def plain(text: str) -> str:
    """Return *text* with every control character but newline and tab written out."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1] for letter in text)


def size(count: int) -> str:
    """Return *count* bytes for people: ``512 B``, ``41.3 MB``."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 999.95:
            break
        amount, unit = amount / 1000, larger
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"


def duration(seconds: float) -> str:
    """Return *seconds* for people: ``0.4 s``, ``2 min 05 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{seconds:.1f} s" if seconds < 59.95 else f"{minutes} min {rest:02} s"


def _has_color(stream: TextIO, settings: Settings) -> bool:
    if settings.color is not Color.AUTO:
        return settings.color is Color.ALWAYS
    return stream.isatty() and os.environ.get("TERM") != "dumb"
