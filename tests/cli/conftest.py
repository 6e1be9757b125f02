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


@pytest.fixture
def locked(fresh: Project) -> Project:
    """A project of the test's own with locks."""
    assert fresh.run("lock", "update").code == 0
    return fresh


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with locks, images in the store and their digests recorded; nobody changes it."""
    with project(tmp_path_factory.mktemp("built")) as made:
        assert made.run("lock", "update").code == 0
        assert made.run("build", "--all", "--record").code == 0
        yield made
