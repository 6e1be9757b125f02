"""Reasons from what a command told, and JUnit's XML of any report."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from reprobuild.cli.junit import junit_xml
from reprobuild.oci.types import parse_platform
from reprobuild.verify.check import Verdict
from reprobuild.verify.hook_verdict import HookVerdict
from reprobuild.verify.purity import Impurity
from reprobuild.verify.rebuild import Obstacle, obstacle_of
from reprobuild.verify.report import Report

AMD64 = parse_platform("linux/amd64")
HOOKS = ("hooks/pre-install", "hooks/post-install")


def unknown(reason: str) -> Verdict:
    return Verdict(connector="source-x", platform=AMD64, answer="unknown", obstacle=Obstacle(reason=reason))


def test_errors_and_hints_are_found_among_what_was_told() -> None:
    said = "fetching: started\nerror: x: it broke\nhint: mend it\nerror: y: it, too\n"
    assert obstacle_of(said, 2) == Obstacle(reason="x: it broke; y: it, too", hint="mend it")
    assert obstacle_of("error: a hook failed\n  | no such file\n", 1).reason == "a hook failed\n  | no such file"
    assert obstacle_of("Segmentation fault\n", 139).reason == "Segmentation fault"
    assert obstacle_of("", -9).reason == "it ended with exit code -9"


@given(st.text())
def test_any_reason_gives_xml_that_can_be_read(reason: str) -> None:
    root = ElementTree.fromstring(junit_xml(Report(verdicts=(unknown(reason or "x"),))))
    (case,) = root.iter("testcase")
    assert case.find("error") is not None
    assert root.get("errors") == "1"


def test_a_hook_is_a_case_of_its_own() -> None:
    impurity = Impurity(what="source-x: hooks/post-install", place="/opt/x", cause="text", detail="")
    verdict = HookVerdict(connector="source-x", platform="linux/amd64", hooks=HOOKS, executions=2, impurity=impurity)
    root = ElementTree.fromstring(junit_xml(Report(verdicts=(), hooks=(verdict,))))
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert set(cases) == {f"linux/amd64 {hook}" for hook in HOOKS}
    assert cases["linux/amd64 hooks/pre-install"].find("failure") is None
    failure = cases["linux/amd64 hooks/post-install"].find("failure")
    assert failure is not None
    assert "/opt/x: text" in str(failure.get("message"))


def test_what_runs_after_an_impure_hook_is_not_known() -> None:
    impurity = Impurity(what="source-x: hooks/pre-install", place="/opt/x", cause="text", detail="")
    verdict = HookVerdict(connector="source-x", platform="linux/amd64", hooks=HOOKS, impurity=impurity)
    assert [verdict.answer_for(hook) for hook in HOOKS] == ["impure", "unknown"]
    network = HookVerdict(connector="source-x", platform="linux/amd64", hooks=HOOKS, network=True)
    assert {network.answer_for(hook) for hook in HOOKS} == {"impure"}


def test_unknown_is_never_well() -> None:
    assert Report(verdicts=()).is_well
    assert not Report(verdicts=(unknown("x"),)).is_well
    stuck = HookVerdict(connector="x", platform="linux/amd64", hooks=HOOKS, obstacle=Obstacle(reason="x"))
    assert stuck.answer == "unknown"
    assert not Report(verdicts=(), hooks=(stuck,)).is_well
