"""What can go wrong, in six kinds, each with the place, the cause and the next step.

The command line prints an error as ``error: [where: ]message`` and, on a line of its own, ``hint: …``;
its exit code is the kind's (design §12).
"""

from typing import ClassVar

__all__ = [
    "AuthenticationError",
    "ContentError",
    "LockError",
    "MachineError",
    "NetworkError",
    "ReprobuildError",
    "SpecificationError",
]


class ReprobuildError(Exception):
    """The root of every error that a user is meant to read.

    ``where`` names the file, key path, reference or wheel at fault; ``hint`` is the next step to take.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class SpecificationError(ReprobuildError):
    """The specification or the command line asks for something that cannot be."""


class LockError(ReprobuildError):
    """A lock is missing, stale, damaged, or cannot be made from the specification."""


class ContentError(ReprobuildError):
    """Bytes are not what their digest, size or format promises: a negative answer."""

    exit_code = 1


class NetworkError(ReprobuildError):
    """A registry or an index did not answer as it should; trying again may help."""

    exit_code = 3


class MachineError(ReprobuildError):
    """This machine lacks space, permission or a program; trying again after mending it may help."""

    exit_code = 3


class AuthenticationError(ReprobuildError):
    """A registry or an index refused who we are, or wants to know."""

    exit_code = 4
