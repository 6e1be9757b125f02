"""Shell that people and machines run: shellcheck has nothing to say of it."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path
    for folder in ("scripts", ".ci")
    for path in (ROOT / folder).iterdir()
    if path.is_file() and path.read_bytes().startswith((b"#!/bin/sh", b"#!/usr/bin/env bash"))
)
STEPS = {step["name"]: step["run"] for step in yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]}


def found(text: str, *options: str) -> str:
    if shutil.which("shellcheck") is None:
        pytest.fail("shellcheck is missing: apt-get install shellcheck")
    # SC1091: it does not follow what a script sources.
    command = ["shellcheck", "--exclude=SC1091", "--color=never", *options, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts(path: Path) -> None:
    assert found(path.read_text()) == ""


@pytest.mark.parametrize("name", STEPS)
def test_steps_of_the_action(name: str) -> None:
    assert found(STEPS[name], "--shell=bash") == ""


def test_faults_are_found() -> None:
    assert "SC2086" in found("#!/bin/sh\nrm $1\n")
