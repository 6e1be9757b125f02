"""Container operations as data: what a hook asks to be done to a container, in order.

The words are those of Dagger's Container (0.6 to 0.21), the names are ours. A container is nothing but the
operations that lead to it from the one that the hook was given. Paths are as the hook wrote them: absolute, or
relative to the working directory at that place (`reprobuild.hooks.container.absolute`).
"""

from dataclasses import dataclass, field

__all__ = [
    "CopyDirectory",
    "CopyFile",
    "Exec",
    "NewFile",
    "Operation",
    "RemoveDirectory",
    "RemoveFile",
    "SetEntrypoint",
    "SetLabel",
    "SetUser",
    "SetVariable",
    "SetWorkdir",
    "Setting",
    "Source",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What all operations have: ``line`` of the hook's file, 0 if unknown, for messages and no part of a value."""

    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec(_Step):
    """Run a program, never empty ``args``; ``use_entrypoint`` puts the entrypoint before them, if there is one.

    ``stdin`` is what it reads, nothing if None.
    """

    args: tuple[str, ...]
    use_entrypoint: bool = False
    stdin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVariable(_Step):
    """Set a variable, or remove it if ``value`` is None; ``expand`` fills in variables set until here."""

    name: str
    value: str | None
    expand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLabel(_Step):
    """Set a label, or remove it if ``value`` is None."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUser(_Step):
    """Become ``name``: a name or an id, with ``:`` and a group or without; root again if None."""

    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWorkdir(_Step):
    """Go to ``path``; to the root if None."""

    path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEntrypoint(_Step):
    """Set the entrypoint, or remove it if ``args`` is None."""

    args: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile(_Step):
    """Write a file of text: mode 0644 unless ``permissions``, root's unless ``owner``."""

    path: str
    contents: str
    permissions: int | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The file or directory ``path`` in the container that ``operations`` lead to."""

    operations: tuple["Operation", ...]
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFile(_Step):
    """Copy a file to ``path``, into it if it ends with a slash; mode and owner are the source's unless given."""

    path: str
    source: Source
    permissions: int | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyDirectory(_Step):
    """Copy what a directory holds into ``path``: see `reprobuild.hooks.patterns.selected` for which of it.

    What is there stays unless the source has it, too. If ``path`` is new, it is as the source's directory is. Owners
    are the source's unless ``owner`` is given.
    """

    path: str
    source: Source
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFile(_Step):
    """Remove a file; nothing happens if there is none."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveDirectory(_Step):
    """Remove a directory and all below it; nothing happens if there is none."""

    path: str


Setting = SetVariable | SetLabel | SetUser | SetWorkdir | SetEntrypoint
"""Operations that change no file."""

Operation = Exec | Setting | NewFile | CopyFile | CopyDirectory | RemoveFile | RemoveDirectory
