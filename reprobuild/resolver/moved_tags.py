"""Base images whose tags lead elsewhere than when they were locked. The lock goes on to hold; people want to know."""

import os
from collections.abc import Collection
from functools import partial

from reprobuild.errors import ReprobuildError
from reprobuild.gathering import gathered
from reprobuild.lockfile import BaseImage, Lock
from reprobuild.oci.open import open_source
from reprobuild.resolver.changes import Change
from reprobuild.workspace import BaseSpec, Workspace

__all__ = ["moved_tags"]

_PARALLEL = 4


async def moved_tags(
    workspace: Workspace, lock: Lock, names: Collection[str] | None, *, strict: bool
) -> tuple[Change, ...]:
    """Return the locked bases of the connectors *names*, None for all, whose references resolve elsewhere by now.

    One small request each. With *strict*, a registry that does not answer is an error; without, nothing is known.
    """
    wanted = workspace.bases.keys() if names is None else {workspace.connectors[name].base for name in names}
    asked = [
        partial(_moved, workspace, spec, lock.bases[name], strict)
        for name, spec in workspace.bases.items()
        if name in wanted and name in lock.bases and lock.bases[name].image == str(spec.image)
    ]
    return tuple(change for change in await gathered(asked, limit=_PARALLEL) if change is not None) if asked else ()


async def _moved(workspace: Workspace, spec: BaseSpec, known: BaseImage, strict: bool) -> Change | None:  # noqa: FBT001
    try:
        source = open_source(spec.image, root=workspace.root, environ=os.environ, registries=workspace.registries)
        try:
            now = (await source.resolve()).digest
        finally:
            await source.close()
    except ReprobuildError:
        if strict:
            raise
        return None
    return None if now == known.index else Change(subject=spec.name, what="index", old=known.index, new=now)
