"""What executed steps are run with, as the command line has it: the engine, the secrets, and who listens."""

from functools import cache, partial
from typing import TYPE_CHECKING

from reprobuild.cli.secrets import read_secrets
from reprobuild.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection

    from reprobuild.builder.executions import Executions
    from reprobuild.builder.hooked import Kit
    from reprobuild.builder.sdist_wheels import SdistWheels
    from reprobuild.canonical import Digest
    from reprobuild.engines.executor import Executor
    from reprobuild.lockfile import BaseImage
    from reprobuild.progress import Progress
    from reprobuild.store import Store
    from reprobuild.workspace import Workspace

__all__ = ["open_builds", "open_executions", "open_kit"]


def open_executions(workspace: "Workspace", store: "Store", progress: "Progress", settings: Settings) -> "Executions":
    """Return what runs executions, each once; no engine is opened before one of them has to run."""
    from reprobuild.builder.executions import Executions
    from reprobuild.engine_names import DEFAULT_ENGINE
    from reprobuild.engines.executor import unheard

    found: dict[tuple[Digest, ...], str] = {}

    @cache
    def bases() -> "Collection[BaseImage]":
        from reprobuild.lock_files import find_lock

        return find_lock(workspace.root, ()).lock.bases.values()

    @cache
    def engine() -> "Executor":
        from reprobuild.engines.open import open_executor

        return open_executor(
            settings.engine or workspace.engine or DEFAULT_ENGINE,
            store,
            origins=lambda: {**_origins(bases(), store), **found},
            progress=progress,
            log=progress.note if settings.verbose else None,
        )

    @cache
    def varied() -> "Executor":
        from reprobuild.engines.embedded import EmbeddedExecutor
        from reprobuild.engines.variation import Variation

        return EmbeddedExecutor(store, variation=Variation(hostname="elsewhere", processors=1, pids=97, reverse=True))

    listener = progress.note if settings.verbose else unheard
    return Executions(store=store, open=engine, varied=varied, progress=progress, listener=listener, origins=found)


def open_builds(workspace: "Workspace", store: "Store", progress: "Progress", settings: Settings) -> "SdistWheels":
    """Return what builds the sdists of *workspace*."""
    from reprobuild.builder.sdist_wheels import SdistWheels

    return SdistWheels(
        executions=open_executions(workspace, store, progress, settings), store=store, epoch=workspace.epoch
    )


def open_kit(workspace: "Workspace", store: "Store", progress: "Progress", settings: Settings) -> "Kit":
    """Return what the hooks of *workspace* are run with."""
    from reprobuild.builder.hooked import Kit

    executions = open_executions(workspace, store, progress, settings)
    return Kit(executions=executions, secrets=lambda name: partial(read_secrets, workspace, name))


def _origins(bases: "Collection[BaseImage]", store: "Store") -> dict[tuple["Digest", ...], str]:
    """Return where those of *bases* are that are in registries, by the diffIDs of their layers.

    Of those whose config is in *store* by now: a build brings one after the other.
    """
    from reprobuild.oci.reference import RegistryReference, parse_reference
    from reprobuild.oci.types import parse_config

    found = {}
    for base in bases:
        reference = parse_reference(base.image)
        for locked in base.platforms.values():
            if isinstance(reference, RegistryReference) and locked.config in store:
                config = parse_config(store.read(locked.config), where=base.image)
                found[config.diff_ids] = reference.at(locked.manifest)
    return found
