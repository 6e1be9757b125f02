"""What a user may do with a path of an image, decided from owners and modes alone (path_resolution(7)).

Capabilities, access control lists and what a runtime mounts are not looked at.
"""

import posixpath
from typing import Literal

from reprobuild.builder.account import Account
from reprobuild.image.tree import ImageTree, Node

__all__ = ["Wish", "refusal"]

Wish = Literal["read", "write", "execute"]

_MOST_LINKS = 40
"""As many as Linux follows."""
_SEARCH = 0o1
_FILE: dict[Wish, int] = {"read": 0o4, "write": 0o2, "execute": 0o1}
_DIRECTORY: dict[Wish, int] = {"read": 0o5, "write": 0o3, "execute": 0o1}
"""To read a directory is to list it and to look at what is in it; to write to one is to make a file there."""


def refusal(tree: ImageTree, path: str, account: Account, wish: Wish) -> str | None:
    """Return in words why *account* may not do *wish* with *path*; None if it may.

    To execute is for files only. Root may do everything, but execute only what somebody may.
    """
    reached, why = _reached(tree, path, account)
    if reached is None:
        return why
    node = tree.get(reached)
    if node is None or (wish == "execute" and node.kind != "file"):
        return f"/{reached} is no file"
    needed = (_DIRECTORY if node.kind == "directory" else _FILE)[wish]
    if _allowed(node, account, needed):
        return None
    return f"/{reached} {_owned(node)}: {account.uid}:{account.gid} may not {wish} it"


def _reached(tree: ImageTree, path: str, account: Account) -> tuple[str | None, str]:
    """Return the stored path that *path* leads *account* to, or None and in words where the way ends."""
    todo, here, links = path.split("/")[::-1], "", 0
    while todo:
        name = todo.pop()
        if name in {"", "."}:
            continue
        folder = tree.get(here)
        if folder is None or folder.kind != "directory":
            return None, f"/{here} is no directory"
        if not _allowed(folder, account, _SEARCH):
            return None, f"/{here} {_owned(folder)}: {account.uid}:{account.gid} may not enter it"
        step = posixpath.dirname(here) if name == ".." else posixpath.join(here, name)
        node = tree.get(step)
        if node is None:
            return None, f"there is no /{step}"
        if node.kind != "symlink":
            here = step
            continue
        links += 1
        if links > _MOST_LINKS:
            return None, f"/{step} is one of too many symbolic links"
        here = "" if node.target.startswith("/") else here
        todo += node.target.split("/")[::-1]
    return here, ""


def _allowed(node: Node, account: Account, needed: int) -> bool:
    if account.uid == 0:
        return node.kind == "directory" or not needed & 0o1 or bool(node.mode & 0o111)
    if node.uid == account.uid:
        granted = node.mode >> 6
    elif node.gid in {account.gid, *account.groups}:
        granted = node.mode >> 3
    else:
        granted = node.mode
    return granted & needed == needed


def _owned(node: Node) -> str:
    return f"belongs to {node.uid}:{node.gid} with mode {node.mode:04o}"
