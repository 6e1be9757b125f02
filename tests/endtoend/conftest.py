"""One workspace, locked, built and recorded once, which tests copy."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endtoend.workspace import CONNECTOR, REPOSITORY, Built, Workspace, make_workspace, wheels
from tests.resolver.loopback_index import LoopbackIndex, serving


@pytest.fixture(scope="session")
def base() -> Path:
    """The image layout with the base image for two platforms."""
    path = REPOSITORY / "build" / "base"
    if not (path / "index.json").is_file():
        pytest.fail(f"there is no base image in {path}: run scripts/base-image")
    return path


@pytest.fixture(scope="session")
def index() -> Iterator[LoopbackIndex]:
    """A package index with the workspace's wheels; whoever adds a fault takes it away again."""
    with serving() as index:
        index.files.update(wheels())
        yield index


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, base: Path, index: LoopbackIndex) -> Workspace:
    """A workspace with locks, recorded digests, wheels in lock/wheels and a full store; nobody changes it."""
    folder = tmp_path_factory.mktemp("endtoend")
    made = make_workspace(folder, "oci:base:python-3.11", UV_DEFAULT_INDEX=f"{index.url}/simple")
    (made.root / "base").symlink_to(base)
    made.must("lock", "update")
    made.must("fetch")
    assert made.build("--record").outcomes == {"new"}
    return made


@pytest.fixture(scope="session")
def built(workspace: Workspace) -> Built:
    """The digests of the workspace's images, as its lock records them."""
    built = workspace.build()
    lock = (workspace.root / "lock" / f"pylock.{CONNECTOR}.toml").read_text()
    assert all(digest in lock for digest in built.manifests.values())
    assert built.outcomes == {"verified"}
    return built


@pytest.fixture(scope="session")
def root() -> None:
    """Skip what only root can do: daemons, mounts."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount and run containers here")
