"""`reprobuild analyze dockerfiles`: a fleet in folders, with filters, and with files that cannot be read."""

import json
from pathlib import Path

import pytest

from tests.analysis.dockerfiles import COUNTS, fleet_of_dockerfiles
from tests.cli.conftest import Command

METADATA = """\
data:
  dockerRepository: airbyte/{name}
  dockerImageTag: 1.0.0
  supportLevel: {level}
  tags: ["language:{language}"]
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet") / "connectors"
    for number, (name, data) in enumerate(fleet_of_dockerfiles().items()):
        (folder / name).mkdir(parents=True)
        (folder / name / "Dockerfile").write_bytes(data)
        level = "certified" if number else "uncertified"
        language = "low-code" if number % 2 else "python"
        (folder / name / "metadata.yaml").write_text(METADATA.format(name=name, level=level, language=language))
    return folder


def test_variants_with_counts(command: Command, fleet: Path) -> None:
    done = command("-C", str(fleet.parent), "analyze", "dockerfiles", "connectors", "--json")
    assert done.code == 0, done.err
    value = done.json
    assert [len(one["connectors"]) for one in value["variants"]] == list(COUNTS)
    assert len(value["dockerfiles"]) == len(value["scores"]) == sum(COUNTS)
    assert value["dockerfiles"][0]["path"] == "connectors/source-amazon-ads/Dockerfile"
    assert {one["language"] for one in value["dockerfiles"]} == {"python", "low-code"}
    table = command("-C", str(fleet.parent), "analyze", "dockerfiles", "connectors")
    assert "47 connectors, 14 variants" in table.out
    assert "installs gcc as an OS package" in table.out


def test_filters_are_exact(command: Command, fleet: Path) -> None:
    found = command("analyze", "dockerfiles", str(fleet), "--json", "--support-level", "certified").json
    assert len(found["dockerfiles"]) == sum(COUNTS) - 1
    assert command("analyze", "dockerfiles", str(fleet), "--json", "--support-level", "cert").json["dockerfiles"] == []
    both = command("analyze", "dockerfiles", str(fleet), "--json", "--language", "python", "--language", "low-code")
    assert len(both.json["dockerfiles"]) == sum(COUNTS)
    one = command("analyze", "dockerfiles", str(fleet), "--json", "--language", "python").json
    assert {each["language"] for each in one["dockerfiles"]} == {"python"}


def test_what_cannot_be_read_is_told_and_the_rest_is_there(command: Command, tmp_path: Path) -> None:
    files = {
        "source-a/Dockerfile": b"FROM a\r\nRUN pip install .\r\n",
        "source-b/Dockerfile": b"FROM a\n{% if x %}\n",
        "source-c/Dockerfile": "FROM a\n".encode("utf-16"),
        "source-d/Dockerfile.dev": b"FROM b\n",
        "source-d/Dockerfile": b"FROM a\n",
        "source-d/Dockerfile.dockerignore": b"x\n",
        "source-e/e.dockerfile": b"FROM a\n",
        "source-f/Dockerfile": b"FROM a\nENV A=caf\xe9\n",
        "source-f/metadata.yaml": b"data: [",
        "node_modules/x/Dockerfile": b"FROM a\n",
        ".git/Dockerfile": b"FROM a\n",
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    found = command("-C", str(tmp_path), "analyze", "dockerfiles", ".", "--json").json
    assert [one["connector"] for one in found["dockerfiles"]] == [
        "source-a", "source-d", "source-d/Dockerfile.dev", "source-e", "source-f",
    ]  # fmt: skip
    missing = {one["name"]: one["why"] for one in found["missing"]}
    assert set(missing) == {"source-b/Dockerfile:2", "source-c/Dockerfile", "source-f/metadata.yaml"}
    assert "a template" in missing["source-b/Dockerfile:2"]


def test_one_file_of_any_name(command: Command, tmp_path: Path) -> None:
    (tmp_path / "recipe").write_text("FROM a\n")
    found = command("-C", str(tmp_path), "analyze", "dockerfiles", "recipe", "recipe", "--json").json
    assert [one["path"] for one in found["dockerfiles"]] == ["recipe"]
    done = command("-C", str(tmp_path), "analyze", "dockerfiles", "nowhere")
    assert (done.code, "there is no such file or folder" in done.err) == (2, True)


def test_a_report_is_the_same_twice(command: Command, fleet: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        done = command("analyze", "dockerfiles", str(fleet), "--html", str(tmp_path / f"{number}.html"))
        assert done.code == 0, done.err
    assert (tmp_path / "1.html").read_bytes() == (tmp_path / "2.html").read_bytes()
    saved = tmp_path / "fleet.json"
    saved.write_text(json.dumps(command("analyze", "dockerfiles", str(fleet), "--json").json))
    assert "14 variants" in command("analyze", "report", str(saved)).out


def test_a_folder_without_dockerfiles(command: Command, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = command("-C", str(tmp_path), "analyze", "dockerfiles", "none")
    assert (done.code, "none: there is no Dockerfile" in done.err) == (2, True)
