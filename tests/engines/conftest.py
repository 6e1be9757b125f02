"""The engines that the contract suite runs on, with a root filesystem."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reprobuild.engines.embedded import EmbeddedExecutor
from reprobuild.engines.execution import Execution, Observation
from reprobuild.engines.executor import Executor, unheard
from reprobuild.engines.memory import MemoryExecutor
from reprobuild.image.index import RootLayer
from reprobuild.image.tree import Node
from reprobuild.oci.types import Platform
from reprobuild.store import Store
from tests.engines.after import difference
from tests.engines.programs import PROGRAMS, forever
from tests.engines.root_filesystem import EPOCH, tiny_root
from tests.engines.unprivileged import another_user

HERE = Platform(os="linux", architecture="amd64")
ENV = {"PATH": "/bin", "HOME": "/root"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine under test, and what it is tested with."""

    executor: Executor
    store: Store
    layers: tuple[RootLayer, ...]
    runs_programs: bool

    def execution(self, name: str, **rest: Any) -> Execution:
        """Return the execution of the program *name*, as `Execution` has the rest."""
        shell = PROGRAMS[name].shell if name in PROGRAMS else "echo waiting; sleep 1000 & sleep 1000"
        argv = ("sh", "-ec", shell) if self.runs_programs else (name,)
        values = {"what": "test: program", "platform": HERE, "layers": self.layers, "argv": argv, "env": ENV}
        return Execution(**{**values, "epoch": EPOCH, "timeout": 60.0, **rest})

    async def run(
        self, name: str, *, bytes_of: Mapping[str, bytes] = {}, listener: Any = unheard, **rest: Any
    ) -> Observation:
        return await self.executor.run(self.execution(name, **rest), secrets=bytes_of, listener=listener)

    async def shell(self, text: str, **rest: Any) -> Observation:
        """Run a shell's words: for engines that run programs only."""
        execution = replace(self.execution("nothing", **rest), argv=("sh", "-ec", text))
        return await self.executor.run(execution)

    def difference(self, seen: Observation) -> dict[str, Node | None]:
        return difference(self.layers, seen.changes, self.store)

    def content(self, path: str, seen: Observation) -> bytes:
        """Return the bytes of the file that *seen* has at *path*."""
        (digest,) = (change.digest for change in seen.changes.present if change.entry.path == path)
        assert digest is not None
        return self.store.read(digest)


def no_dagger(environ: Mapping[str, str]) -> str:
    """Return why the suite does not run on a Dagger engine; nothing if there is one."""
    if any(name in environ for name in ("_EXPERIMENTAL_DAGGER_RUNNER_HOST", "DAGGER_SESSION_PORT")):
        return ""
    return "no Dagger engine is named: set _EXPERIMENTAL_DAGGER_RUNNER_HOST (docs/engines.md)"


def _opened(kind: str, stack: ExitStack) -> Engine:
    if kind == "dagger" and (reason := no_dagger(os.environ)):
        pytest.skip(reason)
    if kind == "rootless":
        executor, store = stack.enter_context(another_user())
    elif kind == "dagger":
        from reprobuild.engines.dagger_executor import DaggerExecutor

        store = Store(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dagger-"))) / "store")
        executor = DaggerExecutor(store)
    else:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{kind}-")))
        store = Store(folder / "store")
        programs = {name: both.program for name, both in PROGRAMS.items()} | {"forever": forever}
        executor = MemoryExecutor(store, programs) if kind == "memory" else EmbeddedExecutor(store)
    layers = tiny_root(store)
    if kind == "rootless":
        for path in (store.root, *store.root.rglob("*")):
            shutil.chown(path, store.root.parent.stat().st_uid)
    return Engine(executor=executor, store=store, layers=layers, runs_programs=kind != "memory")


@pytest.fixture(scope="session", params=["root", "rootless", "memory", "dagger"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Every engine: they share a contract."""
    with ExitStack() as stack:
        yield _opened(request.param, stack)


@pytest.fixture(scope="session", params=["root", "rootless"])
def embedded(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The engines that run programs."""
    with ExitStack() as stack:
        yield _opened(request.param, stack)
