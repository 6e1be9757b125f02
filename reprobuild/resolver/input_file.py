"""Inputs of hooks that are files on this machine: what they hold by now, and their bytes into the store."""

import hashlib
import stat
from collections.abc import Iterator

from reprobuild.canonical import Digest
from reprobuild.errors import SpecificationError
from reprobuild.lockfile import LockedInput
from reprobuild.store import CHUNK, Store, machine_errors
from reprobuild.workspace.hooks import InputSpec

__all__ = ["read_input", "store_input"]


def read_input(spec: InputSpec) -> LockedInput | None:
    """Return what the file of *spec* holds, None if it has a URL and no file; nothing is kept.

    Raises SpecificationError where there is no such file, MachineError where it cannot be read.
    """
    if spec.path is None:
        return None
    found, size = hashlib.sha256(), 0
    for chunk in _chunks(spec):
        found.update(chunk)
        size += len(chunk)
    return LockedInput(name=spec.name, size=size, digest=Digest(f"sha256:{found.hexdigest()}"))


def store_input(spec: InputSpec, store: Store, expected: Digest | None = None) -> LockedInput:
    """Put the file of *spec* into *store* and return what it holds; raise ContentError unless it is *expected*."""
    with store.writer(expected, where=spec.where) as writer:
        for chunk in _chunks(spec):
            writer.write(chunk)
    return LockedInput(name=spec.name, size=writer.size, digest=writer.digest)


def _chunks(spec: InputSpec) -> Iterator[bytes]:
    path = spec.path
    if path is None:
        return
    with machine_errors(path):
        if not path.exists():
            raise SpecificationError(f"there is no file {path}", where=spec.where, hint="mend the path, or remove it")
        if not stat.S_ISREG(path.stat().st_mode):
            raise SpecificationError(f"{path} is not a file", where=spec.where, hint="an input is one file")
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
