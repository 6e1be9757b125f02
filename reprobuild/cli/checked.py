"""What `reprobuild check` prints: a line for each image and for its hooks, why they differ, and what to do."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reprobuild.cli.differences import comparison_json, counted_causes, print_in_short
from reprobuild.cli.junit import junit_xml
from reprobuild.cli.output import plain, say, say_json, styled, tell
from reprobuild.cli.settings import Settings
from reprobuild.store import replace_file
from reprobuild.verify.cause import CAUSES
from reprobuild.verify.check import Verdict
from reprobuild.verify.conditions import differing
from reprobuild.verify.explanation import Explanation
from reprobuild.verify.hook_verdict import HookVerdict
from reprobuild.verify.purity import Impurity
from reprobuild.verify.rebuild import Obstacle
from reprobuild.verify.report import Report

__all__ = ["print_report", "print_report_json", "write_junit"]

_STYLES = {
    "same": "good",
    "pure": "good",
    "unrecorded": "open",
    "unknown": "bad",
    "mismatch": "bad",
    "differs": "bad",
    "impure": "bad",
}
_INDENT = " " * 12


def print_report(report: Report, settings: Settings) -> None:
    """Print the answers to stdout, the first difference in short and the others' causes; all else to stderr."""
    width = max((len(verdict.connector) for verdict in report.verdicts), default=0)
    platforms = max((len(str(verdict.platform)) for verdict in report.verdicts), default=0)
    for verdict in report.verdicts:
        label = f"{plain(verdict.connector):<{width}}  {verdict.platform!s:<{platforms}}"
        say(f"{_styled(verdict.answer, settings)}  {label}  {_digests(verdict)}".rstrip())
        _print_obstacle(verdict.obstacle)
        if verdict.answer == "mismatch":
            say(f"{_INDENT}the lock records {verdict.recorded}")
    for hook in report.hooks:
        _print_hook(hook, f"{plain(hook.connector):<{width}}  {hook.platform:<{platforms}}", settings)
    _print_explanations(report, settings)
    sys.stdout.flush()
    if not settings.quiet:
        _print_unvaried(report)
        _print_hints(report, settings)


def print_report_json(report: Report) -> None:
    """Print all that is known."""
    say_json(
        {
            "well": report.is_well,
            "images": [_image_json(verdict, report.explanations.get(verdict.name)) for verdict in report.verdicts],
            "hooks": [_hook_json(hook) for hook in report.hooks],
            "builds": [
                {"number": one.number, "varied": list(differing(report.conditions[0], one))}
                for one in report.conditions
            ],
            "varied": list(report.varied),
            "unvaried": dict(report.unvaried),
        }
    )


def write_junit(report: Report, path: Path) -> None:
    """Write *report* to *path* as JUnit's XML; raise MachineError if that cannot be."""
    replace_file(path, junit_xml(report))


def _styled(answer: str, settings: Settings) -> str:
    return styled(f"{answer:<10}", _STYLES[answer], sys.stdout, settings)


def _digests(verdict: Verdict) -> str:
    return " → ".join(dict.fromkeys(digest for _, digest in verdict.manifests))


def _print_obstacle(obstacle: Obstacle | None) -> None:
    if obstacle is not None:
        for line in plain(obstacle.reason).splitlines():
            say(f"{_INDENT}{line}")
        if obstacle.hint:
            say(f"{_INDENT}hint: {plain(obstacle.hint)}")


def _print_hook(hook: HookVerdict, label: str, settings: Settings) -> None:
    ran = f"{hook.executions} execution" + ("" if hook.executions == 1 else "s")
    say(f"{_styled(hook.answer, settings)}  {label}  hooks: {ran}, twice")
    _print_obstacle(hook.obstacle)
    if hook.impurity is not None:
        say(f"{_INDENT}{plain(str(hook.impurity))}")
    if hook.network:
        say(f"{_INDENT}hooks: network = true: what they fetch may be something else tomorrow")


def _print_explanations(report: Report, settings: Settings) -> None:
    """Print why images differ: the first in full, of the others the causes."""
    shown = False
    for (connector, platform), why in report.explanations.items():
        name = plain(f"{connector} ({platform})")
        if why.missing is not None:
            say(f"{name}: {plain(why.missing)}")
        elif why.comparison is not None and shown:
            say(f"{name}: {plain(counted_causes(why.comparison))}")
        elif why.comparison is not None:
            say(f"\n{name}:")
            print_in_short(why.comparison, settings)
            shown = True
        if why.kept is not None:
            say(f"kept: {plain(why.kept[0])} and {plain(why.kept[1])}")


def _print_unvaried(report: Report) -> None:
    for condition, why in report.unvaried:
        tell(plain(f"not varied here: {condition}: {why}"))


def _print_hints(report: Report, settings: Settings) -> None:
    for text in dict.fromkeys(_hints(report)):
        tell(f"{styled('hint:', 'hint', sys.stderr, settings)} {plain(text)}")


def _hints(report: Report) -> Iterable[str]:
    answers = {verdict.answer for verdict in report.verdicts}
    if "unrecorded" in answers:
        yield "run `reprobuild build --record`, and commit the locks"
    if "differs" in answers:
        yield "`--vary` with one condition at a time tells which of them it is; `--vary list` says which there are"
    if any(why.kept is None and why.comparison is not None for why in report.explanations.values()):
        yield "to look at both images, check again with --keep DIR"
    for why in report.explanations.values():
        if why.kept is not None:
            yield f"reprobuild diff --full {why.kept[0]} {why.kept[1]}"
            break
    if impure := next((hook.impurity for hook in report.hooks if hook.impurity), None):
        yield f"{impure.cause}: {CAUSES[impure.cause].fix}"
    if any(hook.network for hook in report.hooks):
        yield "declare what hooks download as [[tool.reprobuild.input]], and take network = true out"


def _image_json(verdict: Verdict, why: Explanation | None) -> dict[str, Any]:
    compared = why.comparison if why is not None else None
    return {
        "connector": verdict.connector,
        "platform": str(verdict.platform),
        "answer": verdict.answer,
        "recorded": verdict.recorded,
        "manifests": [{"build": number, "digest": digest} for number, digest in verdict.manifests],
        "obstacle": _obstacle_json(verdict.obstacle),
        "difference": comparison_json(compared) if compared is not None else None,
        "unexplained": why.missing if why is not None else None,
        "kept": list(why.kept) if why is not None and why.kept is not None else None,
    }


def _hook_json(hook: HookVerdict) -> dict[str, Any]:
    return {
        "connector": hook.connector,
        "platform": hook.platform,
        "hooks": [{"hook": name, "answer": hook.answer_for(name)} for name in hook.hooks],
        "answer": hook.answer,
        "executions": hook.executions,
        "network": hook.network,
        "impurity": _impurity_json(hook.impurity),
        "obstacle": _obstacle_json(hook.obstacle),
    }


def _impurity_json(found: Impurity | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"what": found.what, "place": found.place, "cause": found.cause, "detail": found.detail}


def _obstacle_json(obstacle: Obstacle | None) -> dict[str, Any] | None:
    return None if obstacle is None else {"reason": obstacle.reason, "hint": obstacle.hint}
