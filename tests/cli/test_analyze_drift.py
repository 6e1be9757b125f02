"""`reprobuild analyze drift` on saved reports: what is printed, and how it exits."""

from dataclasses import replace
from pathlib import Path

import pytest

from reprobuild.analysis.facts import Fleet
from reprobuild.analysis.report_json import fleet_text
from tests.analysis.fleets import fleet_of
from tests.cli.conftest import Command

FLEET = fleet_of(4)
DOCKERFILES = Fleet(dockerfiles=FLEET.dockerfiles, variants=FLEET.variants)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    edited = replace(FLEET.images[0], digest=f"sha256:{'9' * 64}", user="1000")
    fleets = {
        "march": Fleet(images=FLEET.images),
        "november": Fleet(images=(edited, *FLEET.images[1:])),
        "fewer": Fleet(images=FLEET.images[1:]),
        "dockerfiles": DOCKERFILES,
        "nothing": Fleet(),
    }
    for name, fleet in fleets.items():
        (tmp_path / f"{name}.json").write_text(fleet_text(fleet))
    return tmp_path


def test_reports(command: Command, folder: Path) -> None:
    done = command("-C", str(folder), "analyze", "drift", "march.json", "november.json")
    assert done.code == 1
    assert f"{FLEET.images[0].connector}  linux/amd64  1 change: edited" in done.out
    assert "  edited  user  nothing \u2192 1000\n" in done.out
    assert done.out.endswith(f"\n1 of {len(FLEET.images)} changed\n")
    same = command("-C", str(folder), "analyze", "drift", "march.json", "march.json")
    assert (same.code, same.out.count("no drift")) == (0, len(FLEET.images))
    files = command("-C", str(folder), "analyze", "drift", "dockerfiles.json", "dockerfiles.json")
    assert (files.code, files.out.count("Dockerfile  no drift")) == (0, len(FLEET.dockerfiles))


def test_what_one_side_lacks_is_a_change(command: Command, folder: Path) -> None:
    done = command("-C", str(folder), "analyze", "drift", "march.json", "fewer.json")
    assert (done.code, "in A only" in done.out) == (1, True)
    value = command("-C", str(folder), "analyze", "drift", "march.json", "fewer.json", "--json").json
    assert (len(value["onlyA"]), value["onlyB"]) == (1, [])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("march.json", "dockerfiles.json"), "nothing to compare"),
        (("march.json", "nothing.json"), "nothing to compare"),
        (("gone.json", "march.json"), "there is no such report"),
        (("march.json",), "compared with one thing"),
        (("march.json", "march.json", "--lock", "x"), "compared with one thing"),
    ],
)
def test_what_cannot_be_compared(words: tuple[str, ...], message: str, command: Command, folder: Path) -> None:
    done = command("-C", str(folder), "analyze", "drift", *words)
    assert (done.code, message in done.err, "hint:" in done.err) == (2, True, True), done.err
