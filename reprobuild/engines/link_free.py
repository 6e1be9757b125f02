"""Paths inside a root filesystem that lies in a folder of this machine: no link leads out of it."""

import os
from pathlib import Path

from reprobuild.image.links import followed

__all__ = ["link_free"]


def link_free(root: Path, path: str) -> str | None:
    """Return where *path* leads to in *root*, relative to it and through no link; None if links lead in a circle.

    There need not be anything.
    """

    def target(step: str) -> str | None:
        return os.readlink(root / step) if (root / step).is_symlink() else None  # noqa: PTH115 - as it is, unlike a Path

    found = followed(path, target)
    return found[0] if found else None
