""".ci/run as it stands: a change that takes out a rule for bytes does not land."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.endtoend.test_check import FAULTS
from tests.test_readme import ROOT, copy_of_the_repository


def test_it_fails_when_a_rule_for_bytes_is_taken_out(tmp_path: Path) -> None:
    """Lint and tests are taken for green, so that the check of this repository's own images is what counts."""
    repository = copy_of_the_repository(tmp_path / "repository")
    for script in ("check", "test"):
        (repository / "scripts" / script).write_text("#!/bin/sh\n")
    (repository / ".venv").symlink_to(ROOT / ".venv")
    shutil.copytree(ROOT / "build" / "base", repository / "build" / "base")
    file, line, instead, answer, cause = FAULTS["modification times"]
    path = repository / "reprobuild" / file
    text = path.read_text()
    assert text.count(line) == 1
    path.write_text(text.replace(line, instead))

    environ = {name: value for name, value in os.environ.items() if not name.startswith("REPROBUILD_")}
    environ |= {"PYTHONPATH": str(repository), "REPROBUILD_STORE": str(tmp_path / "store")}
    done = subprocess.run(
        [repository / ".ci" / "run"], cwd="/", env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    answers = [line.split()[:3] for line in done.stdout.splitlines() if line.startswith(f"{answer} ")]
    assert [answer, "source-almanac", "linux/amd64"] in answers, done.stdout
    assert f"\n{cause}  " in done.stdout
