"""Subordinate ids for a program that is in a user namespace: given by newuidmap and newgidmap, of Debian's uidmap."""

import os
import pwd
import shutil
from pathlib import Path

import anyio

from reprobuild.engines.owners import IdMap, id_map, map_arguments
from reprobuild.errors import MachineError

__all__ = ["map_ids", "subordinate_ids"]

_HINT = "install newuidmap and newgidmap (apt-get install uidmap), or run reprobuild as root"


async def map_ids(process: int) -> None:
    """Give the user namespace of *process*, of this user's, its ids. Raises MachineError, saying what is missing."""
    for program, path, ids in subordinate_ids():
        try:
            done = await anyio.run_process([program, str(process), *map_arguments(ids)], check=False)
        except OSError as error:
            raise MachineError(f"{program} cannot be run: {error.strerror}", hint=_HINT) from error
        if done.returncode != 0:
            told = done.stderr.decode("utf-8", "replace").strip()[:500]
            raise MachineError(f"{program} does not map ids: {told}", where=path, hint=_HINT)


def subordinate_ids() -> list[tuple[str, str, IdMap]]:
    """Return the program that maps this user's ids, the file that has them, and what they are; so for the group's.

    Raises MachineError if either is missing.
    """
    user = os.getuid()
    names, found = (_name(user), str(user)), []
    for program, path, own in (("newuidmap", "/etc/subuid", user), ("newgidmap", "/etc/subgid", os.getgid())):
        ids = id_map(_read(path), own=own, names=names, path=path)
        if (place := shutil.which(program)) is None:
            raise MachineError(f"{program} is not on PATH", hint=_HINT)
        found.append((place, path, ids))
    return found


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
