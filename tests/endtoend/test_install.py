"""pip and uv install from the lock of a real connector, and take nothing from a network."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

from tests.endtoend.pythons import find_python, install, uv
from tests.endtoend.workspace import REPOSITORY

LOCK = Path("lock") / "pylock.source-notion.toml"
NOWHERE = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
"""A proxy that nobody runs: who asks a network for something gets an error."""


@pytest.fixture(scope="module")
def python() -> Path:
    """The Python that the lock is for."""
    found = find_python("3.11")
    if found is None:
        pytest.skip("this machine has no Python 3.11, which lock/pylock.source-notion.toml is for")
    return found


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """This repository's own workspace in another folder, its wheels fetched through the user's own store."""
    root = tmp_path_factory.mktemp("repository")
    for name in ("pyproject.toml", "base-images.lock.toml", "connectors"):
        (root / name).symlink_to(REPOSITORY / name)
    (root / "build").mkdir()
    (root / "build" / "base").symlink_to(base)
    (root / "lock").mkdir()
    for lock in (REPOSITORY / "lock").glob("*.toml"):
        (root / "lock" / lock.name).write_bytes(lock.read_bytes())
    command = [sys.executable, "-m", "reprobuild", "fetch", "source-notion"]
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return root


def versions(python: Path) -> dict[str, str]:
    """Return the versions of what is installed beside *python*, as it tells them itself."""
    code = "import importlib.metadata as m; [print(d.name.lower(), d.version) for d in m.distributions()]"
    said = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in said.splitlines())


def check(python: Path) -> None:
    found = versions(python)
    assert found["airbyte-source-notion"] == "3.2.0"
    for name in ("airbyte-cdk", "pandas", "pydantic"):
        assert f'name = "{name}"\nversion = "{found[name]}"\n' in (REPOSITORY / LOCK).read_text()
    assert (python.parent / "source-notion").stat().st_mode & 0o111
    subprocess.run([python, "-I", "-c", "import pydantic"], check=True)  # Compiled code, for this machine.


def test_pip_installs_from_the_lock(python: Path, fetched: Path, tmp_path: Path) -> None:
    if Version(version("pip")) < Version("26"):
        pytest.fail("pip 26 or later is needed to read pylock.toml; scripts/test installs it")
    target = install(python, tmp_path / "environment")
    pip = [sys.executable, "-m", "pip", "--python", str(target), "--isolated", "--disable-pip-version-check"]
    options = ["--no-index", "--no-cache-dir", "--no-compile", "--quiet", "--requirement", str(LOCK)]
    environ = {**os.environ, **NOWHERE}
    done = subprocess.run([*pip, "install", *options], cwd=fetched, env=environ, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    check(target)


def test_uv_installs_from_the_lock(python: Path, fetched: Path, tmp_path: Path) -> None:
    target = install(python, tmp_path / "environment")
    cache = tmp_path / "empty"
    lock = fetched / LOCK
    done = uv("pip", "install", "--offline", f"--python={target}", f"--cache-dir={cache}", "-r", lock, **NOWHERE)
    assert done.returncode == 0, done.stderr
    check(target)
