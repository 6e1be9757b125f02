"""The program that removes directories as root of a user namespace. It is run with nothing but the standard library."""

import os
import sys
from collections.abc import Sequence

from reprobuild.engines.kernel import Namespace, unshare

__all__ = ["CODE", "READY", "REMOVE", "main"]

CODE = (
    "import sys; sys.path[:0] = [sys.argv[1]]; from reprobuild.engines.mapped_removal import main; main(sys.argv[2:])"
)
"""What Python is to run, with this package's parent folder and the directories as arguments."""
REMOVE = ("rm", "-rf", "--one-file-system", "--")
READY = b"ready\n"
"""What it writes once its ids can be mapped."""


def main(paths: Sequence[str]) -> None:
    """Remove *paths* in a user namespace, once ids are mapped and a line comes on standard input."""
    unshare(Namespace.USER)
    os.write(1, READY)
    if sys.stdin.buffer.readline():
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        os.execvp(REMOVE[0], [*REMOVE, *paths])  # noqa: S606
