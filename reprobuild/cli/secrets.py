"""The bytes of secrets, read when something runs that may ask for them, and kept nowhere."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from reprobuild.errors import MachineError, SpecificationError

if TYPE_CHECKING:
    from reprobuild.workspace import Workspace
    from reprobuild.workspace.hooks import SecretSpec

__all__ = ["read_secrets"]

_SHORTEST = 4
"""Bytes; what is shorter stands in any file by chance, so nobody could tell whether it leaked."""
_LONGEST = 512 * 1024


def read_secrets(workspace: "Workspace", connector: str) -> Mapping[str, bytes]:
    """Return the secrets that *connector* declares, by name.

    Raises SpecificationError for a variable that is not set and for a value too short to be looked for, MachineError
    for a file that cannot be read.
    """
    return {secret.name: _checked(secret, _read(secret)) for secret in workspace.connectors[connector].secrets}


def _read(secret: "SecretSpec") -> bytes:
    if secret.file is not None:
        try:
            with secret.file.open("rb") as file:
                return file.read(_LONGEST + 1)
        except OSError as error:
            hint = f"the secret {secret.name} is read from there"
            raise MachineError(error.strerror or str(error), where=str(secret.file), hint=hint) from error
    value = os.environb.get((secret.env or "").encode())
    if value is None:
        hint = f"set it for this command: {secret.env}=… reprobuild build"
        raise SpecificationError(f"the variable {secret.env} is not set", where=secret.where, hint=hint)
    return value


def _checked(secret: "SecretSpec", value: bytes) -> bytes:
    if not _SHORTEST <= len(value.strip()) <= _LONGEST:
        raise SpecificationError(
            f"the secret {secret.name} has {len(value)} bytes; {_SHORTEST} to {_LONGEST} can be kept out of an image",
            where=secret.where,
            hint="check what it is read from",
        )
    return value
