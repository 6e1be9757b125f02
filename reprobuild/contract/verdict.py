"""Findings on every platform → what people read: what is broken, what could not be checked, how much was."""

from collections.abc import Mapping, Sequence

from reprobuild.contract.finding import Finding
from reprobuild.oci.types import Platform

__all__ = ["broken", "summary", "unchecked"]

Findings = Mapping[Platform, Sequence[Finding]]


def broken(findings: Findings) -> tuple[str, ...]:
    """Return a line for every check that failed and what was found, with the platforms unless it failed on all."""
    found: dict[Finding, list[Platform]] = {}
    for platform, some in sorted(findings.items()):
        for one in some:
            if one.outcome == "failed":
                found.setdefault(one, []).append(platform)
    return tuple(
        str(one) if len(platforms) == len(findings) else f"{one} ({', '.join(map(str, platforms))})"
        for one, platforms in found.items()
    )


def unchecked(findings: Findings) -> tuple[str, ...]:
    """Return a line for every reason why checks could not be made, with the platform and the checks."""
    found: dict[tuple[Platform, str], list[str]] = {}
    for platform, some in sorted(findings.items()):
        for one in some:
            if one.outcome == "unchecked":
                found.setdefault((platform, one.found), []).append(one.check)
    return tuple(f"not checked on {platform}: {', '.join(checks)}: {why}" for (platform, why), checks in found.items())


def summary(findings: Findings) -> str:
    """Return how many checks passed, counted once for all platforms, and how many could not be made."""
    names = {one.check for some in findings.values() for one in some}
    open_ = {one.check for some in findings.values() for one in some if one.outcome == "unchecked"}
    passed = len(names - open_)
    told = f"{passed} check{'' if passed == 1 else 's'} passed"
    return f"{told}, {len(open_)} not on every platform" if open_ else told
