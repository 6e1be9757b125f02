"""What a hook can ask about a container, and wait for."""

from __future__ import annotations

from collections.abc import Generator

from ._errors import QueryError
from ._session import current
from ._values import text

__all__ = ["Asked", "EnvVariable", "Label"]


class _Named:
    """A name and a value that are there already, read as if they had to be waited for."""

    __slots__ = ("_name", "_value")

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    async def name(self) -> str:
        """Return the name."""
        return self._name

    async def value(self) -> str:
        """Return the value."""
        return self._value


class EnvVariable(_Named):
    """A variable of a container."""

    __slots__ = ()


class Label(_Named):
    """A label of a container."""

    __slots__ = ()


class Asked:
    """A container's questions. ``_count`` and ``_depth`` measure the operations, those of sources with them."""

    __slots__ = ("_count", "_depth", "_operations")
    _operations: list[dict[str, object]]
    _count: int
    _depth: int

    def __await__(self) -> Generator[None, None, Asked]:
        return self.sync().__await__()

    async def sync(self) -> Asked:
        """See to it that all is done that leads here."""
        self._ask("sync")
        return self

    def _ask(self, kind: str, name: str = "") -> object:
        return current.ask(kind, self._operations, name)

    async def stdout(self) -> str:
        """Return what the last program wrote to its standard output."""
        return self._written("stdout")

    async def stderr(self) -> str:
        """Return what the last program wrote to its standard error."""
        return self._written("stderr")

    async def exit_code(self) -> int:
        """Return 0: another one is raised as an ExecError."""
        self._written("sync")
        return 0

    def _written(self, kind: str) -> str:
        if not any(step["kind"] == "exec" for step in self._operations):
            raise QueryError("no program was run: there is no with_exec before this")
        return str(self._ask(kind))

    async def env_variable(self, name: str) -> str | None:
        """Return the value of a variable."""
        return _optional(self._ask("variable", text(name, "Container.env_variable", "name")))

    async def env_variables(self) -> list[EnvVariable]:
        """Return all variables."""
        return [EnvVariable(name, value) for name, value in _pairs(self._ask("variables"))]

    async def label(self, name: str) -> str | None:
        """Return the value of a label."""
        return _optional(self._ask("label", text(name, "Container.label", "name")))

    async def labels(self) -> list[Label]:
        """Return all labels."""
        return [Label(name, value) for name, value in _pairs(self._ask("labels"))]

    async def workdir(self) -> str:
        """Return the working directory."""
        return str(self._ask("workdir"))

    async def user(self) -> str:
        """Return the user as it was set; nothing means root."""
        return str(self._ask("user"))

    async def entrypoint(self) -> list[str]:
        """Return the entrypoint."""
        return [str(word) for word in self._ask("entrypoint")]  # type: ignore[attr-defined]

    async def platform(self) -> str:
        """Return the platform: ``linux/amd64``."""
        return str(self._ask("platform"))


def _optional(answer: object) -> str | None:
    return None if answer is None else str(answer)


def _pairs(answer: object) -> list[tuple[str, str]]:
    return sorted(answer.items())  # type: ignore[attr-defined]
