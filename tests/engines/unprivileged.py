"""The embedded engine as a user who is not root: a program of that user's that runs executions for these tests.

Run as ``python -m tests.engines.unprivileged SOCKET STORE``. A connection is an execution: pickles both ways.
"""

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from reprobuild.engines.embedded import EmbeddedExecutor
from reprobuild.engines.execution import Execution, Observation
from reprobuild.engines.executor import Listener, unheard
from reprobuild.store import Store

ROOT = Path(__file__).parent.parent.parent
SUBORDINATE = 300000


class RootlessExecutor:
    """Passes executions on to the program of the other user."""

    name = "embedded"

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def run(
        self, execution: Execution, *, secrets: Mapping[str, bytes] = {}, listener: Listener = unheard
    ) -> Observation:
        async with await anyio.connect_unix(self._socket) as stream:
            await _send(stream, (execution, dict(secrets)))
            received = BufferedByteReceiveStream(stream)
            while True:
                kind, value = await _receive(received)
                if kind == "line":
                    listener(value)
                elif kind == "seen":
                    return value
                else:
                    cause, state = value
                    error = cause.__new__(cause)
                    error.args, error.__dict__ = (state.get("message", "see above"),), state
                    raise error


async def _send(stream: anyio.abc.ByteSendStream, value: Any) -> None:
    data = pickle.dumps(value)
    await stream.send(len(data).to_bytes(8, "big") + data)


async def _receive(stream: BufferedByteReceiveStream) -> Any:
    size = int.from_bytes(await stream.receive_exactly(8), "big")
    return pickle.loads(await stream.receive_exactly(size))


async def serve(socket: str, store: Store) -> None:
    executor = EmbeddedExecutor(store)

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream, anyio.create_task_group() as group:
            received = BufferedByteReceiveStream(stream)
            execution, secrets = await _receive(received)

            async def gone() -> None:
                try:
                    await received.receive_exactly(1)
                except (anyio.IncompleteRead, anyio.ClosedResourceError, anyio.BrokenResourceError):
                    group.cancel_scope.cancel()

            group.start_soon(gone)
            lines: list[str] = []
            try:
                seen = await executor.run(execution, secrets=secrets, listener=lines.append)
                last: tuple[str, Any] = ("seen", seen)
            except Exception as error:
                last = ("raised", (type(error), error.__dict__))
            for line in lines:
                await _send(stream, ("line", line))
            await _send(stream, last)
            group.cancel_scope.cancel()

    async with await anyio.create_unix_listener(socket) as listener:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await listener.serve(answer)


@contextmanager
def temporary_user(*, subordinate: bool) -> Iterator[str]:
    """Make a user, with subordinate ids or without, for as long as the block lasts."""
    name = f"rbtest-{uuid4().hex[:12]}"
    options = ["--no-create-home", "--no-user-group", "--shell", "/bin/sh", "--home-dir", "/nonexistent"]
    subprocess.run(["useradd", *options, name], check=True, capture_output=True)
    try:
        for flag, path in (("--add-subuids", "/etc/subuid"), ("--add-subgids", "/etc/subgid")):
            if (f"{name}:" in Path(path).read_text()) != subordinate:
                ids = f"{SUBORDINATE}-{SUBORDINATE + 65535}"
                command = ["usermod", flag, ids, name] if subordinate else ["sed", "-i", f"/^{name}:/d", path]
                subprocess.run(command, check=True, capture_output=True)
        yield name
    finally:
        subprocess.run(["userdel", name], check=False, capture_output=True)


@contextmanager
def another_user() -> Iterator[tuple[RootlessExecutor, Store]]:
    """Start that program, as root as another user, who sees this interpreter and checkout wherever they are."""
    with tempfile.TemporaryDirectory(prefix="rootless-") as name, becoming_user(Path(name)) as become:
        socket, store = Path(name) / "socket", Store(Path(name) / "store")
        command = [*become, sys.executable, "-m", "tests.engines.unprivileged", str(socket), str(store.root)]
        paths = [str(ROOT), *(path for path in sys.path if path)]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(paths)}
        started = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        try:
            assert started.stdout is not None
            assert started.stdout.readline() == "ready\n"
            yield RootlessExecutor(socket), store
        finally:
            started.terminate()
            started.wait()
            assert started.stdout is not None
            started.stdout.close()
            if os.geteuid() != 0:
                # What belongs to subordinate ids goes only from where they are mapped.
                subprocess.run(["unshare", "--map-auto", "--map-root-user", "rm", "-rf", name], check=False)
                Path(name).mkdir()


@contextmanager
def becoming_user(folder: Path, *, subordinate: bool = True) -> Iterator[list[str]]:
    """Yield a command's beginning that has it run as another user, whose *folder* then is, unless we are none."""
    if os.geteuid() != 0:
        yield []
        return
    for tool in ("useradd", "setpriv", "unshare", "newuidmap"):
        assert shutil.which(tool), f"{tool} is not installed; scripts/test installs what the tests need"
    with temporary_user(subordinate=subordinate) as name:
        folder.chmod(0o755)
        shutil.chown(folder, name)
        drop = f'exec setpriv --reuid={name} --regid="$(id -g {name})" --clear-groups "$@"'
        yield ["unshare", "--mount", "sh", "-euc", _opened() + drop, "sh"]


def _opened() -> str:
    """Return shell lines after which everybody may walk to this interpreter and checkout: /root is often closed."""
    lines = ""
    for place in dict.fromkeys((sys.base_prefix, sys.prefix, str(ROOT))):
        closed = [folder for folder in reversed(Path(place).parents) if not folder.stat().st_mode & 0o001]
        if closed:
            lines += f"""
                kept=$(mktemp -d); mount --bind {place} $kept
                [ -e {closed[0]}/.opened ] || mount -t tmpfs -o mode=0755 tmpfs {closed[0]}
                touch {closed[0]}/.opened
                mkdir -p {place}; mount --move $kept {place}; rmdir $kept
            """
    return lines


if __name__ == "__main__":
    anyio.run(serve, sys.argv[1], Store(Path(sys.argv[2])))
