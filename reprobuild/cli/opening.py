"""The workspace and the store that a command works on, and the connectors that it was asked for."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.cli.settings import Settings
from reprobuild.errors import SpecificationError
from reprobuild.lease import enter
from reprobuild.roots import remember_root
from reprobuild.store import Store, default_root

if TYPE_CHECKING:
    from reprobuild.failures import Failures
    from reprobuild.workspace import Workspace

__all__ = ["named", "named_or_here", "open_store", "open_workspace"]


def open_workspace(settings: Settings, failures: "Failures | None" = None) -> "Workspace":
    """Return the workspace that the directory of *settings* is in; raise SpecificationError if there is none.

    *failures*: see `read_workspace`.
    """
    from reprobuild.workspace import find_workspace, read_workspace

    return read_workspace(find_workspace(settings.directory.absolute()), failures)


def open_store(workspace: Path | None = None) -> Store:
    """Return the user's store, from which nothing is taken until this command ends.

    What the locks in *workspace* need stays longer than that (docs/adr/0012).
    """
    store = Store(default_root(os.environ))
    enter(store.root)
    if workspace is not None:
        remember_root(store.root, workspace)
    return store


def named(workspace: "Workspace", names: Sequence[str]) -> tuple[str, ...]:
    """Return *names* once each, all connectors if there are none; raise SpecificationError for one unknown."""
    for name in names:
        if name not in workspace.connectors:
            raise _unknown(name, workspace)
    return tuple(dict.fromkeys(names)) or tuple(workspace.connectors)


def named_or_here(workspace: "Workspace", names: Sequence[str], directory: Path) -> tuple[str, ...]:
    """Return *names*, or without them the connector whose folder *directory* is in, or the only one there is."""
    if not workspace.connectors:
        hint = "list their folders as connectors, or add a table [tool.reprobuild.connector.NAME]"
        raise SpecificationError("no connectors are specified", where=str(workspace.root), hint=hint)
    if names or len(workspace.connectors) == 1:
        return named(workspace, names)
    here = directory.resolve()
    for name, connector in workspace.connectors.items():
        folder = connector.folder
        if folder is not None and here.is_relative_to((workspace.root / folder).resolve()):
            return (name,)
    raise SpecificationError(
        f"which of the {len(workspace.connectors)} connectors?",
        hint=f"name them, or say --all: {_listed(workspace)}",
    )


def _unknown(name: str, workspace: "Workspace") -> SpecificationError:
    from difflib import get_close_matches

    similar = get_close_matches(name, workspace.connectors, n=1)
    hint = f"did you mean {similar[0]}?" if similar else f"there are: {_listed(workspace)}"
    return SpecificationError(f"there is no connector {name!r}", where=str(workspace.root), hint=hint)


def _listed(workspace: "Workspace") -> str:
    names = list(workspace.connectors)
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "") or "none"
