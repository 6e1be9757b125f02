"""The files of a migration: nothing that people wrote is lost, and the workspace's file stays as it reads."""

import tomllib
from pathlib import Path

import pytest

from reprobuild.analysis.migration import Migration
from reprobuild.cli.migrated_files import listed_in_workspace, migrated_files, written
from reprobuild.errors import MachineError, SpecificationError

HOOK = "#!/bin/sh\nset -eu\nmkdir /x\n"
MADE = Migration(settings={"user": "x", "env": {"A": "1\n2"}}, hooks={"hooks/post-install": HOOK})


def files_of(folder: Path, *, force: bool = False) -> dict[Path, str]:
    return migrated_files(folder, MADE, source="Dockerfile", force=force)


def test_what_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    first = files_of(tmp_path)
    assert [path.name for path in first] == ["post-install", "reprobuild.toml"]
    with written(first):
        pass
    assert (tmp_path / "hooks/post-install").stat().st_mode & 0o777 == 0o755
    assert tomllib.loads((tmp_path / "reprobuild.toml").read_text()) == MADE.settings
    assert files_of(tmp_path) == {}
    # Comments are people's, what it says is the same.
    text = (tmp_path / "reprobuild.toml").read_text()
    (tmp_path / "reprobuild.toml").write_text(f"{text}# why\n")
    assert files_of(tmp_path) == {}
    (tmp_path / "hooks/post-install").chmod(0o644)
    assert [path.name for path in files_of(tmp_path, force=True)] == ["post-install"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hooks/post-install", "#!/bin/sh\nmine\n"),
        ("reprobuild.toml", 'user = "y"\n'),
        ("pyproject.toml", '# mine\n[tool.reprobuild]\nuser = "y"\n'),
    ],
)
def test_what_people_wrote_is_lost_by_force_alone(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(SpecificationError, match=r"already") as error:
        files_of(tmp_path)
    assert error.value.where == str(tmp_path / name)
    with written(files_of(tmp_path, force=True)):
        pass
    assert files_of(tmp_path) == {}
    if name == "pyproject.toml":
        assert (tmp_path / name).read_text().startswith("# mine\n[tool.reprobuild]\n")


def test_all_of_them_or_none(tmp_path: Path) -> None:
    (tmp_path / "reprobuild.toml").write_text("# mine\n")
    files = files_of(tmp_path)

    def interrupted() -> None:
        with written(files):
            assert (tmp_path / "hooks/post-install").read_text() == HOOK
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.rglob("*")] == ["reprobuild.toml"]
    assert (tmp_path / "reprobuild.toml").read_text() == "# mine\n"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "hooks").write_text("a file")
    files = files_of(tmp_path)
    with pytest.raises(MachineError) as error, written(files):
        pass
    assert error.value.where == str(tmp_path / "hooks/post-install")
    assert not (tmp_path / "reprobuild.toml").exists()


PLATFORMS = 'platforms = ["a"]\n'
TABLE = "# p\n[tool.reprobuild]\ny = 1\n"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("reprobuild.toml", f"{PLATFORMS}# why\n\n# the base\n[base.b]\nx = 1\n", f"{PLATFORMS}connectors = "),
        ("reprobuild.toml", "# only this", "connectors"),
        ("reprobuild.toml", "connectors = [\n  'x', # this\n]\n", "connectors = [\n  'x', # this\n"),
        ("pyproject.toml", f"{TABLE}\n# b\n[tool.reprobuild.base.b]\n", f"{TABLE}connectors = "),
        ("pyproject.toml", "[tool.reprobuild.base.b]\nx = 1\n", ""),
        ("pyproject.toml", "[tool]\nreprobuild = {a = 1}\n", ""),
        ("reprobuild.toml", "a = [\n  [1],\n]\n", ""),
    ],
)
def test_a_folder_joins_the_workspace(tmp_path: Path, name: str, text: str, expected: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    made = listed_in_workspace(path, "c/ä")
    assert made.startswith(expected)
    before, after = tomllib.loads(text), tomllib.loads(made)
    table = after if name == "reprobuild.toml" else after["tool"]["reprobuild"]
    own = before if name == "reprobuild.toml" else before["tool"]["reprobuild"]
    assert table == {**own, "connectors": [*own.get("connectors", []), "c/ä"]}
