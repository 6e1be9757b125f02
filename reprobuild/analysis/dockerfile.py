"""A Dockerfile as values: stages, and the instructions in them.

Source: the Dockerfile reference (docs.docker.com/reference/dockerfile), syntax 1.4 for heredocs.
"""

from dataclasses import dataclass, field

__all__ = ["Dockerfile", "Heredoc", "Instruction", "Stage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heredoc:
    """A text inside an instruction; *content* is as it reaches the build, its lines ended by line feeds."""

    name: str
    content: str
    expands: bool = True
    """Whether variables in it are replaced: they are not if the delimiter is quoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction. *keyword* is in capitals, without ``ONBUILD``, which *is_trigger* tells."""

    line: int
    """Of its first line, from 1."""
    keyword: str
    flags: tuple[str, ...] = ()
    """Such as ``--from=build``, in the order given."""
    words: tuple[str, ...] = ()
    """The strings of the JSON form; the words of ENV, LABEL, ARG, COPY and the like; else empty."""
    text: str = ""
    """All after keyword and flags, continuations joined, comments left out."""
    is_json: bool = False
    pairs: tuple[tuple[str, str], ...] = ()
    """Of ENV, LABEL and ARG: names and values, variables that are known replaced. An ARG without a value has ``""``."""
    heredocs: tuple[Heredoc, ...] = ()
    is_trigger: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one FROM begins. *base* has its variables replaced, as far as they have defaults."""

    line: int
    base: str
    name: str = ""
    platform: str = ""
    instructions: tuple[Instruction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """A whole file. *path* is what errors name. The last stage is the image."""

    path: str
    directives: tuple[tuple[str, str], ...] = ()
    arguments: tuple[tuple[str, str], ...] = ()
    """Of ARG before the first FROM."""
    stages: tuple[Stage, ...] = field(default=())
