"""A push as it was asked for: which images, where to, under which tags. What `reprobuild push` does."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from reprobuild.cli.choice import chosen_connectors
from reprobuild.cli.failure import failures_json, told_failures
from reprobuild.cli.opening import open_store, open_workspace
from reprobuild.cli.output import plain, say, say_json, size, styled, tell
from reprobuild.cli.planning import fresh_lock, planned
from reprobuild.cli.settings import Settings
from reprobuild.cli.target import PushTarget, destinations, targets
from reprobuild.failures import kept

if TYPE_CHECKING:
    from reprobuild.builder.build import BuildResult, Plan
    from reprobuild.cli.progress import Display
    from reprobuild.errors import ReprobuildError
    from reprobuild.failures import Failures
    from reprobuild.oci.publish import Published
    from reprobuild.oci.source import Source
    from reprobuild.oci.transfer import Transferred
    from reprobuild.oci.whereabouts import Whereabouts
    from reprobuild.progress import Task
    from reprobuild.store import Store
    from reprobuild.workspace import Workspace

__all__ = ["PushRequest", "run_push"]

_PARALLEL = 4
_MANY = 8
"""From so many repositories on, it is told how many of them are done."""
_STYLES = {"pushed": "good", "there": "quiet", "moved": "open"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRequest:
    """The options of `reprobuild push`, as they were given; *words* are connectors and destinations."""

    words: tuple[str, ...] = ()
    everything: bool = False
    tags: tuple[str, ...] = ()
    latest: bool = False
    force: bool = False
    unrecorded: bool = False
    json: bool = False
    changed_since: str | None = None
    shard: str | None = None
    platforms: tuple[str, ...] = ()
    keep_going: bool = False


def run_push(request: PushRequest, settings: Settings) -> int:
    """Do what *request* asks and return the exit code: with ``keep_going``, that of the worst failure."""
    failures: dict[str, ReprobuildError] | None = {} if request.keep_going else None
    workspace = open_workspace(settings, failures)
    store = open_store(workspace.root)
    names, places = destinations(request.words, everything=request.everything)
    choice = _Choice(names=names, everything=request.everything, changed_since=request.changed_since)
    chosen = chosen_connectors(choice, workspace, settings, shard=request.shard, failures=failures)
    if not chosen:
        _print_json([], failures) if request.json else None
        return told_failures(failures, settings)
    several = len(chosen) > 1 or request.shard is not None
    wishes = _wishes(request, chosen, places, workspace, failures, several=several)
    images = planned(workspace, fresh_lock(workspace, chosen, failures), chosen, request.platforms, failures)
    results = {result.connector: result for result in _built(images, store, chosen, request, failures)}
    wishes = [wish for wish in wishes if wish.connector in results]
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.progress import open_display
    from reprobuild.oci.whereabouts import Whereabouts

    with open_display(settings) as display:
        run = _Run(
            images=images,
            results=results,
            workspace=workspace,
            store=store,
            display=display,
            force=request.force,
            whereabouts=Whereabouts(store),
            failures=failures,
        )
        published = run_async(partial(run.push, wishes), on_interrupt=display.close)
    pairs = [(wish, one) for wish, one in zip(wishes, published, strict=True) if one is not None]
    _print_json(pairs, failures) if request.json else _print(pairs, settings)
    return told_failures(failures, settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """The connectors that the words name."""

    names: tuple[str, ...]
    everything: bool
    changed_since: str | None


def _wishes(
    request: PushRequest,
    chosen: Sequence[str],
    places: Sequence[str],
    workspace: "Workspace",
    failures: "Failures | None",
    *,
    several: bool,
) -> list[PushTarget]:
    wishes: list[PushTarget] = []
    for name in chosen:
        spec = workspace.connectors[name]
        with kept(failures, name):
            wishes += targets(
                spec, places, tags=request.tags, latest=request.latest, several=several, force=request.force
            )
    return wishes


def _built(
    images: "Plan", store: "Store", chosen: Sequence[str], request: PushRequest, failures: "Failures | None"
) -> tuple["BuildResult", ...]:
    """Return the images as the store has them; raise LockError unless all are built, and recorded."""
    from reprobuild.builder.build import finished
    from reprobuild.errors import LockError

    for image in images:
        if image.manifest is None:
            name = image.derivation.connector
            hint = f"run `reprobuild build {'--all' if request.everything else ' '.join(chosen)}`"
            with kept(failures, name):
                raise LockError(f"the image for {image.derivation.platform} is not built", where=name, hint=hint)
    there = tuple(image for image in images if not failures or image.derivation.connector not in failures)
    results = finished(there, store) or ()
    new = [result.connector for result in results if any(one.outcome != "verified" for one in result.images)]
    if new and not request.unrecorded:
        hint = f"run `reprobuild build {' '.join(new)} --record` and commit it; for a trial, add --unrecorded"
        with kept(failures, *new):
            raise LockError(
                "no lock records what was built, so nobody could verify it", where=", ".join(new), hint=hint
            )
    return tuple(result for result in results if not failures or result.connector not in failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """All pushes of one command: what one connector has sent, another need not."""

    images: "Plan"
    results: "dict[str, BuildResult]"
    workspace: "Workspace"
    store: "Store"
    display: "Display"
    force: bool
    whereabouts: "Whereabouts"
    failures: "Failures | None"

    async def push(self, wishes: Sequence[PushTarget]) -> "list[Published | None]":
        """Return what became of each of *wishes*; unless failures are kept, the first ends them all."""
        from reprobuild.gathering import gathered
        from reprobuild.progress import Silent

        many = len(wishes) >= _MANY
        task = self.display.task("repositories", len(wishes), unit="repositories") if many else Silent()
        published = await gathered([partial(self._attempt, wish, task) for wish in wishes], limit=_PARALLEL)
        task.finish()
        return published

    async def _attempt(self, wish: PushTarget, task: "Task") -> "Published | None":
        done: list[Published] = []
        with kept(self.failures, wish.connector):
            done.append(await self._push_one(wish))
        task.advance(1)
        return done[0] if done else None

    async def _push_one(self, wish: PushTarget) -> "Published":
        from reprobuild.oci.publish import publish
        from reprobuild.oci.registry_sink import RegistrySink
        from reprobuild.store import DamagedError

        registries = self.workspace.registries
        source = self._source(wish.connector)
        sink = RegistrySink(
            wish.host, wish.repository, environ=os.environ, whereabouts=self.whereabouts, registries=registries
        )
        try:
            root = self.results[wish.connector].index
            return await publish(root, wish.tags, source, sink, progress=self.display, force=self.force)
        except DamagedError as error:
            error.hint = f"run `reprobuild build {wish.connector}`, which makes it anew, and push again"
            raise
        finally:
            await sink.close()
            await source.close()

    def _source(self, connector: str) -> "Source":
        """Return where the image is read: the store, and for base layers that it lacks the base's own place."""
        from reprobuild.oci.held import Completed
        from reprobuild.oci.open import open_source
        from reprobuild.oci.reference import RegistryReference, parse_reference
        from reprobuild.oci.types import parse_manifest
        from reprobuild.verify.stored import Stored

        mine = [image.derivation for image in self.images if image.derivation.connector == connector]
        reference = parse_reference(mine[0].base.image)
        manifests = [parse_manifest(self.store.read(one.base_platform.manifest)) for one in mine]
        layers = {layer.digest: layer for manifest in manifests for layer in manifest.layers}
        if isinstance(reference, RegistryReference):
            for digest in layers:
                self.whereabouts.expect(reference.host, digest, reference.repository)
        stored = Stored(self.results[connector].index, self.store)
        lacking = [digest for digest, layer in layers.items() if not self.store.has(digest, layer.size)]
        if not lacking:
            return stored
        workspace = self.workspace
        origin = open_source(reference, root=workspace.root, environ=os.environ, registries=workspace.registries)
        return Completed(stored, self.store, dict.fromkeys(lacking, origin))


