"""When a base image is read again, and which one: what its tag leads to by now, or what is locked."""

import os
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from reprobuild.errors import LockError
from reprobuild.lockfile import BaseImage
from reprobuild.oci.open import open_source
from reprobuild.oci.reference import RegistryReference
from reprobuild.oci.types import Platform
from reprobuild.progress import Progress
from reprobuild.store import Store

if TYPE_CHECKING:
    from reprobuild.builder.executions import Executions
    from reprobuild.workspace import BaseSpec, Workspace

__all__ = ["is_stale", "owes_contract", "read_base"]


def is_stale(spec: "BaseSpec", platforms: Collection[Platform], locked: BaseImage) -> bool:
    """Say whether *locked* lacks what *spec* wants of its files now."""
    return (locked.timezone, set(locked.platforms)) != (spec.timezone, set(platforms))


def owes_contract(spec: "BaseSpec", locked: BaseImage, store: Store) -> bool:
    """Say whether *locked* has yet to be held against the contract of *spec*, as far as *store* knows."""
    if spec.contract is None:
        return False
    from reprobuild.resolver.base_contract import is_remembered  # noqa: PLC0415 - most bases have no contract

    return not is_remembered(spec, locked, store)


async def read_base(
    spec: "BaseSpec",
    platforms: tuple[Platform, ...],
    kept: BaseImage | None,
    *,
    workspace: "Workspace",
    store: Store,
    progress: Progress,
    executions: "Executions | None",
) -> BaseImage:
    """Return what the files of *spec* say; of the very image that is *kept*, wherever its tag leads by now.

    Raises LockError if that image is not to be had under its reference any more, and what `resolve_base` raises.
    """
    from reprobuild.resolver.base_image import resolve_base  # noqa: PLC0415 - reads layers: not always needed

    reference = spec.image
    if kept is not None and isinstance(reference, RegistryReference):
        reference = replace(reference, digest=kept.index)
    source = open_source(reference, root=workspace.root, environ=os.environ, registries=workspace.registries)
    try:
        base = await resolve_base(
            spec, platforms, source=source, store=store, progress=progress, known=None, executions=executions
        )
    finally:
        await source.close()
    if kept is not None and base.index != kept.index:
        raise LockError(
            f"the tag of base image {spec.name} has moved: {kept.index} → {base.index}",
            where=str(spec.image),
            hint="run `reprobuild lock update --bases` to follow it",
        )
    return base
