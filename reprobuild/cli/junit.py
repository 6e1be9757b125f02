"""A check's report as JUnit's XML, which CI systems show: a test case for each image and for each hook."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from reprobuild.cli.differences import counted_causes
from reprobuild.verify.check import Verdict
from reprobuild.verify.hook_verdict import HookVerdict
from reprobuild.verify.rebuild import Obstacle
from reprobuild.verify.report import Report

__all__ = ["junit_xml"]

_SUITE = "reprobuild check"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot say."""

Case = ElementTree.Element


def junit_xml(report: Report) -> bytes:
    """Return *report* as JUnit's XML: what differs is a failure, what is not known an error."""
    cases = [*_images(report), *(case for hook in report.hooks for case in _hooks(hook))]
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "skipped": 0,
    }
    numbers = {name: str(count) for name, count in counts.items()}
    root = ElementTree.Element("testsuites", {"name": _SUITE, **numbers})
    suite = ElementTree.SubElement(root, "testsuite", {"name": _SUITE, **numbers})
    properties = ElementTree.SubElement(suite, "properties")
    for name in report.varied:
        ElementTree.SubElement(properties, "property", {"name": f"varied.{name}", "value": "yes"})
    for name, why in report.unvaried:
        ElementTree.SubElement(properties, "property", {"name": f"varied.{name}", "value": _text(f"no: {why}")})
    suite.extend(cases)
    ElementTree.indent(root)
    data: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _images(report: Report) -> Iterator[Case]:
    for verdict in report.verdicts:
        case = _case(verdict.connector, str(verdict.platform))
        if verdict.answer == "unknown":
            _add_error(case, verdict.obstacle)
        elif verdict.answer != "same":
            why = report.explanations.get(verdict.name)
            lines = [_summary(verdict)]
            if why is not None and why.comparison is not None:
                lines.append(counted_causes(why.comparison))
            lines += [text for text in (why.missing, *(why.kept or ())) if text] if why is not None else []
            _add(case, "failure", verdict.answer, lines)
        yield case


def _hooks(hook: HookVerdict) -> Iterator[Case]:
    for name in hook.hooks:
        case = _case(hook.connector, f"{hook.platform} {name}")
        answer = hook.answer_for(name)
        if answer == "impure":
            why = str(hook.impurity) if hook.impurity else "it has a network: what it fetches may be another tomorrow"
            _add(case, "failure", answer, [why])
        elif answer == "unknown":
            _add_error(case, hook.obstacle or Obstacle(reason="a hook that runs before it is impure"))
        yield case


def _summary(verdict: Verdict) -> str:
    digests = " → ".join(dict.fromkeys(digest for _, digest in verdict.manifests))
    if verdict.answer == "mismatch":
        return f"the lock records {verdict.recorded}, rebuilding gives {digests}"
    return f"rebuilding gives {digests}" + ("" if verdict.recorded else ", the lock records nothing")


def _case(connector: str, name: str) -> Case:
    return ElementTree.Element("testcase", {"classname": _text(connector), "name": _text(name)})


def _add_error(case: Case, obstacle: Obstacle | None) -> None:
    lines = [obstacle.reason, *([f"hint: {obstacle.hint}"] if obstacle.hint else [])] if obstacle else []
    _add(case, "error", "unknown", lines or ["nobody knows why"])


def _add(case: Case, kind: str, answer: str, lines: list[str]) -> None:
    element = ElementTree.SubElement(case, kind, {"type": answer, "message": _text(lines[0].splitlines()[0])})
    element.text = _text("\n".join(lines))


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
