"""File operations of a hook → the changes that they make to a root, as if a program had made them."""

import posixpath
from collections.abc import Callable, Iterator

from reprobuild.builder.account import account_of
from reprobuild.builder.container import INPUTS
from reprobuild.builder.root import Root
from reprobuild.builder.tree import Entry
from reprobuild.derivation import Derivation
from reprobuild.engines.execution import Change, Changes
from reprobuild.errors import SpecificationError
from reprobuild.hooks.container import ContainerConfig, absolute
from reprobuild.hooks.operations import CopyDirectory, CopyFile, NewFile, RemoveDirectory, RemoveFile, Source
from reprobuild.hooks.patterns import selected
from reprobuild.image.tree import Node
from reprobuild.store import Store

__all__ = ["FileOperation", "Origin", "Roots", "file_changes", "is_input"]

FileOperation = NewFile | CopyFile | CopyDirectory | RemoveFile | RemoveDirectory
Origin = tuple[Root, ContainerConfig]
Roots = Callable[[Source], Origin]
"""Gives the files of the container that a source is in, and its settings."""


def file_changes(
    operation: FileOperation,
    root: Root,
    config: ContainerConfig,
    sources: Roots,
    derivation: Derivation,
    store: Store,
    *,
    where: str,
) -> Changes:
    """Return what *operation* changes in *root*; the bytes of changed files are in *store* afterwards.

    Blocking. Raises SpecificationError, naming *where*, for a source that is not there.
    """
    match operation:
        case NewFile():
            data = operation.contents.encode()
            owner = _owner(operation.owner, root, where) or (0, 0)
            mode = 0o644 if operation.permissions is None else operation.permissions
            entry = _file(_place(root, absolute(config, operation.path)), mode, owner, len(data))
            return Changes(present=(Change(entry=entry, digest=store.add(data)),))
        case CopyFile():
            return Changes(present=(_copied(operation, root, config, sources, derivation, where),))
        case CopyDirectory():
            return Changes(present=tuple(_copied_tree(operation, root, config, sources, where)))
        case RemoveFile() | RemoveDirectory():
            return Changes(removed=tuple(_removed(operation, root, absolute(config, operation.path))))


def is_input(path: str, derivation: Derivation) -> str | None:
    """Return the name of the declared input that *path* is; None if it is none."""
    name = path.removeprefix(f"{INPUTS}/")
    return name if path != name and any(item.name == name for item in derivation.inputs) else None


def _copied(
    operation: CopyFile,
    root: Root,
    config: ContainerConfig,
    sources: Roots,
    derivation: Derivation,
    where: str,
) -> Change:
    origin, origin_config = sources(operation.source)
    source = absolute(origin_config, operation.source.path)
    name = is_input(source, derivation)
    if name is not None:
        item = next(item for item in derivation.inputs if item.name == name)
        node = Node(kind="file", mode=0o644, size=item.size, digest=item.digest)
    else:
        node = _node(origin, source, "file", where)
        origin.store_contents({_found(origin, source): node})
    target = absolute(config, operation.path)
    if operation.path.endswith("/"):
        target = posixpath.join(target, posixpath.basename(source))
    owner = _owner(operation.owner, root, where) or (node.uid, node.gid)
    mode = node.mode if operation.permissions is None else operation.permissions
    return Change(entry=_file(_place(root, target), mode, owner, node.size), digest=node.digest)


def _copied_tree(
    operation: CopyDirectory, root: Root, config: ContainerConfig, sources: Roots, where: str
) -> Iterator[Change]:
    origin, origin_config = sources(operation.source)
    source = absolute(origin_config, operation.source.path)
    copied = _node(origin, source, "directory", where)
    start = _found(origin, source)
    target = _place(root, absolute(config, operation.path))
    owner = _owner(operation.owner, root, where)
    # A folder that is new is the source's; Dagger before 0.21 leaves one that is there as it is, and so is it here.
    chosen = {} if root.tree.get(target) is not None else {"": copied}
    for path, node in origin.tree.walk(start):
        inner = path[len(start) :].strip("/")
        if inner and selected(inner, include=operation.include, exclude=operation.exclude):
            above = inner.split("/")[:-1]
            for depth in range(1, len(above) + 1):
                folder = "/".join(above[:depth])
                chosen.setdefault(folder, origin.tree.get(posixpath.join(start, folder)) or Node(kind="directory"))
            chosen[inner] = node
    files = {posixpath.join(start, inner): node for inner, node in chosen.items() if node.kind == "file"}
    origin.store_contents(files)
    for inner in sorted(chosen, key=str.encode):
        node = chosen[inner]
        uid, gid = owner or (node.uid, node.gid)
        entry = Entry(
            path=posixpath.join(target, inner).rstrip("/"),
            kind=node.kind,
            mode=node.mode,
            uid=uid,
            gid=gid,
            size=node.size,
            target=node.target,
            device=node.device,
            xattrs=node.xattrs,
        )
        yield Change(entry=entry, digest=node.digest)


def _removed(operation: RemoveFile | RemoveDirectory, root: Root, path: str) -> Iterator[str]:
    place = _place(root, path, follow=False)
    node = root.tree.get(place)
    if node is not None and place and (isinstance(operation, RemoveDirectory) or node.kind != "directory"):
        yield place


def _file(path: str, mode: int, owner: tuple[int, int], size: int) -> Entry:
    return Entry(path=path, mode=mode, uid=owner[0], gid=owner[1], size=size)


def _place(root: Root, path: str, *, follow: bool = True) -> str:
    """Return where *path* is stored in *root*: links of its folders followed, and its own if *follow*."""
    if follow and (found := root.tree.find(path)) is not None:
        return found.path
    folder, name = posixpath.split(path.rstrip("/"))
    if not name:
        return ""
    return posixpath.join(_place(root, folder), name)


def _node(root: Root, path: str, kind: str, where: str) -> Node:
    found = root.tree.find(path)
    if found is None or found.node.kind != kind:
        what = "nothing" if found is None else f"a {found.node.kind}"
        raise SpecificationError(f"there is no {kind} {path} to copy, but {what}", where=where)
    return found.node


def _found(root: Root, path: str) -> str:
    found = root.tree.find(path)
    return "" if found is None else found.path


def _owner(owner: str | None, root: Root, where: str) -> tuple[int, int] | None:
    if owner is None:
        return None
    named = not all(part.isdigit() for part in owner.split(":"))
    passwd, group = (root.content("/etc/passwd"), root.content("/etc/group")) if named else (None, None)
    account = account_of(owner, passwd or b"", group or b"", where=where)
    # Without a group, Dagger takes the one that is called like the user: for a number, that number.
    return account.uid, account.gid if ":" in owner or named else account.uid
