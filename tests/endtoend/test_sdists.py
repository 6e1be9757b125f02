"""Sdists built for real: the driver in the embedded engine, on this repository's base image, proved and built again."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builder.sdists import SETUPLESS, backend, make_sdist
from tests.cli.project import environment, run_here
from tests.resolver.loopback_index import LoopbackIndex, serving

BASE = Path(__file__).parents[2] / "build" / "base"

HOOKS = textwrap.dedent(
    """
    import importlib, os, sys

    class BuildBackendHookCaller:
        def __init__(self, folder, backend, backend_path=None):
            sys.path[:0] = [os.path.join(folder, path) for path in backend_path or ()]
            self._backend = importlib.import_module(backend)

        def get_requires_for_build_wheel(self):
            return self._backend.get_requires_for_build_wheel()

        def build_wheel(self, folder):
            return self._backend.build_wheel(folder)
    """
).encode()
"""The one class of the library that the driver needs: the index of this test is on loopback and has nothing else."""


class World:
    """A workspace on this repository's base image, with an index on loopback."""

    def __init__(self, root: Path, index: LoopbackIndex, environ: dict[str, str]) -> None:
        self.root, self.index, self.environ = root, index, environ

    def add(self, **more: str) -> None:
        """Put the sdist demo 1.0 on the index, with a backend of its own that goes by *more*."""
        files = {"pyproject.toml": SETUPLESS.encode(), "backend.py": backend(**more)}  # type: ignore[arg-type]
        self.index.files["demo-1.0.tar.gz"] = make_sdist(files)

    def run(self, *words: str, **environ: str) -> tuple[int, str]:
        done = run_here(*words, cwd=self.root, environ={**self.environ, **environ})
        return done.code, done.out + done.err


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    if not BASE.exists():
        pytest.fail(f"there is no base image in {BASE}: run scripts/base-image")
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "reprobuild.toml").write_text(
        f'platforms = ["linux/amd64"]\n[base.py]\nimage = "oci:{BASE}:python-3.11"\n'
        '[connector.source-demo]\nrequirements = ["demo"]\nentrypoint = ["demo"]\n'
    )
    with serving() as index:
        index.wheel("pyproject-hooks", "1.2.0", files={"pyproject_hooks/__init__.py": HOOKS})
        yield World(root, index, environment(tmp_path, UV_DEFAULT_INDEX=f"{index.url}/simple"))


def test_an_sdist_is_built_locked_and_built_again_on_another_machine(world: World, tmp_path: Path) -> None:
    world.add()
    code, said = world.run("lock", "update")
    assert code == 0, said
    assert "building demo-1.0.tar.gz for linux/amd64, again" in said
    code, said = world.run("build", "source-demo", "--record")
    assert code == 0, said
    code, said = world.run("build", "source-demo", REPROBUILD_STORE=str(tmp_path / "there"))
    assert code == 0, said
    assert "building demo-1.0.tar.gz" in said
    assert "verified" in said


def test_check_builds_an_sdist_anew_under_other_conditions(world: World) -> None:
    world.add()
    assert world.run("lock", "update")[0] == 0
    assert world.run("build", "source-demo", "--record")[0] == 0
    code, said = world.run("check", "source-demo")
    assert code == 0, said
    assert "same        source-demo  linux/amd64" in said
    # What a rebuild gets are sdists, never wheels that were built of them.
    lock = world.root / "lock" / "pylock.source-demo.toml"
    text = lock.read_text()
    locked = re.search(r'demo-1.0-py3-none-any.whl".*sha256 = "([0-9a-f]{64})"', text)
    assert locked is not None
    lock.write_text(text.replace(locked[1], "0" * 64))
    code, said = world.run("check", "source-demo")
    assert code == 1, said
    assert "building it from demo-1.0.tar.gz gives" in said
    assert f"the lock has sha256:{0:064}" in said


@pytest.mark.parametrize(
    ("module", "cause"),
    [
        ("import time; MODULE = f'MADE = {time.time_ns()}\\n'", "demo.py"),
        ("import socket; MODULE = f'HOST = {socket.gethostname()!r}\\n'", "demo.py"),
        ("MODULE = f'PROCESSORS = {len(os.sched_getaffinity(0))}\\n'", "demo.py"),
        ("import uuid; MODULE = f'ID = {uuid.uuid4()}\\n'", "demo.py"),
    ],
)
def test_a_build_that_depends_on_the_machine_is_refused(world: World, module: str, cause: str) -> None:
    world.add(module=module)
    code, said = world.run("lock", "update")
    assert code == 1, said
    assert f"two builds of it for linux/amd64 differ in {cause}" in said
    assert not (world.root / "lock").exists()


def test_a_build_sees_a_fixed_world(world: World) -> None:
    """No network, no host, one environment: whatever of it enters a wheel is equal everywhere."""
    world.add(module="MODULE = repr(sorted(os.environ.items())) + os.getcwd() + repr(sorted(os.listdir('/')))")
    code, said = world.run("lock", "update")
    assert code == 0, said


def test_a_build_that_wants_the_network_fails_and_says_so(world: World) -> None:
    world.add(extra="import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9/')")
    code, said = world.run("lock", "update")
    assert code == 1, said
    assert "its build for linux/amd64 failed" in said
    assert "a build has no network" in said


def test_a_build_with_the_wrong_metadata_is_refused(world: World) -> None:
    world.add(version="2.0")
    code, said = world.run("lock", "update")
    assert code == 1, said
    assert "its version is '2.0', that of the sdist is '1.0'" in said
