"""A connector's folder → the files of it that enter the image, in order and with digests.

Runs in every build, also where there is nothing to do: one pass over the folders that are copied, and one read
of each file. Secrets, tests, caches and virtual environments never enter (design §5).
"""

import hashlib
import os
import posixpath
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprobuild.builder.tree import parents, resolve
from reprobuild.canonical import Digest, digest_of
from reprobuild.errors import MachineError, SpecificationError
from reprobuild.printable import is_printable
from reprobuild.workspace.hooks import HookSpec
from reprobuild.workspace.types import ConnectorSpec, Source

__all__ = ["ConnectorFile", "connector_files", "is_left_out"]

_FOLDERS = frozenset({
    *("secrets", "unit_tests", "integration_tests", "tests", "__pycache__", "__pypackages__", "node_modules"),
    *(".git", ".hg", ".svn", ".venv", ".tox", ".nox", ".eggs", ".idea", ".vscode", ".hypothesis"),
    *(".cache", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".pytype", ".ipynb_checkpoints", "htmlcov"),
})  # fmt: skip
_FILES = re.compile(
    r".*\.py[co]|\.env(\..+)?|\.git|\.netrc|\.coverage(\..+)?|\.DS_Store|acceptance-test-config\.ya?ml|.*\.egg-link"
)
_ENVIRONMENT = "pyvenv.cfg"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorFile:
    """A file or symbolic link of a connector's, at ``path`` relative to the image's root.

    ``source`` is where it is on this machine, which no derivation knows. A link has a ``target``, what it says,
    of which ``digest`` is then the digest; its ``size`` is 0.
    """

    path: str
    source: Path
    size: int
    executable: bool
    digest: Digest
    target: str = ""


def connector_files(spec: ConnectorSpec) -> tuple[ConnectorFile, ...]:
    """Return the files of the folder of *spec* that enter its image, sorted by path bytes.

    Only the owner's executable bit counts of the modes. Raises SpecificationError for a source that is missing,
    a link that leads out of what is copied, a special file, and two files for one path; MachineError for what
    cannot be read.
    """
    folder = spec.folder or spec.root
    if folder is None:
        return ()
    found: dict[str, ConnectorFile] = {}
    for source in spec.sources:
        root = posixpath.join(spec.workdir, source.target).lstrip("/")
        for file in _without_hooks(_source_files(folder, source, root), spec.hooks, source):
            other = found.setdefault(file.path, file)
            if other.source != file.source:
                why = f"{file.source} and {other.source} would both become {file.path}"
                raise SpecificationError(why, where=source.where, hint="rename one, or leave one out")
    _check_parents(found)
    _check_links(found, folder)
    return tuple(sorted(found.values(), key=lambda file: os.fsencode(file.path)))


def is_left_out(name: str, *, folder: bool) -> bool:
    """Say whether a file or *folder* called *name* never enters an image."""
    return name in _FOLDERS or name.endswith(".egg-info") if folder else _FILES.fullmatch(name) is not None


def _without_hooks(files: list[ConnectorFile], hooks: HookSpec, source: Source) -> Iterator[ConnectorFile]:
    """Yield *files* but for the hooks, which make the image and are not in it; *source* must not be one of them."""
    scripts = {hooks.pre_install, hooks.post_install, hooks.customization}
    for file in files:
        if file.source not in scripts:
            yield file
        elif len(files) == 1:
            hint = "copy what the image needs to another file"
            raise SpecificationError(
                f"{file.source} is a hook: it never enters an image", where=source.where, hint=hint
            )


def _source_files(folder: Path, source: Source, root: str) -> list[ConnectorFile]:
    """Return the files of *source*, which become *root* or what is below it."""
    for place in source.places:
        path = folder / place
        if os.path.lexists(path):
            _check_place(path, folder, source)
            if source.kind == "file" and path.is_dir():
                hint = "name its files one by one, or take include"
                raise SpecificationError(f"{place} is a folder", where=source.where, hint=hint)
            files = list(_tree(path, root)) if path.is_dir() and not path.is_symlink() else [_file(path, root)]
            if not files:
                raise SpecificationError(f"{path} holds nothing that enters an image", where=source.where)
            return files
    if source.required:
        looked = " and ".join(str(folder / place) for place in source.places)
        raise SpecificationError(
            f"the {source.kind} is missing; looked for {looked}", where=source.where, hint=_HINTS[source.kind]
        )
    return []


