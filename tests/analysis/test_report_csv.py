"""The tables for spreadsheets: read back as they were written, and without a formula."""

import csv
import io
from dataclasses import replace

import pytest

from reprobuild.analysis.facts import Cause, Fleet, Missing
from reprobuild.analysis.report_csv import csv_tables
from tests.analysis.fleets import fleet_of, hostile_fleet


def rows(fleet: Fleet, name: str) -> list[dict[str, str]]:
    text = io.StringIO(csv_tables(fleet)[name].decode(), newline="")
    return list(csv.DictReader(text, strict=True))


def test_there_is_a_row_for_each_image_and_each_connector_without_one() -> None:
    fleet = fleet_of()
    found = rows(fleet, "connectors.csv")
    assert {(row["connector"], row["platform"]) for row in found if row["platform"]} == {
        (image.connector, image.platform) for image in fleet.images
    }
    assert {row["connector"] for row in found} == {one.connector for one in fleet.dockerfiles}
    chat = next(row for row in found if row["connector"] == "source-zendesk-chat")
    assert chat["entrypoint"] == "python /airbyte/integration_code/main_dev.py"
    assert chat["score"] == str(next(one.points for one in fleet.scores if one.connector == "source-zendesk-chat"))


def test_a_connector_without_an_image_has_what_its_dockerfile_asks_for() -> None:
    fleet = replace(fleet_of(3), images=())
    row = rows(fleet, "connectors.csv")[0]
    assert (row["base"], row["entrypoint"], row["digest"]) == (
        fleet.dockerfiles[0].bases[-1], "python /airbyte/integration_code/main.py", "",
    )  # fmt: skip


def test_packages_say_whether_they_are_outside_the_base() -> None:
    fleet = fleet_of()
    found = rows(fleet, "packages.csv")
    extra = [row for row in found if row["name"] == "libc6-dev"]
    assert {row["outside_base"] for row in extra} == {"yes"}
    assert {row["outside_base"] for row in found if row["kind"] == "pypi"} == {""}
    assert {row["version_in_base"] for row in found if row["name"] == "libssl3" and row["outside_base"]} == {"3.0.9-1"}
    assert len(found) == len({tuple(row.values()) for row in found})


def test_sizes_add_up() -> None:
    fleet = fleet_of()
    total = sum(int(row[cause]) for row in rows(fleet, "sizes.csv") for cause in Cause.ALL)
    assert total == sum(sum(layer.causes.values()) for image in fleet.images for layer in image.layers)


def test_the_environment_is_in_the_long_form() -> None:
    fleet = fleet_of()
    pips = {row["value"] for row in rows(fleet, "environment.csv") if row["variable"] == "PYTHON_PIP_VERSION"}
    assert pips == {"22.0.4", "23.0.1"}


def test_texts_with_lines_quotes_and_commas_come_back_whole() -> None:
    fleet = fleet_of()
    assert [row["text"] for row in rows(fleet, "variants.csv")] == [one.text for one in fleet.variants]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1+1"])
def test_no_cell_is_a_formula(text: str) -> None:
    row = rows(Fleet(missing=(Missing(name=text, why=text),)), "missing.csv")[0]
    assert row["name"] == f"'{text}"


def test_no_cell_of_a_hostile_fleet_is_a_formula() -> None:
    fleet = hostile_fleet()
    for name in csv_tables(fleet):
        for row in rows(fleet, name):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values()), name


def test_lines_end_as_the_standard_says_and_equal_fleets_are_equal_bytes() -> None:
    fleet = fleet_of()
    tables = csv_tables(fleet)
    assert tables == csv_tables(fleet_of())
    assert all(data.endswith(b"\r\n") for data in tables.values())
    assert tables["missing.csv"].count(b"\r\n") == 1 + len(fleet.missing)


def test_half_a_pair_is_written_out() -> None:
    assert b"a\\ud800" in csv_tables(Fleet(missing=(Missing(name="a\ud800", why=""),)))["missing.csv"]
