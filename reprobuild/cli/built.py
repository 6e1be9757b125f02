"""What a build says of its images: how each stands to the lock, and what to do if that is not well."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reprobuild.cli.output import plain, say, say_json, size, styled, tell
from reprobuild.cli.settings import Settings

if TYPE_CHECKING:
    from reprobuild.builder.build import BuildResult
    from reprobuild.failures import Failures

__all__ = ["print_hints", "print_results", "print_results_json"]

_MANY = 10
"""From so many connectors on, there are totals, and not every name is told."""
_FEW = 4
_STYLES = {"verified": "good", "new": "open", "mismatch": "bad"}


def print_results(results: Sequence["BuildResult"], settings: Settings) -> None:
    """Print a line for each image and each index."""
    width = max((len(result.connector) for result in results), default=0)
    platforms = max((len(str(image.platform)) for result in results for image in result.images), default=0)
    for result in results:
        name = f"{plain(result.connector):<{width}}"
        for image in result.images:
            outcome = styled(f"{image.outcome:<8}", _STYLES[image.outcome], sys.stdout, settings)
            platform = f"{image.platform!s:<{platforms}}"
            taken = ", substituted" if image.substituted else ""
            say(f"{outcome}  {name}  {platform}  {image.manifest.digest}  ({size(image.size)}{taken})")
            if image.impure:
                word = styled("impure", "open", sys.stdout, settings)
                say(f"{'':<8}  {word}: its hooks have a network, so another build may be another image")
            if image.outcome == "mismatch":
                say(f"{'':<8}  expected {image.expected} → got {image.manifest.digest}")
        say(f"{'index':<8}  {name}  {'':<{platforms}}  {result.index.digest}")


def print_results_json(results: Sequence["BuildResult"], failures: "Failures | None" = None) -> None:
    """Print all that is known of each image, and which connectors failed."""
    from reprobuild.cli.failure import failures_json

    connectors = [
        {
            "name": result.connector,
            "index": result.index.to_json(),
            "images": [
                {
                    "platform": str(image.platform),
                    "outcome": image.outcome,
                    "derivation": image.derivation,
                    "manifest": image.manifest.to_json(),
                    "expected": image.expected,
                    "size": image.size,
                    "cached": image.cached,
                    "substituted": image.substituted,
                    "impure": image.impure,
                }
                for image in result.images
            ],
        }
        for result in results
    ]
    say_json({"connectors": connectors, "failed": failures_json(failures)})


def print_hints(
    results: Sequence["BuildResult"], settings: Settings, *, record: bool, words: str | None = None
) -> None:
    """Tell stderr how many images there are, and the next step, if there is one.

    *record* says whether new outputs have been recorded; *words* stand for all connectors on the command line.
    """
    sys.stdout.flush()  # Where both go to one file, results come first.
    hint = styled("hint:", "hint", sys.stderr, settings)
    if len(results) >= _MANY:
        tell(_totals(results))
    new = _with_outcome(results, "new")
    if new and record:
        tell(f"recorded in the locks of {_listed(new)}: commit them")
    elif new:
        chosen = words if words is not None and len(new) > _FEW else " ".join(new)
        tell(f"{hint} to record new digests in the locks, run `reprobuild build {chosen} --record`")
    if differing := _with_outcome(results, "mismatch"):
        tell(f"the same inputs gave other bytes than the locks record: {', '.join(differing)}")
        tell(f"{hint} compare `reprobuild doctor` (libraries) with where they were recorded; nothing is written over")


def _totals(results: Sequence["BuildResult"]) -> str:
    images = [image for result in results for image in result.images]
    count = {outcome: sum(image.outcome == outcome for image in images) for outcome in _STYLES}
    substituted = sum(image.substituted for image in images)
    cached = sum(image.cached and not image.substituted for image in images)
    told = [f"{number} {outcome}" for outcome, number in count.items() if number]
    ways = {"built": len(images) - cached - substituted, "substituted": substituted, "up to date": cached}
    told += [f"{number} {way}" for way, number in ways.items() if number]
    return f"{len(images)} images of {len(results)} connectors: {', '.join(told)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MANY]) + (f" and {len(names) - _MANY} more" if len(names) > _MANY else "")


def _with_outcome(results: Sequence["BuildResult"], outcome: str) -> list[str]:
    return [result.connector for result in results if any(image.outcome == outcome for image in result.images)]
