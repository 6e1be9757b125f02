"""The layers of an image that has hooks: what is assembled and what is executed, in turn (design §8)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import anyio
from anyio import to_thread

from reprobuild.builder.account import ROOT
from reprobuild.builder.assembly import NamedLayer, connector_layer, setup_layer, wheel_layers
from reprobuild.builder.base import stored_manifest
from reprobuild.builder.container import Container, at_start, installed, labelled, program_execution
from reprobuild.builder.customized import Customized
from reprobuild.builder.executions import Executions, Secrets
from reprobuild.builder.hook import Hook, Stage
from reprobuild.builder.site import base_links, site_of
from reprobuild.builder.step import stepped
from reprobuild.builder.tree import parents, resolve
from reprobuild.canonical import digest_of
from reprobuild.derivation import Derivation
from reprobuild.errors import ContentError, SpecificationError
from reprobuild.hooks.container import ContainerConfig
from reprobuild.image.index import tree_of
from reprobuild.store import Store, machine_errors

__all__ = ["Kit", "hooked_layers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What hooks are run with: an engine behind ``executions``, and the secrets of a connector by its name."""

    executions: Executions
    secrets: Callable[[str], Secrets]


async def hooked_layers(
    derivation: Derivation, store: Store, kit: Kit, made: anyio.Event | None = None
) -> tuple[tuple[NamedLayer, ...], ContainerConfig]:
    """Return the layers of the image of *derivation* above its base, and how it is started after its hooks.

    The base's layers and declared inputs are in *store*, and fragments of wheels once *made* is set, at once without
    it. Raises what `Executor.run` does, and SpecificationError for a customization that fails by itself.
    """
    run = _HookRun(derivation=derivation, store=store, kit=kit)
    container = at_start(derivation, *stored_manifest(derivation.base, derivation.platform, store))
    setup = await to_thread.run_sync(setup_layer, derivation, store)
    before = await run.stage("pre-install", container.with_layers([setup]))
    if len(before.made) > 1:
        await to_thread.run_sync(_check_folders, before, derivation, store)
    if made is not None:
        await made.wait()
    wheels = await to_thread.run_sync(wheel_layers, derivation, store)
    own = await to_thread.run_sync(connector_layer, derivation, store)
    after = await run.stage("post-install", installed(before.with_layers([*wheels, own]), derivation))
    after = labelled(after, derivation)
    return after.made, after.config


def _check_folders(container: Container, derivation: Derivation, store: Store) -> None:
    """Raise SpecificationError if a folder that the installation writes to is none any more.

    Its layers know the links of the base alone: one that a hook made would be replaced by a folder.
    """
    tree = tree_of(container.layers, store, where=derivation.connector)
    links = base_links(derivation.base, derivation.platform)
    roots = [*site_of(derivation.base, derivation.platform).roots, derivation.workdir.strip("/")]
    places = [resolve(root, links) for root in roots if root]
    for folder in sorted({above for place in places for above in parents(f"{place}/x")}):
        node = tree.get(folder)
        if node is not None and node.kind != "directory":
            raise SpecificationError(
                f"a hook made /{folder} a {node.kind}, and wheels and the connector's files go below it",
                where=f"{derivation.connector}: hooks before the installation",
                hint="leave it a folder; or do it after the installation",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _HookRun:
    """Runs the hooks of one derivation."""

    derivation: Derivation
    store: Store
    kit: Kit

    async def stage(self, stage: Stage, container: Container) -> Container:
        """Return *container* after all hooks of *stage*, which is as it was before if there are none."""
        for hook in self.derivation.hooks:
            if hook.kind == stage:
                container = await self._program(hook, container)
            elif hook.kind == "customization":
                container = await self._customized(hook, stage, container)
        return container

    async def _program(self, hook: Hook, container: Container) -> Container:
        self._keep(hook)
        execution = program_execution(hook, container, self.derivation, ROOT)
        seen = await self.kit.executions.run_hook(execution, secrets=self.kit.secrets(self.derivation.connector))
        word = f"hook {hook.kind}"
        return await to_thread.run_sync(
            partial(stepped, container, seen.changes, self.derivation, self.store, word=word, where=execution.what)
        )

    async def _customized(self, hook: Hook, stage: Stage, container: Container) -> Container:
        self._keep(hook)
        secrets = self.kit.secrets(self.derivation.connector)
        run = Customized(
            derivation=self.derivation,
            store=self.store,
            executions=self.kit.executions,
            secrets=secrets,
            start=container,
        )
        return await run.after(hook, stage)

    def _keep(self, hook: Hook) -> None:
        """Have the hook's bytes in the store; they may not have changed since the derivation named their digest."""
        with machine_errors(hook.source):
            data = hook.source.read_bytes()
        if digest_of(data) != hook.digest:
            raise ContentError("changed while it was read", where=str(hook.source), hint="run the command again")
        self.store.add(data)
