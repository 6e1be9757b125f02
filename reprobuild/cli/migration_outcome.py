"""What came out of a migration, printed: what was written, what needs eyes, and every promise with its verdict."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reprobuild.analysis.facts import ImageFacts, Missing
from reprobuild.analysis.promises import Promise, Promises, kept_promises
from reprobuild.cli.output import plain, say, say_json, styled, tell
from reprobuild.cli.settings import Settings

if TYPE_CHECKING:
    from reprobuild.analysis.migration import Note

__all__ = ["Outcome", "held_against", "note_json", "print_notes", "print_outcome", "print_outcome_json"]

_STYLES = {"kept": "good", "changed": "open", "lost": "open"}
_LONGEST = 80
_WIDEST = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """*dockerfile* and *image* are what the new image was held against, or empty; *missing*, what could not be read.

    *causes* are those of the differences from *image* that change what is in it, *packing* those of the rest, or why
    they are not known. *folder* is the connector's, as a user would say.
    """

    name: str
    folder: str
    files: Sequence[str]
    notes: "Sequence[Note]"
    dockerfile: str
    image: str
    causes: Sequence[str]
    packing: Sequence[str]
    missing: Sequence[Missing]
    promises: Sequence[Promise]

    @property
    def is_kept(self) -> bool:
        """Whether no promise is broken."""
        return not any(one.is_broken for one in self.promises)

    @property
    def open_notes(self) -> "Sequence[Note]":
        """The notes without those about a promise that is kept all the same."""
        kept = {one.what for one in self.promises if one.verdict == "kept" or not one.is_broken}
        return [note for note in self.notes if note.about not in kept]


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
    print_notes(outcome.open_notes, outcome.dockerfile)
    for missing in outcome.missing:
        tell(plain(f"not read: {missing.name}: {missing.why}"))
    width = min(max((len(one.what) for one in outcome.promises), default=0), _WIDEST)
    shown = [one for one in outcome.promises if one.verdict != "kept" or not one.what.startswith("distribution ")]
    for one in shown:
        style = "bad" if one.is_broken else _STYLES[one.verdict]
        word = styled(f"{one.verdict:<7}", style, sys.stdout, settings)
        reason = f"  ({one.reason})" if one.reason else ""
        say(f"{word}  {plain(one.what):<{width}}  {plain(_values(one))}{reason}".rstrip())
    sys.stdout.flush()
    if not settings.quiet:
        _print_causes(outcome)
        tell(plain(_summary(outcome)))
        if not outcome.is_kept:
            tell(f"{styled('hint:', 'hint', sys.stderr, settings)} {plain(_hint(outcome))}")


def print_notes(notes: "Sequence[Note]", dockerfile: str) -> None:
    """Print *notes* of *dockerfile*; a hint that several in a row share stands once, below the last."""
    for at, note in enumerate(notes):
        tell(plain(f"note: {dockerfile}:{note.line}: {note.text}"))
        if at + 1 == len(notes) or notes[at + 1].hint != note.hint:
            tell(plain(f"      {note.hint}"))


def note_json(note: "Note") -> dict[str, Any]:
    """Return *note* for programs."""
    return {"line": note.line, "text": note.text, "hint": note.hint}


def print_outcome_json(outcome: Outcome) -> None:
    """Print *outcome* as JSON."""
    say_json(
        {
            "name": outcome.name,
            "files": list(outcome.files),
            "notes": [note_json(one) for one in outcome.open_notes],
            "dockerfile": outcome.dockerfile,
            "image": outcome.image,
            "causes": list(outcome.causes),
            "packing": list(outcome.packing),
            "missing": [{"name": one.name, "why": one.why} for one in outcome.missing],
            "promises": [
                {
                    "what": one.what,
                    "before": one.before,
                    "after": one.after,
                    "verdict": one.verdict,
                    "broken": one.is_broken,
                    "reason": one.reason,
                }
                for one in outcome.promises
            ],
            "kept": outcome.is_kept,
        }
    )


def _print_causes(outcome: Outcome) -> None:
    if not outcome.causes and not outcome.packing:
        return
    tell(plain(f"differs from {outcome.image}: {', '.join(outcome.causes) or 'in nothing that is in it'}"))
    if outcome.packing:
        tell(plain(f"      and in how it was made: {', '.join(outcome.packing)}"))
    tell(plain(f"      all of it: reprobuild diff {outcome.image} store:{outcome.name}"))


def _hint(outcome: Outcome) -> str:
    """Return what to do about the promises that are broken."""
    broken = [one.what for one in outcome.promises if one.is_broken]
    steps = []
    if any(not what.startswith("OS package ") for what in broken):
        steps.append(f"mend the specification or the hooks in {outcome.folder}")
    if any(what.startswith("OS package ") for what in broken):
        steps.append("take a base image that has the OS packages, or do without them")
    return f"{'; '.join(steps)}; then run `reprobuild migrate {outcome.folder} --check`"


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
