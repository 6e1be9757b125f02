"""Folders of connectors for tests: files by path, written below a root."""

import textwrap
from pathlib import Path

__all__ = ["METADATA", "write"]

METADATA = """
data:
  dockerRepository: airbyte/{name}
  dockerImageTag: 1.2.3
  connectorBuildOptions: {{baseImage: "{base}"}}
  tags: [language:python]
"""


def write(root: Path, files: dict[str, str]) -> Path:
    """Write *files*, text by path, and return *root*; text is unindented."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return root
