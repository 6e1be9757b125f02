"""What the shell completes: connectors and platforms of the workspace."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from reprobuild.cli.opening import open_workspace
from reprobuild.cli.settings import Settings

if TYPE_CHECKING:
    from reprobuild.workspace import Workspace

__all__ = ["connector_names", "platform_names"]


def connector_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the connectors whose names begin with *incomplete*, for the shell's completion."""
    workspace = _completed_workspace(ctx)
    return [name for name in workspace.connectors if name.startswith(incomplete)] if workspace else []


def platform_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the workspace's platforms that begin with *incomplete*, for the shell's completion."""
    workspace = _completed_workspace(ctx)
    return [text for text in map(str, workspace.platforms) if text.startswith(incomplete)] if workspace else []


def _completed_workspace(ctx: typer.Context) -> "Workspace | None":
    """Return the workspace of a command line that is still being written, None if there is none to be read."""
    directory = ctx.find_root().params.get("directory") or "."
    try:
        return open_workspace(Settings(directory=Path(directory)))
    except Exception:
        return None
