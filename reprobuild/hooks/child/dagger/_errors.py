"""The exceptions of Dagger's that hooks may catch, and the one of ours that they may not."""

from __future__ import annotations

__all__ = ["ClientError", "DaggerError", "ExecError", "QueryError", "UnsupportedOperation"]


class DaggerError(Exception):
    """The root of these errors."""


class ClientError(DaggerError):
    """What Dagger raises if its client was used wrongly."""


class QueryError(ClientError):
    """A question about a container has no answer."""


class ExecError(QueryError):
    """A program failed. ``stdout`` and ``stderr`` are the ends of what it wrote to each, stripped as Dagger does."""

    def __init__(
        self, message: str, *, number: int, command: list[str], exit_code: int, stdout: str, stderr: str
    ) -> None:
        super().__init__(message)
        self.message = message
        self.command = command
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr
        self.number = number


class UnsupportedOperation(DaggerError):  # noqa: N818 - hooks read it as a statement
    """The hook asks for something that reprobuild does not do. It ends the build even if the hook catches it."""

    def __init__(self, message: str, hint: str | None = None, *, line: int = 0) -> None:
        super().__init__(message)
        self.hint = hint
        self.line = line
