"""The engine that lets builds leave this machine: Dagger, local, remote or on a cluster (docs/adr/0014)."""

import secrets as random
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp

import anyio
import dagger
from anyio import to_thread

from reprobuild.engines.changed_layer import layer_changes
from reprobuild.engines.dagger_job import ARCHITECTURES, failure, job_bytes, own_files, parse_ending
from reprobuild.engines.dagger_root import Origins, Roots
from reprobuild.engines.dagger_session import DaggerSession, failed_query
from reprobuild.engines.execution import Execution, Observation
from reprobuild.engines.executor import Listener, unheard
from reprobuild.engines.output import Tail, Written
from reprobuild.errors import MachineError, SpecificationError
from reprobuild.image.index import tree_of
from reprobuild.progress import Progress, Silent
from reprobuild.store import Store, machine_errors

__all__ = ["DaggerExecutor"]

_SELF = "/dev/pipes/reprobuild"
_WORK = "/dev/pipes/reprobuild-work"
_SECRET = "REPROBUILD_SECRET_"  # noqa: S105 - a name
_SECRET_LIMIT = 128_000
"""What Dagger takes, in bytes."""


class DaggerExecutor:
    """Runs programs on the Dagger engine that Dagger's own variables name.

    *origins* says which images the engine can pull itself. *progress* shows what takes long before a program starts:
    to connect, to pull, to hand over. *log* is told what Dagger itself says, and what goes over the wire. ``sent``
    and ``received`` count the bytes of layers, inputs and changes so far.
    """

    name = "dagger"

    def __init__(
        self,
        store: Store,
        *,
        origins: Origins = dict,
        progress: Progress | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._store, self._origins, self._progress, self._log = store, origins, progress or Silent(), log
        self.sent = self.received = 0

    async def run(
        self, execution: Execution, *, secrets: Mapping[str, bytes] = {}, listener: Listener = unheard
    ) -> Observation:
        """Run *execution*: see `Executor`. What it writes is told when it has ended."""
        _check(execution, secrets)
        session = DaggerSession.here()
        client = await session.client(self._progress, self._log)
        token = random.token_hex(16)
        tail = Tail()
        out, err = (Written(secrets.values(), listener, tail) for _ in range(2))
        async with self._scratch() as folder:
            try:
                ended = await self._executed(client, session, execution, secrets, token, folder)
                said, ending = parse_ending(await ended.stderr(), token)
                for written, text in ((out, await ended.stdout()), (err, said)):
                    written.feed(text.encode())
                    written.finish()
                if ending is None:
                    raise failed_query(dagger.ClientError(f"the sandbox did not start: {said}"), where=execution.what)
                if ending.kind != "ended" or ending.code != 0:
                    raise failure(execution, ending, {"output": tail.text, "stdout": out.end, "stderr": err.end})
                layer = folder / "changes.tar"
                await ended.file(f"{_WORK}/changes.tar").export(str(layer))
            except (dagger.DaggerError, OSError) as error:
                raise failed_query(error, where=execution.what) from error
            self.received += layer.stat().st_size
            self._say_traffic()
            below = await to_thread.run_sync(partial(tree_of, execution.layers, self._store, where=execution.what))
            call = partial(layer_changes, layer, below, self._store, secrets=secrets, where=execution.what)
            changes = await to_thread.run_sync(call)
        return Observation(changes=changes, stdout=out.text, stderr=err.text)

    async def _executed(
        self,
        client: dagger.Client,
        session: DaggerSession,
        execution: Execution,
        secrets: Mapping[str, bytes],
        token: str,
        folder: Path,
    ) -> dagger.Container:
        """Return the container after *execution*."""
        place = ("roots", str(self._store.root))
        if place not in session.kept:
            session.kept[place] = Roots(client, self._store, self._origins, self._progress, self._log or unheard)
        roots: Roots = session.kept[place]
        root = await roots.root(execution.layers, execution.platform, folder, where=execution.what, sent=self._count)
        self._count(await to_thread.run_sync(partial(_stage, execution, token, folder / "given", self._store)))
        container = root.with_mounted_directory(_SELF, client.host().directory(str(folder / "given")))
        container = container.with_mounted_directory(_WORK, client.directory())
        for number, secret in enumerate(execution.secrets):
            kept = client.set_secret(f"reprobuild-{token}-{number}", secrets[secret.name].decode())
            container = container.with_secret_variable(f"{_SECRET}{number}", kept)
        return await container.with_exec(
            [f"{_SELF}/entry"], expect=dagger.ReturnType.ANY, insecure_root_capabilities=True, no_init=True
        ).sync()

    def _count(self, size: int) -> None:
        self.sent += size

    def _say_traffic(self) -> None:
        if self._log is not None:
            self._log(f"dagger: {self.sent} bytes sent so far, {self.received} received")

    @asynccontextmanager
    async def _scratch(self) -> AsyncIterator[Path]:
        """Make a folder, and remove it however the block ends."""
        above = self._store.root / "sandboxes" / "dagger"
        with machine_errors(above):
            above.mkdir(parents=True, exist_ok=True)
            folder = Path(mkdtemp(dir=above))
        try:
            yield folder
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(partial(shutil.rmtree, folder, ignore_errors=True))


def _check(execution: Execution, secrets: Mapping[str, bytes]) -> None:
    """Raise for what is known not to work before anything is sent."""
    where = execution.what
    if execution.platform.os != "linux" or execution.platform.architecture not in ARCHITECTURES:
        known = ", ".join(f"linux/{name}" for name in ARCHITECTURES)
        raise MachineError(f"the dagger engine runs {known}, not {execution.platform}", where=where)
    for secret in execution.secrets:
        if secret.name not in secrets:
            raise SpecificationError(f"the secret {secret.name} was not given", where=where)
        text = secrets[secret.name]
        with suppress(UnicodeDecodeError):
            if "\0" not in text.decode() and len(text) <= _SECRET_LIMIT:
                continue
        raise SpecificationError(
            f"the secret {secret.name} is no text in UTF-8 of at most {_SECRET_LIMIT} bytes: Dagger does not take it",
            where=where,
            hint="use --engine embedded",
        )


def _stage(execution: Execution, token: str, folder: Path, store: Store) -> int:
    """Put what the first program needs into *folder*; return how many bytes that are."""
    inputs = folder / "in"
    inputs.mkdir(parents=True)
    entry = files("reprobuild.engines") / "entry" / f"entry-{execution.platform.architecture}"
    (folder / "entry").write_bytes(entry.read_bytes())
    (folder / "entry").chmod(0o755)
    (folder / "job").write_bytes(job_bytes(execution, token))
    _copy(store.chunks(execution.stdin) if execution.stdin is not None else (), folder / "stdin")
    contents = [[data] for data in own_files(execution).values()]
    sources = [*contents, *(store.chunks(mount.digest) for mount in execution.mounts)]
    for number, chunks in enumerate(sources):
        _copy(chunks, inputs / str(number))
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _copy(chunks: object, place: Path) -> None:
    with place.open("wb") as file:
        for chunk in chunks:  # type: ignore[attr-defined]
            file.write(chunk)
