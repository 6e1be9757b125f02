"""From a reference on the command line to where its image is read: a registry, a file, the store."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from reprobuild.cli.opening import named, open_workspace
from reprobuild.cli.settings import Settings
from reprobuild.errors import LockError, SpecificationError
from reprobuild.oci.open import open_source
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.registries import Registries
from reprobuild.store import Store
from reprobuild.verify.reading import Origin
from reprobuild.verify.stored import Stored, stored_descriptor

if TYPE_CHECKING:
    from reprobuild.oci.types import Descriptor

__all__ = ["open_origin", "workspace_registries"]

_STORE = "store:"


@asynccontextmanager
async def open_origin(text: str, settings: Settings, store: Store, *, where: str) -> AsyncIterator[Origin]:
    """Yield where the image *text* is read, for the block; *where* names the argument.

    ``store:NAME`` is what the locks and the store have of a connector, ``store:sha256:…`` any image in the store;
    all else is a reference as everywhere. Paths are relative to the directory of *settings*. Raises
    SpecificationError if there is no such thing.
    """
    if text.startswith(_STORE):
        source = Stored(_stored(text.removeprefix(_STORE), settings, store), store)
        yield Origin(reference=text, source=source, kept=False)
        return
    reference = parse_reference(text, where=where)
    remote = isinstance(reference, RegistryReference)
    registries = workspace_registries(settings) if remote else None
    opened = open_source(reference, root=settings.directory, environ=os.environ, registries=registries)
    try:
        yield Origin(reference=str(reference), source=opened, kept=remote)
    finally:
        await opened.close()


def workspace_registries(settings: Settings) -> Registries:
    """Return how the workspace, if there is one here, speaks to registries."""
    try:
        return open_workspace(settings).registries
    except SpecificationError:
        return Registries()


def _stored(name: str, settings: Settings, store: Store) -> "Descriptor":
    from reprobuild.canonical import Digest
    from reprobuild.oci.reference import RegistryReference

    if name.startswith("sha256:"):
        reference = parse_reference(f"x@{name}", where=_STORE + name)
        digest = reference.digest if isinstance(reference, RegistryReference) else None
        return stored_descriptor(digest or Digest(name), store)
    from reprobuild.builder.build import finished, plan
    from reprobuild.lock_files import read_lock

    workspace = open_workspace(settings)
    named(workspace, [name])
    results = finished(plan(workspace, read_lock(workspace.root, [name]), [name], store), store)
    if results is None:
        hint = f"run `reprobuild build {name}` first"
        raise LockError("the store does not have what its lock and files give", where=_STORE + name, hint=hint)
    return results[0].index
