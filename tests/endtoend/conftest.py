"""One workspace, locked, built and recorded once, which tests copy."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Run
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


@pytest.fixture(scope="module")
def docker(root: None, tmp_path_factory: pytest.TempPathFactory, run: Run) -> Iterator[Callable[..., str]]:
    """Docker's client, bound to a daemon that shares nothing with the machine's and gives containers no network."""
    run("/usr/sbin/dockerd", "--version")
    folder = tmp_path_factory.mktemp("docker")
    (folder / "daemon.json").write_text("{}")
    socket = f"unix://{folder}/socket"
    options = [f"--config-file={folder}/daemon.json", f"--data-root={folder}/data", f"--exec-root={folder}/exec"]
    options += [f"--pidfile={folder}/pid", f"--host={socket}", "--bridge=none", "--iptables=false", "--ip6tables=false"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with subprocess.Popen(["/usr/sbin/dockerd", *options], stderr=subprocess.PIPE, text=True, env=environ) as daemon:
        assert daemon.stderr is not None
        try:
            said = []
            for line in daemon.stderr:
                said.append(line)
                if "API listen on" in line:
                    break
            else:
                pytest.fail(f"dockerd did not start: {''.join(said)}")
            threading.Thread(target=daemon.stderr.read, daemon=True).start()  # It must not block on a full pipe.
            yield lambda *command: run("docker", f"--config={folder}/client", f"--host={socket}", *command)
        finally:
            daemon.terminate()
            daemon.wait(timeout=30)
