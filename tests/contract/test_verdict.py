"""Findings on every platform, as people read them."""

from typing import Any

from reprobuild.contract.finding import Finding
from reprobuild.contract.verdict import broken, summary, unchecked
from tests.images import AMD64, ARM64


def one(check: str, outcome: Any = "passed", found: str = "") -> Finding:
    return Finding(check=check, outcome=outcome, found=found)


def test_what_failed_everywhere_is_one_line() -> None:
    bad = one("writable /a", "failed", "there is no /a")
    findings = {ARM64: (bad, one("timezone UTC")), AMD64: (bad, one("timezone UTC", "failed", "TZ is 'CET'"))}
    assert broken(findings) == ("writable /a: there is no /a", "timezone UTC: TZ is 'CET' (linux/amd64)")
    assert broken({AMD64: (one("a"),)}) == ()


def test_what_was_found_differently_is_a_line_each() -> None:
    findings = {AMD64: (one("pip 24.0", "failed", "it has 23"),), ARM64: (one("pip 24.0", "failed", "it has 22"),)}
    assert broken(findings) == ("pip 24.0: it has 23 (linux/amd64)", "pip 24.0: it has 22 (linux/arm64)")


def test_what_could_not_be_checked_is_told_by_its_reason_and_never_counts() -> None:
    open_ = (one("command a 1.*", "unchecked", "no emulator"), one("command b 2.*", "unchecked", "no emulator"))
    findings = {AMD64: (one("command a 1.*"), one("command b 2.*"), one("c")), ARM64: (*open_, one("c"))}
    assert unchecked(findings) == ("not checked on linux/arm64: command a 1.*, command b 2.*: no emulator",)
    assert summary(findings) == "1 check passed, 2 not on every platform"
    assert summary({AMD64: (one("a"), one("b")), ARM64: (one("a"), one("b"))}) == "2 checks passed"
