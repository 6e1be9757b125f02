"""Subordinate ids for a program that is in a user namespace: given by newuidmap and newgidmap, of Debian's uidmap."""

import os
import pwd
from pathlib import Path

import anyio

from reprobuild.engines.owners import id_map, map_arguments
from reprobuild.errors import MachineError

__all__ = ["map_ids"]

_HINT = "install newuidmap and newgidmap (apt-get install uidmap), or run reprobuild as root"


async def map_ids(process: int) -> None:
    """Give the user namespace of *process*, of this user's, its ids. Raises MachineError, saying what is missing."""
    user = os.getuid()
    names = (_name(user), str(user))
    for program, path, own in (("newuidmap", "/etc/subuid", user), ("newgidmap", "/etc/subgid", os.getgid())):
        ids = id_map(_read(path), own=own, names=names, path=path)
        try:
            done = await anyio.run_process([program, str(process), *map_arguments(ids)], check=False)
        except OSError as error:
            raise MachineError(f"{program} cannot be run: {error.strerror}", hint=_HINT) from error
        if done.returncode != 0:
            told = done.stderr.decode("utf-8", "replace").strip()[:500]
            raise MachineError(f"{program} does not map ids: {told}", where=path, hint=_HINT)


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
