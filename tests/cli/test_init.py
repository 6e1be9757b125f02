"""`reprobuild init`: what it says; what it finds is the scaffold's and tested there."""

from pathlib import Path

from tests.cli.conftest import Command


def _connector(folder: Path) -> None:
    (folder / "source_one").mkdir(parents=True)
    (folder / "source_one" / "__init__.py").write_text("")
    (folder / "main.py").write_text("")
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "source-one"\nversion = "1.0"\ndependencies = ["alpha"]\n'
    )


def test_init_writes_a_specification_and_names_what_it_found(command: Command, tmp_path: Path) -> None:
    _connector(tmp_path / "empty" / "connectors" / "source-one")
    done = command("init")
    assert done.code == 0, done.err
    assert done.out == f"wrote {tmp_path / 'empty' / 'reprobuild.toml'}\nfound  source-one\n"
    assert "`reprobuild lock update`" in done.err
    assert command("lock", "update", "--check").out.splitlines()[-1] == "source-one: there is no lock"


def test_init_warns_of_what_it_left_out(command: Command, tmp_path: Path) -> None:
    _connector(tmp_path / "empty" / "source-one")
    (tmp_path / "empty" / "source-one" / "pyproject.toml").write_text("[project")
    done = command("init")
    assert done.code == 0
    assert done.err.startswith("warning: left out: source-one: ")


def test_init_leaves_a_specification_alone(command: Command, tmp_path: Path) -> None:
    assert command("init").code == 0
    before = (tmp_path / "empty" / "reprobuild.toml").read_bytes()
    done = command("init")
    assert (done.code, done.out) == (2, "")
    assert "there is a specification already\nhint: " in done.err
    assert (tmp_path / "empty" / "reprobuild.toml").read_bytes() == before


def test_init_adds_to_a_pyproject(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "empty" / "pyproject.toml"
    file.write_text('[project]\nname = "mine"\nversion = "1"\n')
    done = command("--quiet", "init")
    assert (done.code, done.out, done.err) == (0, f"wrote {file}\n", "")
    assert file.read_text().startswith('[project]\nname = "mine"\nversion = "1"\n\n')
