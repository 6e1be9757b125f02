"""Paths inside a root filesystem that lies in a folder of this machine: no link leads out of it."""

import os
import posixpath
from pathlib import Path

__all__ = ["link_free"]

_FOLLOWED = 40
"""As many as Linux follows (path_resolution(7))."""


def link_free(root: Path, path: str) -> str | None:
    """Return where *path* leads to in *root*, relative to it and through no link; None if links lead in a circle.

    There need not be anything.
    """
    todo, here, followed = path.split("/")[::-1], "", 0
    while todo:
        name = todo.pop()
        if name in {"", "."}:
            continue
        if name == "..":
            here = posixpath.dirname(here)
            continue
        step = posixpath.join(here, name)
        if not (root / step).is_symlink():
            here = step
            continue
        followed += 1
        if followed > _FOLLOWED:
            return None
        link = os.readlink(root / step)  # noqa: PTH115 - as it is, unlike a Path
        here = "" if link.startswith("/") else here
        todo += link.split("/")[::-1]
    return here
