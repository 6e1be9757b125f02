"""What hooks import as `dagger`: containers as operations to be told of, and no engine.

A name that is not here can be imported and stand in annotations; whoever uses it is told that there is no such thing.
"""

from __future__ import annotations

from ._asked import EnvVariable, Label
from ._container import Container
from ._errors import ClientError, DaggerError, ExecError, QueryError, UnsupportedOperation
from ._sources import Directory, File
from ._unsupported import Missing, missing_type, refusal

__all__ = [
    "Client",
    "ClientError",
    "Container",
    "DaggerError",
    "Directory",
    "EnvVariable",
    "ExecError",
    "File",
    "Label",
    "Platform",
    "QueryError",
    "Secret",
    "UnsupportedOperation",
    "dag",
]

Client = missing_type("Client")
Secret = missing_type("Secret")
dag = Missing("dag")


class Platform(str):
    """The name of a platform: ``linux/amd64``."""

    __slots__ = ()


def __getattr__(name: str) -> object:
    if name.startswith("_"):
        raise AttributeError(f"module 'dagger' has no attribute {name!r}")
    return missing_type(name) if name[0].isupper() else refusal("dagger", name)
