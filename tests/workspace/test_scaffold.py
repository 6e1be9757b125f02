"""A first specification: written where it belongs, and readable as it stands."""

from pathlib import Path

import pytest

from reprobuild.builder.connector import connector_files
from reprobuild.errors import SpecificationError
from reprobuild.workspace import Workspace, find_workspace, read_workspace
from reprobuild.workspace.scaffold import scaffold, scaffold_path, write_scaffold
from tests.folders import METADATA, write

DIGEST = "sha256:" + "a" * 64
BASE = f"docker.io/airbyte/python-connector-base:4.0.0@{DIGEST}"


def connector(at: str, *, base: str | None = None, requires: str = ">=3.10", **files: str) -> dict[str, str]:
    """Return the files of a connector in the folder *at*, one of Airbyte's if it has a *base*."""
    name = at.rpartition("/")[2]
    project = f'[project]\nname = "{name}"\nrequires-python = "{requires}"\ndependencies = ["httpx"]\n'
    metadata = {"metadata.yaml": METADATA.format(name=name, base=base)} if base else {}
    package = f"{name.replace('-', '_')}/__init__.py"
    return {
        f"{at}/{path}": text
        for path, text in {"pyproject.toml": project, "main.py": "", package: "", **metadata, **files}.items()
    }


def written(root: Path, files: dict[str, str]) -> Workspace:
    """Write a first specification for *files* and return what it says; every connector must be complete."""
    write(root, files)
    path = write_scaffold(root)
    assert path == root / path.name
    assert find_workspace(root) == root
    workspace = read_workspace(root)
    for spec in workspace.connectors.values():
        assert connector_files(spec)
    return workspace


def test_connectors_that_name_their_base_need_nothing_else(tmp_path: Path) -> None:
    files = connector("connectors/source-x", base=BASE) | connector("connectors/source-y", base=BASE)
    workspace = written(tmp_path, files | {"connectors/README.md": "", "connectors/docs/a.md": ""})
    assert list(workspace.connectors) == ["source-x", "source-y"]
    assert list(workspace.bases) == ["python-connector-base-4.0.0"]
    assert 'connectors = ["connectors/*"]' in (tmp_path / "reprobuild.toml").read_text()


def test_a_folder_of_its_own_connector(tmp_path: Path) -> None:
    root = tmp_path / "source-x"
    workspace = written(root, {path.partition("/")[2]: text for path, text in connector("source-x").items()})
    assert list(workspace.connectors) == ["source-x"]
    assert (root / "pyproject.toml").read_text().startswith("[project]\n")
    assert [str(base.image) for base in workspace.bases.values()] == ["docker.io/library/python:3.11-slim-bookworm"]


def test_it_is_added_to_a_pyproject_that_is_there(tmp_path: Path) -> None:
    old = "[tool.ruff]\nline-length = 100 # keep"
    workspace = written(tmp_path, {"pyproject.toml": old, **connector("a/b/source-x")})
    text = (tmp_path / "pyproject.toml").read_text()
    assert text.startswith(old + "\n\n# What reprobuild builds")
    assert "\n[tool.reprobuild]\n" in text
    assert list(workspace.connectors) == ["source-x"]
    assert list(workspace.bases) == ["python-3.11"]


def test_bases_come_from_dockerfiles(tmp_path: Path) -> None:
    dockerfile = """\
    ARG X=1
    FROM --platform=linux/amd64 python:3.9.11-alpine3.15 AS base
    from base as builder
    RUN pip install .
    FROM base
    """
    workspace = written(
        tmp_path,
        {
            **connector("one"),
            **connector("two", Dockerfile=dockerfile),
            **connector("three", Dockerfile="FROM ${BASE}\n", requires=">=3.12"),
            **connector("four", Dockerfile="FROM scratch"),
            **connector("five", Dockerfile="FROM python:3.9.11-slim"),
            "Dockerfile": "FROM ghcr.io/example/python:latest\n",
        },
    )
    assert {name: str(workspace.bases[spec.base].image) for name, spec in workspace.connectors.items()} == {
        "one": "ghcr.io/example/python:latest",
        "two": "docker.io/library/python:3.9.11-alpine3.15",
        "three": "ghcr.io/example/python:latest",
        "four": "ghcr.io/example/python:latest",
        "five": "docker.io/library/python:3.9.11-slim",
    }
    assert sorted(workspace.bases) == ["python-3.9.11", "python-3.9.11-2", "python-latest"]


def test_the_python_fits(tmp_path: Path) -> None:
    workspace = written(tmp_path, connector("x", requires=">=3.12,<3.14") | connector("y", requires="~=3.10.2"))
    images = {name: str(workspace.bases[spec.base].image) for name, spec in workspace.connectors.items()}
    assert "python:3.12-" in images["x"]
    assert "python:3.10-" in images["y"]


def test_what_cannot_be_built_is_left_out_and_told(tmp_path: Path) -> None:
    files = {
        **connector("c/good"),
        **connector("c/git"),
        **connector("d/good"),
        **connector("e/setup"),
        **connector("tests/fixture"),
        **connector(".venv/x"),
        "c/git/pyproject.toml": '[tool.poetry]\nname = "x"\n[tool.poetry.dependencies]\nleft = {git = "x"}\n',
        "e/setup/setup.py": "setup()",
    }
    files["e/setup/pyproject.toml"] = ""
    workspace = written(tmp_path, files)
    assert list(workspace.connectors) == ["good"]
    text = (tmp_path / "reprobuild.toml").read_text()
    assert 'connectors = ["c/good"]' in text
    assert "# left out: c/git: c/git/pyproject.toml: tool.poetry.dependencies.left: left is required from" in text
    assert "# left out: d/good: called good, like c/good" in text
    assert "# left out: e/setup: " in text
    assert "fixture" not in text


def test_two_digests_of_one_base(tmp_path: Path) -> None:
    files = connector("c/x", base=BASE) | connector("c/y", base=BASE.replace("aaa", "bbb"))
    assert list(written(tmp_path, files).connectors) == ["x"]


def test_an_empty_folder_gets_an_example(tmp_path: Path) -> None:
    workspace = written(tmp_path, {})
    assert workspace.connectors == {}
    assert list(workspace.bases) == ["python-3.11"]
    example = (tmp_path / "reprobuild.toml").read_text().replace("# [", "[").replace("# requirements", "requirements")
    (tmp_path / "reprobuild.toml").write_text(example)
    assert list(read_workspace(tmp_path).connectors) == ["source-notion"]


@pytest.mark.parametrize(
    "files",
    [
        {"reprobuild.toml": ""},
        {"pyproject.toml": "[tool.reprobuild]\n"},
        {"pyproject.toml": "[tool.reprobuild.base.b]\nimage = 'x'\n"},
    ],
)
def test_one_that_is_there_is_left_alone(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    for attempt in (scaffold, scaffold_path, write_scaffold):
        with pytest.raises(SpecificationError, match="there is a specification already"):
            attempt(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize("text", ["tool = {}\n", "[tool\n"])
def test_a_file_that_cannot_be_added_to_is_left_alone(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"pyproject.toml": text})
    with pytest.raises(SpecificationError):
        write_scaffold(tmp_path)
    assert (tmp_path / "pyproject.toml").read_text() == text


def test_every_key_that_it_names_is_explained(tmp_path: Path) -> None:
    write(tmp_path, connector("source-x"))
    lines = scaffold(tmp_path).splitlines()
    for number, line in enumerate(lines):
        if line and not line.startswith(("#", "[")):
            above = [text for text in lines[max(0, number - 4) : number] if text.startswith("#")]
            assert above, line
