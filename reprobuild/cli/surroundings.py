"""What a workspace needs from outside of it: locks that fit, base images that can be read."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reprobuild.cli.finding import Finding, Mark
from reprobuild.cli.opening import open_workspace
from reprobuild.cli.settings import Settings
from reprobuild.cli.staleness import found_reasons
from reprobuild.errors import AuthenticationError, ReprobuildError
from reprobuild.oci.reference import RegistryReference
from reprobuild.store import Store, default_root

if TYPE_CHECKING:
    from reprobuild.workspace import BaseSpec, Workspace

__all__ = ["workspace_findings"]

_SECONDS = 10.0
"""How long a registry may take to connect, and to answer."""


def workspace_findings(settings: Settings) -> Iterator[Finding]:
    """Yield what was found out about the workspace that the directory of *settings* is in."""
    from reprobuild.workspace import find_workspace

    try:
        find_workspace(settings.directory.absolute())
    except ReprobuildError as error:
        yield Finding(name="workspace", mark=Mark.WARN, message=str(error), hint=error.hint)
        return
    try:
        workspace = open_workspace(settings)
    except ReprobuildError as error:
        yield Finding(name="workspace", mark=Mark.FAIL, message=str(error), hint=error.hint)
        return
    message = f"{workspace.root}: {len(workspace.connectors)} connectors, {len(workspace.bases)} base images"
    yield Finding(name="workspace", mark=Mark.OK, message=message)
    yield from _locks(workspace)
    yield from _bases(workspace)


def _locks(workspace: "Workspace") -> Iterator[Finding]:
    try:
        reasons = found_reasons(workspace, None)
    except ReprobuildError as error:
        yield Finding(name="locks", mark=Mark.FAIL, message=str(error), hint=error.hint)
        return
    for reason in reasons:
        yield Finding(name="locks", mark=Mark.FAIL, message=str(reason), hint="run `reprobuild lock update`")
    if not reasons:
        yield Finding(name="locks", mark=Mark.OK, message="fit the specification")


def _bases(workspace: "Workspace") -> Iterator[Finding]:
    """Say of each base image whether it can be read; one that is in the store is not needed outside of it."""
    import anyio

    stored = _stored(workspace)
    for name, base in sorted(workspace.bases.items()):
        try:
            message, hint, well = anyio.run(_look, base, workspace)
        except ReprobuildError as error:
            message, hint, well = str(error), error.hint, False
        if well:
            yield Finding(name="base", mark=Mark.OK, message=f"{name}: {message}")
        elif name in stored:
            text = f"{name}: {message} (not needed now: what is locked of it is in the store)"
            yield Finding(name="base", mark=Mark.WARN, message=text, hint=hint)
        else:
            yield Finding(name="base", mark=Mark.FAIL, message=f"{name}: {message}", hint=hint)


async def _look(base: "BaseSpec", workspace: "Workspace") -> tuple[str, str | None, bool]:
    """Return what was found, the next step, and whether all is well."""
    reference = base.image
    if isinstance(reference, RegistryReference):
        return await _ping(reference, workspace)
    from reprobuild.oci.open import open_source

    source = open_source(reference, root=workspace.root, environ=os.environ)
    try:
        return f"{reference} is {(await source.resolve()).digest}", None, True
    finally:
        await source.close()


async def _ping(reference: RegistryReference, workspace: "Workspace") -> tuple[str, str | None, bool]:
    """Ask the registry whether it is there (Distribution specification, end-1), as who we are; no pull is counted."""
    from reprobuild.oci.retry import Patience
    from reprobuild.oci.transport import Transport

    transport = Transport(
        reference.host,
        f"repository:{reference.repository}:pull",
        environ=os.environ,
        registries=workspace.registries,
        patience=Patience(connect=_SECONDS, read=_SECONDS, tries=1),
    )
    try:
        response = await transport.get("/v2/", {}, transport.tries())
        status = response.status_code
        await response.aclose()
    finally:
        await transport.close()
    message = f"{reference.host} answered {status} to {transport.tried}"
    if status in {401, 403}:
        raise AuthenticationError(message, hint=f"run `docker login {reference.host}`")
    return message, None if status == 200 else "look at the registry", status == 200


def _stored(workspace: "Workspace") -> set[str]:
    """Return the names of the base images whose locked manifests and configs are in the store."""
    from reprobuild.lock_files import find_lock

    try:
        lock, store = find_lock(workspace.root).lock, Store(default_root(os.environ))
    except ReprobuildError:
        return set()
    return {
        name
        for name, base in lock.bases.items()
        if all(one.manifest in store and one.config in store for one in base.platforms.values())
    }
