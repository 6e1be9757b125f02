"""What `reprobuild verify` prints: the answer for each platform, and the causes of what differs."""

import sys
from typing import Any

from reprobuild.cli.attested import attestation_json, print_attestations
from reprobuild.cli.differences import comparison_json, counted_causes, print_in_short
from reprobuild.cli.output import plain, say, say_json, styled, tell
from reprobuild.cli.settings import Settings
from reprobuild.verify.verification import Verification, Verified

__all__ = ["print_verification", "print_verification_json"]

_STYLES = {
    "identical": "good",
    "same content, other compression": "open",
    "differs": "bad",
    "not from this lock": "bad",
    "unknown": "bad",
}


def print_verification(found: Verification, settings: Settings) -> None:
    """Print a line for each platform and why; the first that differs is explained in short."""
    answers = [*found.images, *([found.index] if found.index is not None else [])]
    width = max(len(one.answer) for one in answers)
    platforms = max(len(one.platform) for one in answers)
    for one in answers:
        answer = styled(f"{one.answer:<{width}}", _STYLES[one.answer], sys.stdout, settings)
        say(f"{answer}  {plain(one.platform):<{platforms}}  {one.published}")
        for line in _reasons(one):
            say(f"{'':<{width}}  {plain(line)}")
        if one.attestations is not None:
            print_attestations(one, f"{'':<{width}}  ", settings)
    explained = next((one for one in answers if one.answer == "differs" and one.comparison is not None), None)
    if explained is not None and explained.comparison is not None:
        say()
        print_in_short(explained.comparison, settings)
    sys.stdout.flush()
    if not settings.quiet:
        for hint in dict.fromkeys(one.hint for one in answers if one.hint):
            tell(f"{styled('hint:', 'hint', sys.stderr, settings)} {plain(hint)}")


def print_verification_json(found: Verification) -> None:
    """Print all that is known."""
    say_json(
        {
            "reference": found.reference,
            "digest": found.digest,
            "connector": found.connector,
            "answer": found.answer,
            "images": [_answer_json(one) for one in found.images],
            "index": None if found.index is None else _answer_json(found.index),
        }
    )


def _reasons(one: Verified) -> list[str]:
    lines = [one.reason] if one.reason else []
    if one.comparison is not None:
        because = "because" if one.answer == "differs" else "by"
        lines.append(f"{because} {counted_causes(one.comparison)}")
    if one.built is not None and one.built != one.published:
        lines.append(f"the lock gives {one.built}")
    return lines


def _answer_json(one: Verified) -> dict[str, Any]:
    return {
        "platform": one.platform,
        "answer": one.answer,
        "published": one.published,
        "built": one.built,
        "recorded": one.recorded,
        "reason": one.reason,
        "hint": one.hint,
        "attestations": None if one.attestations is None else [attestation_json(item) for item in one.attestations],
        "difference": None if one.comparison is None else comparison_json(one.comparison),
    }
