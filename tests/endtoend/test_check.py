"""`reprobuild check` on a real base image: nothing shows of the surroundings, until a rule for bytes is taken out."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.endtoend.workspace import CONNECTOR, REPOSITORY, Built, Workspace

AMD64 = ("--platform", "linux/amd64")

FAULTS: dict[str, tuple[str, str, str, str, str]] = {
    # By the day, which is the same all through a build: two wheels that share a folder have to agree about it.
    "modification times": (
        "builder/tar.py",
        'b"%011o\\0" % _field(epoch, _OCTAL_12),',
        'b"%011o\\0" % (int(__import__("time").time()) // 86_400),',
        "differs",
        "mtime only",
    ),
    "modes": (
        "builder/assembly.py",
        "return regular_file(path, file.size, executable=file.executable)",
        "return Entry(path=path, mode=file.source.stat().st_mode & 0o7777, size=file.size)",
        "differs",
        "mode",
    ),
    "time zone": (
        "builder/image.py",
        "datetime.fromtimestamp(epoch, UTC)",
        "datetime.fromtimestamp(epoch)",
        "differs",
        "created time",
    ),
    # Written in another order than before, and in the same one every time.
    "order of files": (
        "builder/assembly.py",
        "ordered = in_order(entries.values())",
        "ordered = (*made, *(entries[path] for path in files))",
        "mismatch",
        "order",
    ),
}
"""By rule: the file, its line, what stands there instead, the answer, and the cause that has to be named."""


@pytest.fixture
def patched(workspace: Workspace, tmp_path: Path) -> Callable[[str, str, str], Workspace]:
    """Return a copy of the workspace whose reprobuild has one line changed."""

    def patched_(file: str, line: str, instead: str) -> Workspace:
        shutil.copytree(REPOSITORY / "reprobuild", tmp_path / "code" / "reprobuild")
        path = tmp_path / "code" / "reprobuild" / file
        text = path.read_text()
        assert text.count(line) == 1, f"{file} has changed: name another line"
        path.write_text(text.replace(line, instead))
        copy = workspace.copy(tmp_path / "copy", store=workspace.store)
        return replace(copy, environ={**copy.environ, "PYTHONPATH": str(tmp_path / "code")})

    return patched_


def test_nothing_shows_of_the_surroundings(workspace: Workspace, built: Built, root: None) -> None:
    done = workspace.must("check", CONNECTOR, "--json")
    assert done.json["well"]
    images = done.json["images"]
    assert {image["platform"]: image["recorded"] for image in images} == built.manifests
    assert {image["answer"] for image in images} == {"same"}
    assert all([found["build"] for found in image["manifests"]] == [1, 2, 3] for image in images)
    assert set(done.json["unvaried"]) <= {"processors"}
    assert {"path", "order", "umask", "user", "clock", "hostname", "store"} <= set(done.json["varied"])
    second, third = done.json["builds"][1:]
    assert len(second["varied"]) >= 10
    assert third["varied"] == ["store"]


@pytest.mark.parametrize("rule", FAULTS)
def test_a_rule_that_is_taken_out_is_noticed_and_named(
    rule: str, patched: Callable[[str, str, str], Workspace]
) -> None:
    file, line, instead, answer, cause = FAULTS[rule]
    broken = patched(file, line, instead)
    done = broken.run("check", CONNECTOR, *AMD64, "--json", "--keep", "kept", "--junit", "junit.xml")
    assert done.code == 1, done.err
    (image,) = done.json["images"]
    assert image["answer"] == answer
    assert cause in {one["cause"] for one in image["difference"]["causes"]}, image["difference"]["causes"]
    report = (broken.root / "junit.xml").read_text()
    assert f'type="{answer}"' in report
    assert cause in report
    again = broken.run("diff", *image["kept"], "--json")
    assert again.code == 1
    assert [one["cause"] for one in again.json["causes"]] == [one["cause"] for one in image["difference"]["causes"]]


def test_the_explanation_is_short(patched: Callable[[str, str, str], Workspace]) -> None:
    file, line, instead, _, _ = FAULTS["modification times"]
    done = patched(file, line, instead).run("check", CONNECTOR, "--vary", "clock")
    assert done.code == 1
    first, second, _, *why = done.out.splitlines()
    assert first.startswith("differs     source-greeting  linux/amd64  sha256:")
    assert " → sha256:" in second
    assert len(why) <= 22
    assert why[0] == "source-greeting (linux/amd64):"
    assert why[1].endswith("build 1")
    assert why[2].endswith("build 2: other clock")
    assert why[-1].startswith("source-greeting (linux/arm64): mtime only (")
    assert "--keep DIR" in done.err
