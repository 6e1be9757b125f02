"""Workspaces of which some connectors cannot be read: each goes under its name, and the others are as without it."""

from pathlib import Path

import pytest

from reprobuild.errors import ReprobuildError, SpecificationError
from reprobuild.workspace import read_workspace
from tests.folders import write

_HEAD = """\
connectors = ["c/*"]
[base.python]
image = "docker.io/library/python:3.11"
"""
_GOOD = '[project]\nname = "{name}"\nversion = "1"\ndependencies = ["alpha"]\n[tool.reprobuild]\nbase = "python"\n'


def _files(**broken: str) -> dict[str, str]:
    files = {"reprobuild.toml": _HEAD, "c/good/pyproject.toml": _GOOD.format(name="good")}
    return files | {f"c/{name}/pyproject.toml": text for name, text in broken.items()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[project\n", "not TOML"),
        (_GOOD.format(name="bad") + "colour = 1\n", "colour"),
        (_GOOD.format(name="bad").replace('base = "python"', 'base = "pyton"'), "there is no base 'pyton'"),
        ('[project]\nname = "bad"\nversion = "1"\n[tool.reprobuild]\nbase = "python"\n', "requires no distribution"),
    ],
)
def test_a_broken_folder_is_left_out(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, _files(bad=text))
    failures: dict[str, ReprobuildError] = {}
    workspace = read_workspace(tmp_path, failures)
    assert set(workspace.connectors) == {"good"}
    assert set(failures) == {"bad"}
    assert message in str(failures["bad"])
    with pytest.raises(SpecificationError):
        read_workspace(tmp_path)


def test_of_two_connectors_with_one_name_neither_is_taken(tmp_path: Path) -> None:
    write(tmp_path, _files(one=_GOOD.format(name="same"), other=_GOOD.format(name="same")))
    failures: dict[str, ReprobuildError] = {}
    assert set(read_workspace(tmp_path, failures).connectors) == {"good"}
    assert "two connectors are called same" in str(failures["same"])


def test_a_broken_table_of_a_connector_without_a_folder_is_its_own_matter(tmp_path: Path) -> None:
    head = (
        '[connector.bad]\nrequirements = ["not a requirement!"]\nbase = "python"\n[connector.poor]\nbase = "python"\n'
    )
    write(tmp_path, _files() | {"reprobuild.toml": _HEAD + head})
    failures: dict[str, ReprobuildError] = {}
    assert set(read_workspace(tmp_path, failures).connectors) == {"good"}
    assert set(failures) == {"bad", "poor"}


def test_what_concerns_all_is_an_error_all_the_same(tmp_path: Path) -> None:
    write(tmp_path, _files() | {"reprobuild.toml": _HEAD + 'builder = "other"\n'})
    with pytest.raises(SpecificationError, match="there is no base 'other'"):
        read_workspace(tmp_path, {})
