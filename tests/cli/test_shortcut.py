"""The plain forms of `build` that are understood without the command-line library: the same in every respect."""

import subprocess
import sys
from pathlib import Path

import pytest

from reprobuild.cli.building import BuildRequest
from reprobuild.cli.settings import Color, Settings
from reprobuild.cli.shortcut import plain_build
from tests.cli.project import Project


def test_plain_forms_are_understood(tmp_path: Path) -> None:
    assert plain_build(["build"], {}) == (BuildRequest(), Settings())
    assert plain_build(["build", "a", "b"], {}) == (BuildRequest(names=("a", "b")), Settings())
    line = ["-C", str(tmp_path), "build", "a", "--platform", "linux/arm64", "--offline"]
    assert plain_build(["--directory", *line[1:]], {}) == plain_build(line, {})
    found = plain_build(line, {"NO_COLOR": "1"})
    assert found == (
        BuildRequest(names=("a",), platforms=("linux/arm64",), offline=True),
        Settings(directory=tmp_path, color=Color.NEVER),
    )
    assert plain_build(["build", "--all"], {"REPROBUILD_STORE": "x"}) == (BuildRequest(everything=True), Settings())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "lock update",
        "-q build a",
        "build --help",
        "build a --all",
        "build --platform",
        "build --platform --all",
        "build --platform=linux/amd64",
        "build --offlin",
        "build -o oci:x",
        "build -- a",
        "-C nowhere build a",
        "-C",
    ],
)
def test_all_else_is_the_librarys(line: str) -> None:
    assert plain_build(line.split(), {}) is None


@pytest.mark.parametrize("name", ["REPROBUILD_OFFLINE", "REPROBUILD_QUIET", "_REPROBUILD_COMPLETE"])
def test_a_variable_that_stands_for_an_option_is_the_librarys(name: str) -> None:
    assert plain_build(["build", "a"], {name: "1"}) is None


@pytest.mark.parametrize("line", ["build --all", "build source-one", "build nobody", "build a --platform mars/amd64"])
def test_both_ways_say_the_same(locked: Project, line: str) -> None:
    locked.run("build", "--all")
    plain, library = locked.run(*line.split()), locked.run("--color", "auto", *line.split())
    assert (plain.code, plain.out, plain.err) == (library.code, library.out, library.err)


def test_it_does_without_the_library(locked: Project) -> None:
    locked.run("build", "--all")
    code = (
        "import sys; from reprobuild.cli import run; code = run(['build', '--all']);"
        "print(code, sorted({'typer', 'rich', 'anyio', 'httpx', 'installer', 'yaml', 'tomlkit'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=locked.root, env=locked.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 []"