_HINTS = {
    "main file": 'name it with main = "…", or set entrypoint if there is none',
    "package folder": 'name them with packages = ["…"]; packages = [] if there are none',
    "included path": "mend the path, or remove it",
    "file": "mend the path, or remove it",
}


def _check_place(path: Path, folder: Path, source: Source) -> None:
    """Refuse to be told to copy what never enters an image, or what a link of the folder's leads out to."""
    *above, last = path.relative_to(folder).parts
    if any(is_left_out(name, folder=True) for name in above) or is_left_out(last, folder=path.is_dir()):
        raise SpecificationError(
            f"{path.relative_to(folder)} never enters an image: it may hold secrets, tests or caches",
            where=source.where,
            hint="move what the image needs to another place",
        )
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise SpecificationError(f"{path} is not in the connector's folder", where=source.where, hint="copy it there")


def _tree(folder: Path, root: str) -> Iterator[ConnectorFile]:
    for entry in _listed(folder):
        is_folder = entry.is_dir(follow_symlinks=False)
        path = f"{root}/{entry.name}"
        if is_left_out(entry.name, folder=is_folder):
            continue
        if is_folder:
            yield from _tree(Path(entry.path), path)
        else:
            yield _file(Path(entry.path), path)


def _listed(folder: Path) -> Sequence["os.DirEntry[str]"]:
    """Return what is in *folder*; nothing if it is a virtual environment."""
    try:
        with os.scandir(folder) as listing:
            entries = list(listing)
    except OSError as error:
        raise _unreadable(folder, error) from error
    return [] if any(entry.name == _ENVIRONMENT for entry in entries) else entries


def _file(source: Path, path: str) -> ConnectorFile:
    if not is_printable(path):
        raise SpecificationError(
            f"its name cannot be told: {path!r}", where=repr(str(source)), hint="use UTF-8 without control characters"
        )
    try:
        status = source.lstat()
        if stat.S_ISLNK(status.st_mode):
            return _link(source, path)
        if not stat.S_ISREG(status.st_mode):
            why = "neither a file, a folder nor a symbolic link, so it cannot enter an image"
            raise SpecificationError(why, where=str(source), hint="remove it")
        with source.open("rb", buffering=0) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell()
    except OSError as error:
        raise _unreadable(source, error) from error
    executable = bool(status.st_mode & stat.S_IXUSR)
    return ConnectorFile(path=path, source=source, size=size, executable=executable, digest=Digest(f"sha256:{digest}"))


def _link(source: Path, path: str) -> ConnectorFile:
    target = os.readlink(source)  # noqa: PTH115 - Path would rewrite what it says
    if target.startswith("/") or not is_printable(target):
        raise _leaving(source, target)
    try:
        source.stat()
    except OSError as error:
        raise SpecificationError(
            f"the symbolic link leads nowhere: it says {target[:200]!r}", where=str(source), hint="mend or remove it"
        ) from error
    digest = digest_of(target.encode())
    return ConnectorFile(path=path, source=source, size=0, executable=False, digest=digest, target=target)


def _check_parents(files: dict[str, ConnectorFile]) -> None:
    for path, file in files.items():
        for parent in parents(path):
            if parent in files:
                why = f"{file.source} would be below {parent}, which is {files[parent].source}"
                raise SpecificationError(why, hint="rename one, or leave one out")


def _check_links(files: dict[str, ConnectorFile], folder: Path) -> None:
    """Refuse links that leave the folder, or lead to what does not enter the image."""
    links = {path: file.target for path, file in files.items() if file.target}
    if not links:
        return
    folders = {parent for path in files for parent in parents(path)}
    inside = folder.resolve()
    for path, target in links.items():
        source = files[path].source
        if not source.resolve().is_relative_to(inside):
            raise _leaving(source, target)
        led = resolve(posixpath.normpath(posixpath.join(posixpath.dirname(path), target)), links)
        if led not in files and led not in folders:
            raise SpecificationError(
                f"the symbolic link leads to {target[:200]!r}, which does not enter the image",
                where=str(source),
                hint="copy the file instead, or add what the link leads to with include",
            )


def _leaving(source: Path, target: str) -> SpecificationError:
    return SpecificationError(
        f"the symbolic link leaves the connector's folder: it says {target[:200]!r}",
        where=str(source),
        hint="copy what it leads to into the folder",
    )


def _unreadable(path: Path, error: OSError) -> MachineError:
    return MachineError(
        f"cannot be read: {error.strerror or error}", where=str(path), hint="make it readable, or leave it out"
    )
