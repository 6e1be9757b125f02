"""Do hooks do the same twice? Each execution is run on two machines that differ, and what was seen is compared.

The second machine has another hostname, another number of processors, other process ids and directories in another
order, and its clock has gone on. A hook that passes may still depend on something else; one that fails is named
with the first path that differs, and with the cause.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio

from reprobuild.builder.executions import Executions, Secrets
from reprobuild.builder.hooked import Kit, hooked_layers
from reprobuild.builder.step_layer import step_entries
from reprobuild.canonical import Digest
from reprobuild.derivation import Derivation
from reprobuild.engines.execution import Change, Changes, Execution, Observation
from reprobuild.engines.executor import Executor, Listener, unheard
from reprobuild.image.index import tree_of
from reprobuild.store import Store
from reprobuild.verify.cause import Cause
from reprobuild.verify.compare import compare_changes

__all__ = ["Impurity", "Recorder", "impurity"]

_TICK = 1.1
"""Seconds between the first runs and the second ones."""
_LARGEST = 64 * 1024 * 1024
"""Bytes of a file whose contents are compared for a cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impurity:
    """The first thing that an execution did otherwise on the second machine.

    ``place`` is an absolute path in the image, or the member of the execution that differs.
    """

    what: str
    place: str
    cause: Cause
    detail: str

    def __str__(self) -> str:
        return f"{self.what}: {self.place}: {self.cause}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """An executor that notes what it ran and what was seen, in order."""

    executor: Executor
    runs: list[tuple[Execution, Observation]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the engine behind it."""
        return self.executor.name

    async def run(
        self, execution: Execution, *, secrets: Mapping[str, bytes] = {}, listener: Listener = unheard
    ) -> Observation:
        """Run *execution* on the engine behind it."""
        seen = await self.executor.run(execution, secrets=secrets, listener=listener)
        self.runs.append((execution, seen))
        return seen


async def impurity(
    derivation: Derivation, store: Store, engines: tuple[Executor, Executor], secrets: Secrets, *, listener: Listener
) -> tuple[Impurity | None, int]:
    """Run the hooks of *derivation* on both *engines*; return what differs first, and how many executions ran.

    Nothing that is remembered is used, and nothing of this is remembered. Raises what `hooked_layers` does.
    """
    recorders = tuple(Recorder(executor=engine) for engine in engines)
    for recorder in recorders:
        started = anyio.current_time()
        executions = Executions(store=store, open=partial(_same, recorder), listener=listener, fresh=True)
        await hooked_layers(derivation, store, Kit(executions=executions, secrets=lambda _: secrets))
        if recorder is recorders[0]:
            # A clock that is read in seconds has to have gone on.
            await anyio.sleep(max(0.0, _TICK - (anyio.current_time() - started)))
    first, second = (recorder.runs for recorder in recorders)
    return next(_differences(first, second, store), None), len(first)


def _same(executor: Executor) -> Executor:
    return executor


def _differences(
    first: Sequence[tuple[Execution, Observation]], second: Sequence[tuple[Execution, Observation]], store: Store
) -> Iterator[Impurity]:
    """Yield how two runs differ, step by step."""
    for (one, seen), (other, seen_again) in zip(first, second, strict=False):
        if one.key != other.key:
            yield _otherwise(one, other)
            return
        yield from _of_step(one, seen, seen_again, store)
    if len(first) != len(second):
        ran = (first if len(first) > len(second) else second)[min(len(first), len(second))][0]
        yield Impurity(what=ran.what, place="step", cause="contents", detail="it ran only once in two builds")


def _otherwise(one: Execution, other: Execution) -> Impurity:
    """Say in which member two executions differ that should be one."""
    values, others = one.to_json(), other.to_json()
    member = next(member for member in values if values[member] != others[member])
    detail = f"{values[member]} → {others[member]}"[:200]
    return Impurity(what=one.what, place=member, cause="time or random value", detail=detail)


def _of_step(execution: Execution, seen: Observation, again: Observation, store: Store) -> Iterator[Impurity]:
    tree = tree_of(execution.layers, store, where=execution.what)

    def kept(found: Observation) -> Changes:
        entries = step_entries(found.changes, tree, where=execution.what)
        return Changes(present=tuple(Change(entry=step.entry, digest=step.digest) for step in entries))

    def content(digest: Digest) -> bytes | None:
        return store.read(digest) if store.path(digest).stat().st_size <= _LARGEST else None

    for difference in compare_changes(kept(seen), kept(again), content):
        detail = difference.detail or " → ".join(text for text in (difference.old, difference.new) if text)
        yield Impurity(what=execution.what, place=f"/{difference.place}", cause=difference.cause, detail=detail)
