"""What the options before a command say, for every command alike."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

__all__ = ["Color", "Settings"]


class Color(StrEnum):
    """When to write colors: on a terminal, in any case, or not at all."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The global options; ``directory`` is where relative paths on the command line start.

    ``engine`` is None if only the workspace says which runs what is executed.
    """

    directory: Path = Path()
    quiet: bool = False
    verbose: bool = False
    color: Color = Color.AUTO
    engine: str | None = None
