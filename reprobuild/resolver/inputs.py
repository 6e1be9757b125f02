"""Declared inputs of hooks: locked by size and digest, and brought into the store again from where they are.

A lock holds no URL: it knows an input by its name. So a locked input keeps its digest, whoever serves it by now,
until somebody asks for the new one; a file of the workspace is locked as it is.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError, LockError
from reprobuild.gathering import gathered
from reprobuild.lockfile import ConnectorLock, LockedInput, lock_path
from reprobuild.oci.retry import Patience
from reprobuild.progress import Progress, Task
from reprobuild.resolver.input_file import store_input
from reprobuild.resolver.offers import Offer
from reprobuild.resolver.wishes import Wishes
from reprobuild.store import Store
from reprobuild.workspace.hooks import InputSpec

if TYPE_CHECKING:
    from reprobuild.resolver.download import Downloads
    from reprobuild.workspace import ConnectorSpec

__all__ = ["lock_inputs", "supply_inputs"]

_PARALLEL = 4


async def lock_inputs(
    specs: Sequence["ConnectorSpec"],
    known: Mapping[str, ConnectorLock],
    wishes: Wishes,
    *,
    store: Store,
    progress: Progress,
    patience: Patience | None = None,
) -> dict[str, tuple[LockedInput, ...]]:
    """Return what to lock of the inputs of *specs*, sorted by name, by connector.

    Files are read. What has a URL is fetched into the store if the lock that is *known* of its connector lacks it,
    or if *wishes* let it move. Raises what `Downloads.fetch` does, and SpecificationError for a file that is not
    there.
    """
    locked = {spec.name: {one.name: one for one in _inputs(known.get(spec.name))} for spec in specs}

    def is_kept(connector: str, one: InputSpec) -> bool:
        return one.path is None and one.name in locked[connector] and not wishes.moves(one.name)

    wanted = [(spec.name, one) for spec in specs for one in spec.inputs if not is_kept(spec.name, one)]
    found = await _brought([(one, None) for _, one in wanted], store, progress=progress, patience=patience)
    for (connector, _), one in zip(wanted, found, strict=True):
        locked[connector][one.name] = one
    return {spec.name: tuple(locked[spec.name][one.name] for one in spec.inputs) for spec in specs}


async def supply_inputs(
    spec: "ConnectorSpec",
    lock: ConnectorLock,
    store: Store,
    progress: Progress,
    offline: bool,  # noqa: FBT001 - as everywhere where something is supplied
    *,
    patience: Patience | None = None,
) -> None:
    """Have the inputs of *spec* in *store*, as *lock* has them.

    Raises LockError for one that is not locked, or missing and *offline*; ContentError for one that is another by
    now; and what networks and machines raise.
    """
    locked = {one.name: one for one in lock.inputs}
    missing: list[tuple[InputSpec, LockedInput | None]] = []
    for one in spec.inputs:
        known = locked.get(one.name)
        if known is None:
            hint = f"run `reprobuild lock update {spec.name}`"
            raise LockError(f"the input {one.name} is not locked", where=lock_path(spec.name), hint=hint)
        if not store.has(known.digest, known.size):
            missing.append((one, known))
    for one, _ in missing:
        if offline and one.path is None:
            hint = "run `reprobuild fetch` while online"
            raise LockError(f"the input {one.name} is not in the store", where=one.where, hint=hint)
    await _brought(missing, store, progress=progress, patience=patience)


def _inputs(lock: ConnectorLock | None) -> tuple[LockedInput, ...]:
    return lock.inputs if lock is not None else ()


async def _brought(
    inputs: Sequence[tuple[InputSpec, LockedInput | None]],
    store: Store,
    *,
    progress: Progress,
    patience: Patience | None,
) -> list[LockedInput]:
    """Put *inputs* into the store, each as it is locked if it is, and return what they are, in the same order."""
    if not inputs:
        return []
    from reprobuild.resolver.download import Downloads, Hints  # noqa: PLC0415 - mostly nothing is to be fetched

    hints = Hints(
        silent="check the network and the input's url, then try again",
        wrong="try again; if it stays so, look at the input's url",
        refused="inputs are fetched without credentials: serve it to everyone, or give it as a path",
        gone="mend the input's url, or keep a copy of the file and give it as a path",
    )
    task = progress.task(f"fetching {len(inputs)} inputs")
    async with Downloads(None, store, hints=hints, patience=patience) as downloads:
        calls = [partial(_bring, one, known, store, downloads, task) for one, known in inputs]
        found = await gathered(calls, limit=_PARALLEL)
    task.finish()
    return list(found)


async def _bring(
    one: InputSpec, known: LockedInput | None, store: Store, downloads: "Downloads", task: Task
) -> LockedInput:
    from anyio import to_thread  # noqa: PLC0415

    digest = known.digest if known is not None else None
    try:
        if one.url is None:
            return await to_thread.run_sync(store_input, one, store, digest)
        size = known.size if known is not None else None
        offer = Offer(file=one.name, url=one.url, size=size, digest=digest)
        wheel = await downloads.fetch(offer, task)
    except ContentError as error:
        raise _changed(one, digest, error) from error
    return LockedInput(name=one.name, size=wheel.size, digest=wheel.digest)


def _changed(one: InputSpec, digest: Digest | None, error: ContentError) -> ContentError:
    if digest is None:
        return error
    return ContentError(
        f"the input {one.name} is not what is locked: {error.message}",
        where=one.where,
        hint=f"whoever serves it changed it, or its url is new: look, then run `reprobuild lock update -P {one.name}`",
    )
