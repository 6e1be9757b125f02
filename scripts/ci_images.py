"""What a pull request does to images: whether locks are fresh, what has changed is reproducible, and digests are new.

Run by action.yml, and by hand with the Python that has reprobuild: python scripts/ci_images.py --since origin/main
Writes check.json, junit.xml, summary.md and, of images that differ, layouts into a folder; the summary also goes to
$GITHUB_STEP_SUMMARY, and faults become annotations where $GITHUB_ACTIONS is set. Exit codes are reprobuild's.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ci_summary import Recorded, annotation, recorded_at, recorded_now, summary

__all__ = ["main"]

_NO_REVISION = "0" * 40
"""What a forge calls the revision before the first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what *arguments* say and return the exit code: the first that is not 0."""
    options = _options(arguments)
    root, report = Path(options.directory), Path(options.report)
    report.mkdir(parents=True, exist_ok=True)
    since = options.since if options.since not in {"", _NO_REVISION} else None
    code, reasons = _locks(root)
    checked: dict[str, Any] = {}
    if code == 0 and options.check != "none":
        code, checked = _check(root, report, options.check, since, options.vary)
    text = summary(reasons, checked, _old(root, since), recorded_now(root), since=since)
    (report / "summary.md").write_text(text, encoding="utf-8")
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(page).open("a", encoding="utf-8") as stream:
            stream.write(text)
    print(text)
    return code


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--directory", default=".", help="the workspace, or a folder in it")
    parser.add_argument("--since", default="", metavar="REV", help="the revision to compare with; none: everything")
    parser.add_argument(
        "--check", default="changed", metavar="WHAT", help="changed, all, none, or connectors with spaces between"
    )
    parser.add_argument("--vary", default="", metavar="A,B", help="vary these conditions only")
    parser.add_argument("--report", default="reprobuild-report", metavar="DIR", help="where to write")
    return parser.parse_args(arguments)


def _locks(root: Path) -> tuple[int, list[Mapping[str, str]]]:
    """Say whether the locks are fresh; return the exit code, and why they are not."""
    done = _run(root, "lock", "update", "--check", "--json")
    if done.returncode not in {0, 1} or not done.stdout:
        print(annotation("reprobuild lock update --check could not answer: the log says why"))
        return done.returncode or 1, []
    reasons: list[Mapping[str, str]] = json.loads(done.stdout)["reasons"]
    for reason in reasons:
        print(annotation(f"{reason['subject']}: {reason['reason']}", file=str(reason["where"])))
    return done.returncode, reasons


def _check(root: Path, report: Path, what: str, since: str | None, vary: str) -> tuple[int, dict[str, Any]]:
    """Rebuild *what*; return the exit code, and what was found."""
    if what == "changed":
        words = ["--all"] if since is None else ["--changed-since", since]
    else:
        words = ["--all"] if what == "all" else what.split()
    options = ["--junit", str(report.absolute() / "junit.xml"), "--keep", str(report.absolute() / "images")]
    options += ["--vary", vary] if vary else []
    done = _run(root, "check", *words, "--json", *options)
    (report / "check.json").write_text(done.stdout, encoding="utf-8")
    if not done.stdout:
        print(annotation("reprobuild check could not answer: the log says why"))
        return done.returncode or 1, {}
    found: dict[str, Any] = json.loads(done.stdout)
    for image in found["images"]:
        if image["answer"] != "same":
            lock = f"lock/pylock.{image['connector']}.toml"
            print(annotation(f"{image['connector']} ({image['platform']}): {image['answer']}", file=lock))
    return done.returncode, found


def _old(root: Path, since: str | None) -> Recorded:
    return recorded_at(root, since) if since is not None else {}


def _run(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run reprobuild; what it tells on stderr goes to the log as it comes."""
    command = [sys.executable, "-m", "reprobuild", "-C", str(root), *words]
    return subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)


if __name__ == "__main__":
    sys.exit(main())
