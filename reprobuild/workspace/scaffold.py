"""A first specification, from what is in a folder: the core of `reprobuild init`.

Finds connectors, and the base images that their metadata or Dockerfiles name; what cannot be built is left out
and told in a comment. What it writes is a specification that can be read.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprobuild.builder.connector import connector_files, is_left_out
from reprobuild.errors import ReprobuildError, SpecificationError
from reprobuild.oci.reference import Reference, RegistryReference, parse_reference
from reprobuild.store import replace_file
from reprobuild.workspace.airbyte import METADATA, metadata_base
from reprobuild.workspace.connector_folder import Folder, folder_connector, read_folder
from reprobuild.workspace.reader import workspace_table
from reprobuild.workspace.toml_table import parse_toml, read_text
from reprobuild.workspace.types import OWN_FILE, PYPROJECT, check_name

__all__ = ["scaffold", "scaffold_path", "write_scaffold"]

_DEEPEST = 3
"""How many folders down connectors are looked for."""
_PYTHONS = ("3.11", "3.12", "3.13", "3.10")
_IMAGE = "docker.io/library/python:{}-slim-bookworm"
_FROM = re.compile(r"FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*", re.IGNORECASE)

_HEAD = """\
# What reprobuild builds here. Next: `reprobuild lock update`, then commit the lock that it writes.
{table}# The platforms to build for; every base image must have them.
platforms = ["linux/amd64", "linux/arm64"]
"""
_FOLDERS = """\
# Folders of connectors, as paths or as patterns such as "connectors/*".
connectors = {folders}
"""
_BASE = """
# A base image to build on. Its digest is locked, so its tag may move without changing what you build.
[{prefix}base.{name}]
image = {image}
# The version of pip that the built image must have; without it, whatever the base has.
# pip = "25.3"
timezone = "UTC"
# Variables to add to those of the base.
# env = {{ LANG = "C.UTF-8" }}
"""
_OWN_BASE = """
# {name} is built on another base than the rest.
[{prefix}connector.{name}]
base = {base}
"""
_PUBLISHED = """
# A connector that is published as a distribution needs no folder:
# [{prefix}connector.source-notion]
# requirements = ["airbyte-source-notion==3.2.0"]
# entrypoint = ["source-notion"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Connectors that can be built with the images to define for them, None if metadata names one; and the rest."""

    connectors: tuple[tuple[Folder, Reference | None], ...]
    left_out: tuple[tuple[str, str], ...]


def scaffold(root: Path) -> str:
    """Return the text of a first specification of the folder *root*, to be added to `scaffold_path`."""
    prefix = "tool.reprobuild." if scaffold_path(root).name == PYPROJECT else ""
    found = _find(root)
    bases = _bases([image for _, image in found.connectors if image is not None])
    if not found.connectors:
        bases = _bases([parse_reference(_IMAGE.format(_PYTHONS[0]))])
    parts = [_HEAD.format(table=f"[{prefix[:-1]}]\n" if prefix else "")]
    if found.connectors:
        parts.append(_FOLDERS.format(folders=_listed(_patterns(root, found))))
    parts += [f"# left out: {label}: {why}\n" for label, why in found.left_out]
    for base, name in bases.items():
        parts.append(_BASE.format(prefix=prefix, name=json.dumps(name), image=json.dumps(str(base))))
    if len(bases) > 1:
        for folder, image in found.connectors:
            if image is not None:
                parts.append(_OWN_BASE.format(prefix=prefix, name=folder.name, base=json.dumps(bases[image])))
    return "".join([*parts, _PUBLISHED.format(prefix=prefix)])


def scaffold_path(root: Path) -> Path:
    """Return the file for a first specification: a `pyproject.toml` to add to, or a new `reprobuild.toml`.

    Raises SpecificationError if there is a specification already.
    """
    if (table := workspace_table(root)) is not None:
        raise SpecificationError(
            "there is a specification already", where=str(root / table.file), hint="edit it, or remove it first"
        )
    return root / (PYPROJECT if (root / PYPROJECT).is_file() else OWN_FILE)


def write_scaffold(root: Path) -> Path:
    """Write a first specification of *root* and return its file; what stands in there already is kept."""
    path, text = scaffold_path(root), scaffold(root)
    if path.exists():
        text = read_text(path, path.name).rstrip("\n") + "\n\n" + text
    # An inline `tool = {…}` could not be added to: nothing is written then.
    parse_toml(text, path.name)
    replace_file(path, text.encode())
    return path


def _find(root: Path) -> _Found:
    """Return the connectors below *root*, or *root* itself if it has none below."""
    taken: dict[str, tuple[Folder, Reference | None]] = {}
    implicit: dict[str, Reference] = {}
    left_out = []
    for path in list(_candidates(root)) or [path for path in [root] if _is_candidate(path)]:
        try:
            folder = _readable(path, root)
            if folder is None:
                continue
            if folder.name in taken:
                raise SpecificationError(f"called {folder.name}, like {taken[folder.name][0].label}")
            base = metadata_base(folder.metadata) if folder.metadata else None
            if base is not None and implicit.setdefault(base.name, base.image) != base.image:
                raise SpecificationError(f"its base {base.name} has another digest than in a folder before")
            taken[folder.name] = (folder, None if base else _image(folder, root))
        except ReprobuildError as error:
            left_out.append((path.relative_to(root).as_posix(), _why(error, path, root)))
    return _Found(connectors=tuple(taken.values()), left_out=tuple(left_out))


