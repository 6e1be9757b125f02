"""Executions, each run once: what was seen of one is remembered under its key, for every connector and every build."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from reprobuild.builder.hook_failure import explained, privileged, remark
from reprobuild.builder.tree import Entry
from reprobuild.canonical import Digest, canonical_json, parse_digest
from reprobuild.engines.execution import Change, Changes, Execution, ExecutionError, Observation
from reprobuild.engines.executor import Executor, Listener, unheard
from reprobuild.errors import ContentError
from reprobuild.progress import Progress, Silent
from reprobuild.store import Store

__all__ = ["Executions", "Secrets", "no_secrets", "parse_observation"]


Secrets = Callable[[], Mapping[str, bytes]]
"""Reads the bytes of secrets, by name, once something runs that may ask for them."""


def no_secrets() -> Mapping[str, bytes]:
    """Return nothing."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Executions:
    """Runs executions on one engine, which is opened for the first that is not known.

    An execution with a network is run anew in every build: nobody can say what it depends on. If ``fresh``, all are,
    and none is remembered. ``varied`` opens the same engine as if on another machine, for whoever has to prove that
    an execution does not depend on it. ``origins`` says where images are that the engine can pull itself, by the
    diffIDs of their layers: whoever finds one adds it.
    """

    store: Store
    open: Callable[[], Executor]
    varied: Callable[[], Executor] | None = None
    progress: Progress = field(default_factory=Silent)
    listener: Listener = unheard
    fresh: bool = False
    origins: dict[tuple[Digest, ...], str] = field(default_factory=dict)
    _locks: dict[Digest, anyio.Lock] = field(default_factory=dict)

    async def run(self, execution: Execution, *, secrets: Secrets = no_secrets) -> Observation:
        """Return what was seen of *execution*, now or before; raises what `Executor.run` does, and *secrets*."""
        key = execution.key
        async with self._locks.setdefault(key, anyio.Lock()):
            if not self.fresh and not execution.network and (known := self._known(key)) is not None:
                return known
            task = self.progress.task(execution.what, unit="steps")
            outcome = "failed"
            try:
                seen = await self.open().run(execution, secrets=secrets(), listener=self.listener)
                outcome = ""
            finally:
                task.finish(outcome)
            if self.fresh:
                return seen
            # Not flushed to the disk: what a power cut damages is not believed, and run again.
            with self.store.writer(flushed=False) as writer:
                writer.write(canonical_json(_to_json(seen)))
            self.store.write_record("execution", key, {"observation": writer.digest})
            return seen

    async def run_hook(self, execution: Execution, *, secrets: Secrets) -> Observation:
        """Do what `run` does for a step of a hook: what its output says of a missing network becomes words."""
        try:
            seen = await self.run(execution, secrets=secrets)
        except ExecutionError as error:
            raise explained(error, network=execution.network) from error
        if said := remark(seen.stderr, network=execution.network):
            self.progress.warn(f"{execution.what}: {said}")
        for path in privileged(seen.changes):
            self.progress.warn(f"{execution.what}: it left /{path}, which runs with the rights of its owner")
        return seen

    def _known(self, key: Digest) -> Observation | None:
        """Return what is remembered under *key*, if it can be read and all contents are still there."""
        record = self.store.record("execution", key)
        if record is None:
            return None
        try:
            found = parse_observation(json.loads(self.store.read(parse_digest(record.get("observation")))))
        except (ContentError, KeyError, TypeError, ValueError):
            return None
        complete = all(
            self.store.has(change.digest, change.entry.size)
            for change in found.changes.present
            if change.digest is not None
        )
        return found if complete else None


def parse_observation(value: Mapping[str, Any]) -> Observation:
    """Return the observation that `Executions` wrote as *value*; raises KeyError, TypeError or ValueError if not."""
    present = tuple(_change(**item) for item in value["present"])
    changes = Changes(present=present, removed=tuple(value["removed"]))
    return Observation(changes=changes, stdout=value["stdout"], stderr=value["stderr"])


def _to_json(seen: Observation) -> dict[str, Any]:
    return {
        "present": [_change_json(change) for change in seen.changes.present],
        "removed": list(seen.changes.removed),
        "stdout": seen.stdout,
        "stderr": seen.stderr,
    }


def _change_json(change: Change) -> dict[str, Any]:
    entry = change.entry
    value = {name: getattr(entry, name) for name in ("path", "kind", "mode", "uid", "gid", "size", "target")}
    xattrs = [[name, data.hex()] for name, data in entry.xattrs]
    return {**value, "device": list(entry.device), "xattrs": xattrs, "digest": change.digest}


def _change(*, digest: str | None, device: list[int], xattrs: list[list[str]], **rest: Any) -> Change:
    entry = Entry(
        **rest,
        device=(device[0], device[1]),
        xattrs=tuple((name, bytes.fromhex(data)) for name, data in xattrs),
    )
    return Change(entry=entry, digest=None if digest is None else parse_digest(digest))
