"""Paths through symbolic links that lead out of no root filesystem, wherever its links are recorded."""

import posixpath
from collections.abc import Callable

__all__ = ["followed"]

_MOST = 40
"""As many as Linux follows (path_resolution(7))."""


def followed(path: str, target: Callable[[str], str | None]) -> tuple[str, tuple[str, ...]] | None:
    """Return where *path* leads to, and the links on the way there; None if they are too many, as in a circle.

    Paths are relative to the root, without a leading slash. *target* gives the target of the link at a path, None for
    what is no link.
    """
    todo, here, links = path.split("/")[::-1], "", list[str]()
    while todo:
        name = todo.pop()
        if name in {"", "."}:
            continue
        if name == "..":
            here = posixpath.dirname(here)
            continue
        step = posixpath.join(here, name)
        link = target(step)
        if link is None:
            here = step
            continue
        links.append(step)
        if len(links) > _MOST:
            return None
        here = "" if link.startswith("/") else here
        todo += link.split("/")[::-1]
    return here, tuple(links)
