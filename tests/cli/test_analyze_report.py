"""``reprobuild analyze report``: saved reports become tables, a page, CSV and JSON."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from reprobuild.analysis.report_json import fleet_text, read_fleet
from reprobuild.cli.analysis_table import print_fleet
from reprobuild.cli.app import run_app
from reprobuild.cli.settings import Color, Settings
from tests.analysis.fleets import fleet_of, hostile_fleet

FLEET = fleet_of()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files.json").write_text(fleet_text(replace(FLEET, images=(), settings=(), scores=())))
    (tmp_path / "images.json").write_text(fleet_text(replace(FLEET, dockerfiles=(), variants=(), missing=())))
    return tmp_path


def run(folder: Path, *words: str) -> int:
    return run_app(["-C", str(folder), "analyze", "report", *words])


def test_saved_reports_are_printed_as_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "files.json", "images.json") == 0
    printed = capsys.readouterr().out
    for word in (
        "Variants of Dockerfiles",
        "Images",
        "Environment",
        "OS packages outside",
        "Reproducibility",
        "libc6-dev",
    ):
        assert word in printed
    assert printed.rstrip().endswith("47 connectors, 14 variants, 60 images, 2 could not be read")
    assert not any(line != line.rstrip() for line in printed.splitlines())


def test_a_page_and_tables_are_written_and_nothing_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--html", "out/report.html", "--csv", "out/tables", "--title", "Ours", "--date", "2023-09-08")
    assert run(folder, "files.json", "images.json", *words) == 0
    page = (folder / "out/report.html").read_text("utf-8")
    assert "<title>Ours</title>" in page
    assert "2023-09-08" in page
    assert {path.name for path in (folder / "out/tables").iterdir()} == {
        *("connectors.csv", "variants.csv", "environment.csv", "packages.csv", "sizes.csv", "missing.csv")
    }
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "report.html" in printed.err


def test_the_reports_as_one_can_be_saved_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "files.json", "images.json", "--json") == 0
    assert read_fleet(capsys.readouterr().out.encode()) == FLEET


@pytest.mark.parametrize("text", ["{}", "", '{"kind": "reprobuild fleet", "schema": 7}'])
def test_what_is_no_report_is_refused(folder: Path, text: str) -> None:
    (folder / "other.json").write_text(text)
    assert run(folder, "files.json", "other.json", "--html", "page.html") == 1
    assert not (folder / "page.html").exists()


def test_a_report_that_is_not_there_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "nowhere.json") == 2
    assert "nowhere.json" in capsys.readouterr().err


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_tables_fit_the_terminal(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    print_fleet(FLEET, Settings(color=Color.NEVER), width=width)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert any("source-zendesk-chat" in line for line in lines) or width < 60


def test_a_wide_terminal_shows_what_a_narrow_one_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_fleet(FLEET, Settings(color=Color.NEVER), width=200)
    wide = capsys.readouterr().out
    print_fleet(FLEET, Settings(color=Color.NEVER), width=60)
    narrow = capsys.readouterr().out
    assert "how it differs from one above" in wide
    assert "how it differs from one above" not in narrow


def test_nobody_writes_to_the_terminal_but_us(capsys: pytest.CaptureFixture[str]) -> None:
    print_fleet(hostile_fleet(), Settings(color=Color.NEVER), width=100)
    printed = capsys.readouterr().out
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e\u2028]", printed)
    print_fleet(fleet_of(2), Settings(color=Color.ALWAYS), width=100)
    assert "\x1b[1m" in capsys.readouterr().out
