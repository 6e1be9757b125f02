"""What came out of a migration, printed: what was written, what needs eyes, and every promise with its verdict."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reprobuild.analysis.facts import ImageFacts, Missing
from reprobuild.analysis.promises import Promise, Promises, kept_promises
from reprobuild.cli.output import plain, say, say_json, styled, tell
from reprobuild.cli.settings import Settings

if TYPE_CHECKING:
    from reprobuild.analysis.migration import Note

__all__ = ["Outcome", "held_against", "print_outcome", "print_outcome_json"]

_STYLES = {"kept": "good", "changed": "open", "lost": "bad"}
_LONGEST = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """*dockerfile* and *image* are what the new image was held against, or empty; *missing*, what could not be read.

    *causes* are those of the differences from *image*, counted.
    """

    name: str
    files: Sequence[str]
    notes: "Sequence[Note]"
    dockerfile: str
    image: str
    causes: str
    missing: Sequence[Missing]
    promises: Sequence[Promise]


def held_against(
    promised: Mapping[str, Promises], images: Sequence[ImageFacts], *, own: str, inputs: Sequence[str]
) -> tuple[Promise, ...]:
    """Hold each of *images* against what was *promised* on its platform, or on the first one there is.

    A promise that came out the same on all platforms is there once.
    """
    found: dict[Promise, None] = {}
    for image in images:
        promises = promised.get(image.platform) or next(iter(promised.values()))
        found |= dict.fromkeys(kept_promises(promises, image, own=own, inputs=inputs))
    return tuple(found)


def print_outcome(outcome: Outcome, settings: Settings) -> None:
    """Print *outcome*: the promises on stdout, all else on stderr."""
    for note in outcome.notes:
        tell(plain(f"note: {outcome.dockerfile}:{note.line}: {note.text}\n      {note.hint}"))
    for missing in outcome.missing:
        tell(plain(f"not read: {missing.name}: {missing.why}"))
    width = max((len(one.what) for one in outcome.promises), default=0)
    shown = [one for one in outcome.promises if one.verdict != "kept" or not one.what.startswith("distribution ")]
    for one in shown:
        word = styled(f"{one.verdict:<7}", _STYLES[one.verdict], sys.stdout, settings)
        say(f"{word}  {plain(one.what):<{min(width, 48)}}  {plain(_values(one))}".rstrip())
    sys.stdout.flush()
    if not settings.quiet:
        if outcome.causes:
            tell(plain(f"differs from {outcome.image}: {outcome.causes}"))
        tell(plain(_summary(outcome)))


def print_outcome_json(outcome: Outcome) -> None:
    """Print *outcome* as JSON."""
    say_json(
        {
            "name": outcome.name,
            "files": list(outcome.files),
            "notes": [{"line": one.line, "text": one.text, "hint": one.hint} for one in outcome.notes],
            "dockerfile": outcome.dockerfile,
            "image": outcome.image,
            "causes": outcome.causes,
            "missing": [{"name": one.name, "why": one.why} for one in outcome.missing],
            "promises": [
                {
                    "what": one.what,
                    "before": one.before,
                    "after": one.after,
                    "verdict": one.verdict,
                    "broken": one.is_broken,
                }
                for one in outcome.promises
            ],
            "kept": not any(one.is_broken for one in outcome.promises),
        }
    )


def _values(one: Promise) -> str:
    if one.verdict == "kept":
        return _short(one.before)
    return f"{_short(one.before) or '(none)'} → {_short(one.after) or '(none)'}"


def _short(text: str) -> str:
    text = text.replace("\n", "\\n")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _summary(outcome: Outcome) -> str:
    sources = " and ".join(filter(None, (outcome.dockerfile, outcome.image)))
    broken = sum(one.is_broken for one in outcome.promises)
    kept = sum(one.verdict == "kept" for one in outcome.promises)
    text = f"held against {sources}: {kept} of {len(outcome.promises)} promises kept"
    return f"{text}, {broken} broken" if broken else f"{text}, none broken"
