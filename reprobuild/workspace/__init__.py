"""[tool.reprobuild], pyproject.toml, Poetry, metadata.yaml, requirements.txt → Workspace (design §5)."""

from reprobuild.workspace.reader import find_workspace, read_workspace, workspace_table
from reprobuild.workspace.types import DEFAULT_EPOCH, BaseSpec, ConnectorSpec, Source, Workspace

__all__ = [
    "DEFAULT_EPOCH",
    "BaseSpec",
    "ConnectorSpec",
    "Source",
    "Workspace",
    "find_workspace",
    "read_workspace",
    "workspace_table",
]
