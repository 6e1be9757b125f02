"""An engine for tests: programs are Python functions, root filesystems are in memory, the contract is the same."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import anyio

from reprobuild.canonical import Digest
from reprobuild.engines.execution import Execution, ExecutionError, Observation
from reprobuild.engines.executor import Listener, unheard
from reprobuild.engines.leak import LeakGuard
from reprobuild.engines.memory_tree import MemoryFile, MemoryTree
from reprobuild.engines.output import Tail, Written
from reprobuild.errors import ContentError, SpecificationError
from reprobuild.image.index import file_content, tree_of
from reprobuild.store import Store

__all__ = ["MemoryExecutor", "Program", "Running"]

_LIMIT = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What a program is given: the root filesystem, its execution, its standard input, and where it writes text."""

    tree: MemoryTree
    execution: Execution
    stdin: bytes
    out: Callable[[str], None]
    err: Callable[[str], None]


Program = Callable[[Running], Awaitable[int]]
"""Returns its exit code; an OSError is told on standard error and is exit code 1."""


class MemoryExecutor:
    """Runs *programs*, known by an execution's ``argv[0]``, on root filesystems of layers that are in *store*.

    ``runs`` are the executions so far.
    """

    name = "memory"

    def __init__(self, store: Store, programs: Mapping[str, Program]) -> None:
        self._store, self._programs = store, programs
        self.runs: list[Execution] = []

    async def run(
        self, execution: Execution, *, secrets: Mapping[str, bytes] = {}, listener: Listener = unheard
    ) -> Observation:
        """Run *execution*: see `Executor`."""
        self.runs.append(execution)
        tail = Tail()
        out, err = (Written(secrets.values(), listener, tail) for _ in range(2))
        tree = self._tree(execution, secrets)
        stdin = self._store.read(execution.stdin) if execution.stdin is not None else b""
        running = Running(
            tree=tree,
            execution=execution,
            stdin=stdin,
            out=lambda text: out.feed(text.encode()),
            err=lambda text: err.feed(text.encode()),
        )
        code = await self._code(running)
        for written in (out, err):
            written.finish()
        if code != 0:
            message = "it took too long" if code is None else f"it ended with exit code {code}"
            ends = {"output": tail.text, "stdout": out.end, "stderr": err.end}
            raise ExecutionError(message, where=execution.what, hint=None, code=code, **ends)
        guard = LeakGuard(secrets, where=execution.what)

        def keep(path: str, data: bytes) -> Digest:
            guard.check(path, data)
            return self._store.add(data)

        changes = tree.changes(keep, where=execution.what)
        return Observation(changes=changes, stdout=out.text, stderr=err.text)

    async def _code(self, running: Running) -> int | None:
        name = running.execution.argv[0]
        if name not in self._programs:
            running.err(f"{name} is not there\n")
            return 127
        try:
            with anyio.fail_after(running.execution.timeout):
                return await self._programs[name](running)
        except TimeoutError:
            return None
        except OSError as error:
            running.err(f"{name}: {error!r}\n")
            return 1

    def _tree(self, execution: Execution, secrets: Mapping[str, bytes]) -> MemoryTree:
        below = tree_of(execution.layers, self._store, where=execution.what)

        def content(path: str) -> bytes:
            data = file_content(below, path, execution.layers, self._store, limit=_LIMIT)
            if data is None:
                raise ContentError("it is no file", where=path)
            return data

        fixed = {}
        for mount in execution.mounts:
            data = self._store.read(mount.digest)
            fixed[mount.target] = MemoryFile(kind="file", mode=0o555 if mount.executable else 0o444, content=data)
        for secret in execution.secrets:
            if secret.name not in secrets:
                raise SpecificationError(f"the secret {secret.name} was not given", where=execution.what)
            fixed[secret.target] = MemoryFile(
                kind="file", mode=0o400, uid=execution.uid, gid=execution.gid, content=secrets[secret.name]
            )
        return MemoryTree(below, content, fixed, uid=execution.uid, gid=execution.gid)
