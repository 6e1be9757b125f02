"""Workspaces for the command line's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.project import Done, Project, environment, project, run_here

Command = Callable[..., Done]
"""Runs ``reprobuild`` with arguments, and variables as keywords, in an empty folder."""


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run the command line where there is no workspace."""
    (tmp_path / "home").mkdir()
    (tmp_path / "empty").mkdir()

    def command_(*arguments: str, **environ: str) -> Done:
        return run_here(*arguments, cwd=tmp_path / "empty", environ=environment(tmp_path, **environ))

    return command_


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Project]:
    """A project of the test's own whose connectors have no locks."""
    with project(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def _with_locks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locked")
    with project(folder) as made:
        done = made.run("lock", "update")
        assert done.code == 0, done.err
    return folder


@pytest.fixture
def locked(tmp_path: Path, _with_locks: Path) -> Iterator[Project]:
    """A project of the test's own with locks, and the wheels in the store."""
    with project(tmp_path, like=_with_locks) as made:
        yield made


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, _with_locks: Path) -> Iterator[Project]:
    """A project with locks, images in the store and their digests recorded; nobody changes it."""
    with project(tmp_path_factory.mktemp("built"), like=_with_locks) as made:
        done = made.run("build", "--all", "--record")
        assert done.code == 0, done.err
        yield made