def _why(error: ReprobuildError, path: Path, root: Path) -> str:
    """Return why the connector in *path* is left out, in a line, and what may bring it in."""
    label = path.relative_to(root).as_posix()
    text = " ".join(str(error).split()).removeprefix(f"{label}: ")
    return f"{text}; try `reprobuild migrate {label}`" if (path / "Dockerfile").is_file() else text


def _candidates(folder: Path, depth: int = 1) -> Iterator[Path]:
    """Yield the folders below *folder* that look like connectors, by path, and do not look into those."""
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith(".") or is_left_out(path.name, folder=True)
        if hidden or path.is_symlink() or not path.is_dir() or (path / "pyvenv.cfg").exists():
            continue
        if _is_candidate(path):
            yield path
        elif depth < _DEEPEST:
            yield from _candidates(path, depth + 1)


def _is_candidate(path: Path) -> bool:
    named = any((path / name).is_file() for name in (PYPROJECT, "requirements.txt", "setup.py"))
    return (path / METADATA).is_file() or (named and (path / "main.py").is_file())


def _readable(path: Path, root: Path) -> Folder | None:
    """Return the connector in *path*, having tried all that a build would read of it."""
    folder = read_folder(path, root, named=False)
    if folder is not None:
        check_name(folder.name, "connector", folder.where)
        connector_files(folder_connector(folder, folder.settings, base="", platforms=()))
        if folder.settings.base is not None:
            raise SpecificationError(f"names a base of its own, {folder.settings.base}: define it, and add the folder")
    return folder


def _image(folder: Folder, root: Path) -> Reference:
    """Return the base image for *folder*: its Dockerfile's, the workspace's, or Python's own."""
    for dockerfile in (folder.path / "Dockerfile", root / "Dockerfile"):
        if dockerfile.is_file() and (image := _last_from(read_text(dockerfile, dockerfile.name))):
            return image
    return parse_reference(_IMAGE.format(_python(folder.project.python)))


def _last_from(dockerfile: str) -> Reference | None:
    """Return the image that the last stage of *dockerfile* starts from, if it can be told."""
    stages: dict[str, str] = {}
    image = ""
    for line in dockerfile.splitlines():
        if match := _FROM.fullmatch(line.strip()):
            image = stages.get(match[1].lower(), match[1])
            stages[(match[2] or "").lower()] = image
    try:
        reference = parse_reference(image) if image not in {"", "scratch"} and "$" not in image else None
    except SpecificationError:
        return None
    return reference if isinstance(reference, RegistryReference) else None


def _python(specifiers: str | None) -> str:
    if not specifiers:
        return _PYTHONS[0]
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - only here

    fitting = (python for python in _PYTHONS if SpecifierSet(specifiers).contains(f"{python}.9"))
    return next(fitting, _PYTHONS[0])


def _bases(images: Sequence[Reference]) -> dict[Reference, str]:
    """Return a name for each of *images*, such as python-3.11; those that would share one are numbered."""
    names: dict[Reference, str] = {}
    for image in dict.fromkeys(images):
        version = re.match(r"\d+(\.\d+)*", image.tag or "")
        last = str(image.repository if isinstance(image, RegistryReference) else image.path).rpartition("/")[2]
        word = f"{last}-{version[0] if version else image.tag or ''}".lower()
        name = stem = re.sub(r"[^a-z0-9._-]", "-", word).strip("._-")
        while name in names.values():
            name = f"{stem}-{sum(other.startswith(stem) for other in names.values()) + 1}"
        names[image] = name
    return names


def _patterns(root: Path, found: _Found) -> list[str]:
    """Return the paths of the connectors, as a pattern where it matches them and else nothing that is read."""
    paths = [folder.path for folder, _ in found.connectors]
    if paths == [root]:
        return ["."]
    patterns = []
    for parent in dict.fromkeys(path.parent for path in paths):
        mine = [path.relative_to(root).as_posix() for path in paths if path.parent == parent]
        whole = parent != root and all(path in paths or _is_skipped(path, root) for path in parent.iterdir())
        patterns += [f"{parent.relative_to(root).as_posix()}/*"] if whole else mine
    return sorted(patterns)


def _is_skipped(path: Path, root: Path) -> bool:
    """Say whether a pattern that matches *path* would pass over it."""
    try:
        return not path.is_dir() or read_folder(path, root, named=False) is None
    except ReprobuildError:
        return False


def _listed(patterns: list[str]) -> str:
    if len(patterns) == 1:
        return json.dumps(patterns, ensure_ascii=False)
    return "[\n" + "".join(f"    {json.dumps(pattern, ensure_ascii=False)},\n" for pattern in patterns) + "]"
