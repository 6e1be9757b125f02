"""Directories that programs of a sandbox have left: removed, also where their files belong to subordinate ids."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from reprobuild import errors
from reprobuild.engines.kernel import Namespace, unshare
from reprobuild.engines.owners import map_arguments
from reprobuild.engines.subordinate_ids import subordinate_ids
from reprobuild.errors import MachineError

__all__ = ["main", "remove"]

_CODE = "import sys; sys.path[:0] = [sys.argv[1]]; from reprobuild.engines.removal import main; main(sys.argv[2:])"
_REMOVE = ("rm", "-rf", "--one-file-system", "--")
_AT_ONCE = 1000
_READY = b"ready\n"


def remove(paths: Sequence[Path]) -> None:
    """Remove *paths* with all that is in them. Blocking. Raises MachineError for what is still there.

    Programs can leave trees deeper than Python follows, so a program does it.
    """
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        subprocess.run([*_REMOVE, *map(str, some)], check=False, stderr=subprocess.DEVNULL)  # noqa: S603
        left = [path for path in some if os.path.lexists(path)]
        if left and os.geteuid() != 0:
            _remove_mapped(left)
        if left := [path for path in left if os.path.lexists(path)]:
            hint = "remove it as root; it is of no use any more"
            raise MachineError("it cannot be removed", where=str(left[0]), hint=hint)


def main(paths: Sequence[str]) -> None:
    """Remove *paths* in a user namespace, once ids are mapped and a line comes on standard input."""
    unshare(Namespace.USER)
    os.write(1, _READY)
    if sys.stdin.buffer.readline():
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        os.execvp(_REMOVE[0], [*_REMOVE, *paths])  # noqa: S606


def _remove_mapped(paths: Sequence[Path]) -> None:
    """Do it as root of a user namespace with this user's subordinate ids."""
    maps = subordinate_ids()
    package = str(Path(errors.__file__).parent.parent)
    command = [sys.executable, "-I", "-S", "-c", _CODE, package, *map(str, paths)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        if process.stdout is not None and process.stdout.readline() == _READY:
            for program, path, ids in maps:
                done = subprocess.run(  # noqa: S603
                    [program, str(process.pid), *map_arguments(ids)], check=False, capture_output=True
                )
                if done.returncode != 0:
                    process.kill()
                    raise MachineError(f"{program} does not map ids", where=path, hint="remove it as root")
            process.communicate(b"\n")
