"""What a builder has to respect of a base image's directories: links that lead elsewhere, owners and modes."""

import posixpath
from collections.abc import Iterable, Iterator

from reprobuild.errors import LockError
from reprobuild.image.tree import ImageTree, Node
from reprobuild.lockfile import BaseDirectory, Interpreter
from reprobuild.oci.types import ImageConfig
from reprobuild.printable import is_printable
from reprobuild.resolver.interpreter import Python

__all__ = ["check_timezone", "directory_links", "special_directories"]

_MOUNTED = ("proc", "sys", "dev")
"""What a runtime mounts over: an image's own say there is never seen."""
_QUIET = ("usr/share", "etc/alternatives")
"""Where links to directories are many and nobody installs below them."""
_DEPTH = 3
_ZONES = "/usr/share/zoneinfo"


def special_directories(tree: ImageTree, python: Python) -> tuple[BaseDirectory, ...]:
    """Return the directories whose mode is not 0755 or whose owner is not root, by path.

    Those inside the standard library and inside distributions are left out: an environment that belongs to a
    user has thousands, and what is installed there brings its own.
    """
    inner = tuple(f"{path.strip('/')}/" for path in (*python.sites, python.stdlib))
    return tuple(
        BaseDirectory(path=f"/{path}", mode=node.mode, uid=node.uid, gid=node.gid)
        for path, node in sorted(_visible(tree))
        if node.kind == "directory" and (node.mode, node.uid, node.gid) != (0o755, 0, 0) and not path.startswith(inner)
    )


def directory_links(tree: ImageTree, interpreter: Interpreter, config: ImageConfig) -> dict[str, str]:
    """Return the symbolic links that lead to directories, by path, with what they say.

    All that are at most three names deep, except where nobody installs, and all on the way to the interpreter's
    paths and to the image's working directory, however deep.
    """
    near = [path for path, node in _visible(tree) if node.kind == "symlink" and _is_near(path)]
    wanted = [*near, *(getattr(interpreter, key) for key in Interpreter.__slots__), _workdir(config)]
    links = {link for path in wanted for link in _links_on(tree, path)}
    return {f"/{link}": node.target for link in sorted(links) if (node := tree.get(link)) is not None}


def check_timezone(tree: ImageTree, timezone: str, *, where: str) -> None:
    """Raise LockError unless the image has the zone *timezone*, such as ``Europe/Paris``; UTC needs none."""
    parts = timezone.split("/")
    clean = is_printable(timezone) and not any(part in {"", ".", ".."} for part in parts)
    found = tree.find(f"{_ZONES}/{timezone}") if clean else None
    if timezone == "UTC" or (found is not None and found.node.kind == "file"):
        return
    there = f"is not below {_ZONES}" if tree.find(_ZONES) is not None else f"needs {_ZONES}, which is not there"
    raise LockError(
        f"the timezone {timezone[:100]!r} {there} in the base image",
        where=where,
        hint='write timezone = "UTC", or use a base image that has tzdata and this zone',
    )


def _visible(tree: ImageTree) -> Iterator[tuple[str, Node]]:
    """Yield what an image says of paths over which nothing is mounted; names that are not UTF-8 are not ours."""
    for path, node in tree.walk():
        if path.partition("/")[0] not in _MOUNTED and is_printable(path) and is_printable(node.target):
            yield path, node


def _is_near(path: str) -> bool:
    return path.count("/") < _DEPTH and not any(path.startswith(f"{place}/") for place in _QUIET)


def _workdir(config: ImageConfig) -> str:
    written = config.config.get("WorkingDir")
    return written if isinstance(written, str) else "/"


def _links_on(tree: ImageTree, path: str) -> Iterable[str]:
    """Return the links on the way to the directory *path*, or to the deepest one above it that is there."""
    while (found := tree.find(path)) is None or found.node.kind != "directory":
        if found is not None and (node := tree.get(path)) is not None and node.kind == "symlink":
            return ()
        path = posixpath.dirname(path.rstrip("/"))
    return found.links
