"""Fixtures for all suites; the machinery is in tests/servers.py and tests/images.py."""

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from reprobuild.store import Store
from tests import servers

# How long an example takes says something about the machine, not about the code.
settings.register_profile("reprobuild", deadline=None)
settings.load_profile("reprobuild")

# Whoever starts this in the background may have SIGINT ignored, which every command that a test starts would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

Run = Callable[..., str]
"""Runs a command, fails the test unless it succeeds, and returns what it printed."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of the test's own, empty."""
    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a system tool; a machine without it fails the test and says so."""

    def run_(*command: str | Path) -> str:
        name = str(command[0])
        if shutil.which(name) is None:
            pytest.fail(f"{name} is not installed; scripts/test installs what the tests need")
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run_


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Iterator[servers.RunningRegistry]:
    """The real Distribution registry, open to everybody."""
    run("docker-registry", "--version")
    with servers.docker_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def registry_basic(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Iterator[servers.RunningRegistry]:
    """The real Distribution registry, for a user with a password."""
    run("docker-registry", "--version")
    with servers.basic_registry(tmp_path_factory.mktemp("basic")) as running:
        yield running


@pytest.fixture(scope="session")
def registry_with_tokens(
    tmp_path_factory: pytest.TempPathFactory, run: Run
) -> Iterator[tuple[servers.RunningRegistry, servers.TokenService]]:
    """The real Distribution registry that trusts a token service, and that service."""
    run("docker-registry", "--version")
    with servers.token_registry(tmp_path_factory.mktemp("token")) as running:
        yield running


@pytest.fixture(scope="session")
def registry_token(
    registry_with_tokens: tuple[servers.RunningRegistry, servers.TokenService],
) -> servers.RunningRegistry:
    """The real Distribution registry that trusts a token service; ``public/…`` is for everybody."""
    return registry_with_tokens[0]


@pytest.fixture(scope="session")
def push_layout(run: Run) -> Callable[..., None]:
    """Copy ``PATH:TAG`` of an image layout to ``HOST/NAME:TAG`` as it is, with skopeo."""

    def push(layout: str, reference: str, *, user: str = "", password: str = "") -> None:
        credentials = ["--dest-creds", f"{user}:{password}"] if user else []
        options = ["--all", "--preserve-digests", "--dest-tls-verify=false", *credentials]
        run("skopeo", "copy", "--quiet", *options, f"oci:{layout}", f"docker://{reference}")

    return push
