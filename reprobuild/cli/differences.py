"""What `reprobuild diff` prints: a few lines that say why, everything, or JSON."""

import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from reprobuild.cli.output import plain, say, say_json, styled
from reprobuild.cli.settings import Settings
from reprobuild.verify.cause import CAUSES, OF_THE_BUILDER, Cause, rank
from reprobuild.verify.comparison import Comparison
from reprobuild.verify.difference import Difference

__all__ = [
    "MOST_LINES",
    "comparison_json",
    "counted_causes",
    "print_all",
    "print_comparison_json",
    "print_in_short",
    "sorted_causes",
]

MOST_LINES = 20
"""Of the short form."""
_HEAD = 3
_WIDTH = 118
_ENDING = 3
"""Lines for what tells only how images were made."""
_STYLES = {"identical": "good", "same content, other compression": "open", "differs": "bad"}
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
_NOUNS = {"image": "image", "config": "member", "layer": "layer", "package": "package", "file": "path"}

Group = tuple[Cause, Sequence[Difference]]


def print_in_short(comparison: Comparison, settings: Settings) -> None:
    """Print at most MOST_LINES lines: the verdict, then each cause with how often and where for example.

    Where there is no room for an example of what changes an image, what tells how it was made stands at the end.
    """
    _print_head(comparison, settings)
    groups, room = _groups(comparison.differences), MOST_LINES - _HEAD
    rest: list[Group] = []
    loud = [group for group in groups if group[0] not in OF_THE_BUILDER]
    if loud and len(loud) + len(groups) > room:
        rest, groups = [group for group in groups if group[0] in OF_THE_BUILDER], loud
    ending = _wrapped(f"and in how they were made: {_listed(rest)}") if rest else []
    if len(groups) + len(ending) > room:
        rest, groups = groups[room - 1 - len(ending) :], groups[: room - 1 - len(ending)]
        ending = [_cut(f"and {', '.join(cause for cause, _ in rest)}"), *ending]
    spare, width = room - len(groups) - len(ending), _width(groups)
    for cause, found in groups:
        name = styled(f"{cause:<{width}}", "open", sys.stdout, settings)
        say(f"{name}  {_counted(found)}: {CAUSES[cause].meaning}")
        if spare > 0:
            say(_cut(f"    {_brief(found[0])}"))
            spare -= 1
    for line in ending:
        say(line)


def print_all(comparison: Comparison, settings: Settings) -> None:
    """Print every difference below its cause, with what mends it, and the lines of texts."""
    _print_head(comparison, settings)
    for cause, found in _groups(comparison.differences):
        say()
        say(f"{styled(cause, 'open', sys.stdout, settings)}  {_counted(found)}: {CAUSES[cause].meaning}")
        say(f"  {styled('hint:', 'hint', sys.stdout, settings)} {CAUSES[cause].fix}")
        for one in found:
            say(f"  {_example(one)}{_platform(one, comparison)}")
            for line in one.text:
                say(f"      {plain(line)}")


def print_comparison_json(comparison: Comparison) -> None:
    """Print all that is known."""
    say_json(comparison_json(comparison))


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return all that is known, for programs."""
    sides = {
        name: {"reference": side.reference, "digest": side.digest, "platforms": list(side.platforms)}
        for name, side in (("a", comparison.a), ("b", comparison.b))
    }
    causes = [
        {"cause": cause, "count": len(found), "meaning": CAUSES[cause].meaning, "fix": CAUSES[cause].fix}
        for cause, found in _groups(comparison.differences)
    ]
    return {
        **sides,
        "verdict": comparison.verdict,
        "platforms": list(comparison.platforms),
        "causes": causes,
        "differences": [one.to_json() for one in comparison.differences],
    }


def counted_causes(comparison: Comparison) -> str:
    """Return the causes in a line, each with how often it was found: ``mtime only (3 paths), order (1 layer)``."""
    return _listed(_groups(comparison.differences))


def sorted_causes(comparison: Comparison) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the causes, each counted: those that change what is in an image, and those of how it was made."""
    groups = [(cause, f"{cause} ({_counted(found)})") for cause, found in _groups(comparison.differences)]
    return (
        tuple(text for cause, text in groups if cause not in OF_THE_BUILDER),
        tuple(text for cause, text in groups if cause in OF_THE_BUILDER),
    )


def _listed(groups: Iterable[Group]) -> str:
    return ", ".join(f"{cause} ({_counted(found)})" for cause, found in groups)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent="    ", max_lines=_ENDING, placeholder=" …")


def _print_head(comparison: Comparison, settings: Settings) -> None:
    for name, side in (("A", comparison.a), ("B", comparison.b)):
        say(plain(f"{name}  {side.digest}  {side.reference}"))
    verdict = styled(comparison.verdict, _STYLES[comparison.verdict], sys.stdout, settings)
    where = f" on {', '.join(comparison.platforms)}" if comparison.platforms else ""
    say(f"{verdict}{where}")


def _groups(found: Iterable[Difference]) -> list[Group]:
    """Return *found* by cause, the most telling first; what a moved base brings stands last."""
    ordered = sorted(found, key=lambda one: rank(one.cause))
    return [(cause, list(members)) for cause, members in groupby(ordered, key=lambda one: one.cause)]


def _counted(found: Sequence[Difference]) -> str:
    counts: dict[str, int] = {}
    for one in found:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    nouns = {kind: f"{_NOUNS[kind]}{'s' if count > 1 else ''}" for kind, count in counts.items()}
    return ", ".join(f"{count} {nouns[kind]}" for kind, count in counts.items())


def _example(one: Difference) -> str:
    was = f": {one.old or 'nothing'} → {one.new or 'nothing'}" if (one.old, one.new) != (None, None) else ""
    detail = f" ({one.detail})" if one.detail else ""
    place = f"/{one.place}" if one.kind == "file" else one.place
    return plain(f"{place}{was}{detail}").replace("\n", "\\n")


def _brief(one: Difference) -> str:
    """Return *one* as an example that fits on a line as far as that goes: what is cut is the middle of its path."""
    text = _DIGEST.sub(r"\1…", _example(one))
    parts = one.place.split("/")
    if one.kind == "file" and len(text) > _WIDTH - 4 and len(parts) > 3:
        return text.replace(plain(f"/{one.place}"), plain(f"/{parts[0]}/…/{parts[-1]}"), 1)
    return text


def _platform(one: Difference, comparison: Comparison) -> str:
    return f"  [{one.platform}]" if one.platform and len(comparison.platforms) > 1 else ""


def _width(groups: Sequence[Group]) -> int:
    return max((len(cause) for cause, _ in groups), default=0)


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
