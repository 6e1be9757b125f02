"""Files and directories of a container: to be copied, or to be looked into."""

from __future__ import annotations

from collections.abc import Callable, Generator

from ._asked import Asked
from ._session import current
from ._unsupported import refusal, refuse_options
from ._values import text

__all__ = ["Directory", "File"]


class _Source:
    """The path ``path`` in ``container``."""

    __slots__ = ("container", "path")

    def __init__(self, container: Asked, path: str) -> None:
        if not isinstance(container, Asked):
            raise current.refuse(
                f"reprobuild does not support dagger.{type(self).__name__}(…)", "ask a container for it"
            )
        self.container = container
        self.path = path

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return refusal(type(self).__name__, name)

    def __await__(self) -> Generator[None, None, _Source]:
        return self.sync().__await__()

    async def sync(self) -> _Source:
        """See to it that all is done that leads here."""
        self._ask("sync")
        return self

    async def name(self) -> str:
        """Return the last part of the path."""
        return self.path.rstrip("/").rpartition("/")[2]

    def _ask(self, kind: str, name: str = "") -> object:
        return current.ask(kind, self.container._operations, name)  # noqa: SLF001 - hooks are not to see it

    def with_(self, call: Callable[[_Source], object]) -> object:
        """Return what *call* makes of this."""
        return call(self)


class File(_Source):
    """A file."""

    __slots__ = ()

    async def contents(self, **options: object) -> str:
        """Return its text."""
        refuse_options("File.contents", options)
        return str(self._ask("contents", self.path))


class Directory(_Source):
    """A directory."""

    __slots__ = ()

    def file(self, path: str) -> File:
        """Return a file in it."""
        return File(self.container, self._below(path, "Directory.file"))

    def directory(self, path: str) -> Directory:
        """Return a directory in it."""
        return Directory(self.container, self._below(path, "Directory.directory"))

    async def entries(self, path: str | None = None) -> list[str]:
        """Return the sorted names in it; directories end with a slash."""
        here = self.path if path is None else self._below(path, "Directory.entries")
        return [str(name) for name in self._ask("entries", here)]  # type: ignore[attr-defined]

    def _below(self, path: object, call: str) -> str:
        below = text(path, call, "path").lstrip("/")
        if ".." in below.split("/"):
            raise ValueError(f"{call}: {path!r} leads out of the directory")
        return f"{self.path.rstrip('/')}/{below}"
