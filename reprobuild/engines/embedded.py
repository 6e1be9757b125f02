"""The engine that needs nothing but Linux and an OCI runtime: overlay, fresh namespaces, no network, no trace."""

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from subprocess import PIPE

import anyio
import anyio.abc

from reprobuild import errors
from reprobuild.engines.emulation import check_platform
from reprobuild.engines.execution import Execution, ExecutionError, Observation
from reprobuild.engines.executor import Listener, unheard
from reprobuild.engines.job import Answer, Job, job_json, parse_answer
from reprobuild.engines.output import Tail, Written
from reprobuild.engines.runtimes import find_runtime
from reprobuild.engines.streams import Streams
from reprobuild.engines.subordinate_ids import map_ids
from reprobuild.engines.variation import Variation
from reprobuild.errors import MachineError
from reprobuild.gathering import gathered
from reprobuild.store import Store

__all__ = ["EmbeddedExecutor"]

_CODE = (
    "import sys; sys.path[:0] = sys.argv[2:]; from reprobuild.engines.sandbox import main; "
    "main(rootless=sys.argv[1] == 'rootless')"
)
_READY = b"ready\n"
_SECONDS_TO_END = 20
_ANSWER_LIMIT = 1024**3


class EmbeddedExecutor:
    """Runs programs on this machine: as root with an image's ids as they are, else with subordinate ids.

    *variation* is for those who want to know whether something depends on the machine. *environ* is looked up for
    ``REPROBUILD_RUNTIME`` and PATH; this program's own if None.
    """

    name = "embedded"

    def __init__(
        self, store: Store, *, variation: Variation | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self._store = store
        self._variation = variation or Variation()
        self._environ = os.environ if environ is None else environ
        self._unvaried: set[str] = set()

    @property
    def unvaried(self) -> tuple[str, ...]:
        """What of the variation could not be had on this machine, as far as is known: after a run, all of it."""
        return tuple(sorted(self._unvaried))

    async def run(
        self, execution: Execution, *, secrets: Mapping[str, bytes] = {}, listener: Listener = unheard
    ) -> Observation:
        """Run *execution*: see `Executor`."""
        check_platform(execution.platform, where=execution.what)
        wanted = {secret.name: secrets[secret.name] for secret in execution.secrets if secret.name in secrets}
        tail = Tail()
        out, err = (Written(secrets.values(), listener, tail) for _ in range(2))
        with Streams() as streams:
            job = Job(
                execution=execution,
                store=str(self._store.root.absolute()),
                runtime=find_runtime(self._environ),
                variation=self._variation,
                streams=streams.theirs,
                secrets=wanted,
            )
            async with _sandbox(streams.theirs) as process:
                streams.close_theirs()
                answer = await _gathered(process, job, streams, self._store, (out, err))
        self._unvaried.update(answer.unvaried)
        if answer.changes is None:
            raise _failed(execution, answer, {"output": tail.text, "stdout": out.end, "stderr": err.end})
        return Observation(changes=answer.changes, stdout=out.text, stderr=err.text)


@asynccontextmanager
async def _sandbox(streams: tuple[int, int, int]) -> AsyncIterator[anyio.abc.Process]:
    """Start the program that sets a sandbox up; however the block ends, it has ended and removed what it made."""
    package = str(Path(errors.__file__).parent.parent)
    mode = "root" if os.geteuid() == 0 else "rootless"
    paths = [package, *(path for path in sys.path if path and path != package)]
    process = await anyio.open_process(
        [sys.executable, "-I", "-S", "-c", _CODE, mode, *paths],
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        pass_fds=streams,
        env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.terminate()
                with anyio.move_on_after(_SECONDS_TO_END):
                    await process.wait()
            await process.aclose()


async def _gathered(
    process: anyio.abc.Process, job: Job, streams: Streams, store: Store, written: tuple[Written, Written]
) -> Answer:
    """Return the answer of *process*, its program's streams fed and read meanwhile."""
    answers: list[Answer] = []

    async def answer() -> None:
        answers.append(await _answer(process, job))

    out, err = written
    calls: list[Callable[[], Awaitable[None]]] = [
        partial(streams.feed, store, job.execution.stdin),
        partial(streams.read_output, out),
        partial(streams.read_errors, err),
        answer,
    ]
    await gathered(calls, limit=len(calls))
    return answers[0]


async def _answer(process: anyio.abc.Process, job: Job) -> Answer:
    """Give *process* its *job* and return what it says."""
    assert process.stdin is not None  # noqa: S101 - they are pipes
    assert process.stdout is not None  # noqa: S101
    said = b""
    if os.geteuid() != 0:
        said = await _said(process, len(_READY))
        if said == _READY:
            await map_ids(process.pid)
            said = b""
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.send(json.dumps(job_json(job)).encode() + b"\n")
    said += await _said(process, _ANSWER_LIMIT)
    await process.wait()
    try:
        value = json.loads(said)
    except ValueError:
        raise MachineError(await _fault(process, said), where=job.execution.what) from None
    if "error" in value:
        kind, message, where, hint = value["error"]
        raise getattr(errors, kind)(message, where=where or job.execution.what, hint=hint)
    if "fault" in value:
        raise MachineError(f"the sandbox failed: {value['fault']}", where=job.execution.what)
    return parse_answer(value)


async def _said(process: anyio.abc.Process, most: int) -> bytes:
    """Return what *process* says, until it has said *most* bytes or nothing more."""
    assert process.stdout is not None  # noqa: S101
    parts: list[bytes] = []
    size = 0
    with suppress(anyio.EndOfStream):
        while size < most:
            parts.append(await process.stdout.receive(min(most - size, 1024 * 1024)))
            size += len(parts[-1])
    return b"".join(parts)


async def _fault(process: anyio.abc.Process, said: bytes) -> str:
    assert process.stderr is not None  # noqa: S101
    told = b""
    with suppress(anyio.EndOfStream, anyio.ClosedResourceError):
        told = await process.stderr.receive()
    text = (said + told).decode("utf-8", "replace").strip()[-1000:]
    return f"the sandbox ended unexpectedly ({process.returncode}): {text}"


def _failed(execution: Execution, answer: Answer, ends: Mapping[str, str]) -> ExecutionError:
    hint: str | None = None
    if answer.code is None:
        message = f"it took longer than {execution.timeout:g} seconds"
        hint = "have it wait for nothing, or raise the time limit"
    elif answer.message:
        message = f"it could not be started: {answer.message}"
    else:
        message = f"it ended with exit code {answer.code}"
    return ExecutionError(message, where=execution.what, hint=hint, code=answer.code, **ends)
