"""Directories that programs of a sandbox have left: removed, also where their files belong to subordinate ids."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from reprobuild import errors
from reprobuild.engines.mapped_removal import CODE, READY, REMOVE
from reprobuild.engines.owners import map_arguments
from reprobuild.engines.subordinate_ids import subordinate_ids
from reprobuild.errors import MachineError

__all__ = ["remove"]

_AT_ONCE = 1000


def remove(paths: Sequence[Path]) -> None:
    """Remove *paths* with all that is in them. Blocking. Raises MachineError for what is still there.

    Programs can leave trees deeper than Python follows, so a program does it.
    """
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        subprocess.run([*REMOVE, *map(str, some)], check=False, stderr=subprocess.DEVNULL)  # noqa: S603
        left = [path for path in some if os.path.lexists(path)]
        if left and os.geteuid() != 0:
            _remove_mapped(left)
        if left := [path for path in left if os.path.lexists(path)]:
            hint = "remove it as root; it is of no use any more"
            raise MachineError("it cannot be removed", where=str(left[0]), hint=hint)


def _remove_mapped(paths: Sequence[Path]) -> None:
    """Do it as root of a user namespace with this user's subordinate ids."""
    maps = subordinate_ids()
    package = str(Path(errors.__file__).parent.parent)
    command = [sys.executable, "-I", "-S", "-c", CODE, package, *map(str, paths)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        if process.stdout is not None and process.stdout.readline() == READY:
            for program, path, ids in maps:
                done = subprocess.run(  # noqa: S603
                    [program, str(process.pid), *map_arguments(ids)], check=False, capture_output=True
                )
                if done.returncode != 0:
                    process.kill()
                    raise MachineError(f"{program} does not map ids", where=path, hint="remove it as root")
            process.communicate(b"\n")
