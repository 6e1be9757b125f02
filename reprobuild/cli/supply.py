"""What a build lacks, brought into the store before it begins: wheels, inputs, and the documents of base images."""

import os
from typing import TYPE_CHECKING

from reprobuild.builder.base import manifest_and_config
from reprobuild.builder.build import Plan
from reprobuild.builder.missing import missing_wheels
from reprobuild.cli.settings import Settings
from reprobuild.lockfile import Lock
from reprobuild.oci.open import open_source
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.progress import Progress
from reprobuild.resolver.base_fetch import fetch_base
from reprobuild.resolver.inputs import supply_inputs
from reprobuild.resolver.needed_wheels import needed_wheels
from reprobuild.resolver.wheel_fetch import fetch_wheels
from reprobuild.store import Store

if TYPE_CHECKING:
    from reprobuild.builder.plan import PlannedImage
    from reprobuild.derivation import Derivation
    from reprobuild.oci.types import Platform
    from reprobuild.workspace import Workspace

__all__ = ["supply", "supply_documents", "supply_layers"]


async def supply(
    images: Plan,
    workspace: "Workspace",
    lock: Lock,
    store: Store,
    *,
    progress: Progress,
    offline: bool,
    settings: Settings | None = None,
) -> None:
    """Have in *store* what building *images* needs and no more; wheels that no index has are built.

    A base's layers are not read (design §8), unless something runs on them.
    """
    missing = {wheel.digest for wheel in missing_wheels(images, store)}
    names = list(dict.fromkeys(image.derivation.connector for image in images))
    needed = [one for one in needed_wheels(workspace, lock, names, store) if one.wheel.digest in missing]
    await fetch_wheels(needed, workspace.root, store, progress=progress, offline=offline)
    if any(one.sdist is not None for one in needed):
        from reprobuild.cli.kit import open_builds
        from reprobuild.resolver.sdist_supply import supply_built

        builds = open_builds(workspace, store, progress, settings or Settings())
        await supply_built(needed, workspace, lock, builds, store, progress=progress, offline=offline)
    for name in dict.fromkeys(image.derivation.connector for image in images if image.manifest is None):
        await supply_inputs(workspace.connectors[name], lock.connectors[name], store, progress, offline)
    for image in images:
        if image.manifest is None and (platforms := _executing(image.derivation, store)):
            base = image.derivation.base
            await fetch_base(workspace, base, store, progress=progress, offline=offline, platforms=platforms)
        await supply_documents(image, workspace, store, offline=offline)


async def supply_documents(image: "PlannedImage", workspace: "Workspace", store: Store, *, offline: bool) -> None:
    """Have manifest and config of the base of *image* in *store*, if they can be had."""
    base, locked = image.derivation.base, image.derivation.base_platform
    reference = parse_reference(base.image)
    if locked.manifest in store and locked.config in store:
        return
    if offline and isinstance(reference, RegistryReference):
        return  # The build says what is missing.
    source = open_source(reference, root=workspace.root, environ=os.environ, registries=workspace.registries)
    try:
        await manifest_and_config(base, image.derivation.platform, source, store)
    finally:
        await source.close()


def _executing(derivation: "Derivation", store: Store) -> set["Platform"]:
    """Return the platforms on which something of the base image has to run to build *derivation*."""
    platforms = {derivation.platform} if derivation.hooks else set()
    if derivation.bytecode != "none":
        from reprobuild.builder.compiler import compiling_platform, uncompiled

        platforms |= {compiling_platform(derivation.base)} if uncompiled([derivation], store) else set()
    return platforms


async def supply_layers(
    images: Plan, workspace: "Workspace", store: Store, *, progress: Progress, offline: bool
) -> None:
    """Have the base images of *images* in *store* whole, for who writes images to disk."""
    bases = {image.derivation.base.name: image.derivation.base for image in images}
    for base in bases.values():
        await fetch_base(workspace, base, store, progress=progress, offline=offline)
