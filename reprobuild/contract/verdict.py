"""Findings on every platform → what people read: what is broken, what could not be checked, how much was."""

from collections.abc import Iterator, Mapping, Sequence

from reprobuild.contract.finding import Finding, Outcome
from reprobuild.oci.types import Platform

__all__ = ["broken", "summary", "unchecked"]

Findings = Mapping[Platform, Sequence[Finding]]


def broken(findings: Findings) -> tuple[str, ...]:
    """Return a line for every check that failed and what was found, with the platforms unless it failed on all."""
    return tuple(_told(findings, "failed"))


def unchecked(findings: Findings) -> tuple[str, ...]:
    """Return a line for every check that could not be made and why, with the platforms."""
    return tuple(_told(findings, "unchecked"))


def summary(findings: Findings) -> str:
    """Return how many checks passed, counted once for all platforms, and how many could not be made."""
    names = {one.check for some in findings.values() for one in some}
    open_ = {one.check for some in findings.values() for one in some if one.outcome == "unchecked"}
    passed = len(names - open_)
    told = f"{passed} check{'' if passed == 1 else 's'} passed"
    return f"{told}, {len(open_)} not on every platform" if open_ else told


def _told(findings: Findings, outcome: Outcome) -> Iterator[str]:
    found: dict[Finding, list[Platform]] = {}
    for platform, some in sorted(findings.items()):
        for one in some:
            if one.outcome == outcome:
                found.setdefault(one, []).append(platform)
    for one, platforms in found.items():
        everywhere = len(platforms) == len(findings) and outcome == "failed"
        yield str(one) if everywhere else f"{one} ({', '.join(map(str, platforms))})"