def _print(pairs: "Sequence[tuple[PushTarget, Published]]", settings: Settings) -> None:
    for wish, published in pairs:
        for tag, outcome in published.tags.items():
            word = styled(f"{outcome:<6}", _STYLES[outcome], sys.stdout, settings)
            say(f"{word}  {plain(f'{wish.where}:{tag}')}  {published.root.digest}")
    sys.stdout.flush()
    if not settings.quiet:
        total = _total(pairs)
        tell(f"uploaded {size(total.uploaded)}, mounted {size(total.mounted)}; {size(total.there)} were there")


def _print_json(pairs: "Sequence[tuple[PushTarget, Published]]", failures: "Failures | None") -> None:
    pushed = [
        {
            "name": wish.connector,
            "repository": wish.where,
            "index": published.root.to_json(),
            "tags": dict(published.tags),
            "uploaded": published.transferred.uploaded,
            "mounted": published.transferred.mounted,
            "there": published.transferred.there,
        }
        for wish, published in pairs
    ]
    say_json({"pushed": pushed, "failed": failures_json(failures)})


def _total(pairs: "Sequence[tuple[PushTarget, Published]]") -> "Transferred":
    from reprobuild.oci.transfer import Transferred

    return sum((published.transferred for _, published in pairs), start=Transferred())
