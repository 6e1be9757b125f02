"""What a connector requires, as its Dockerfile installs it: from `pyproject.toml`, lists of requirements, `setup.py`.

All of them are read, and none is run.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprobuild.analysis.installs import INSTALLERS
from reprobuild.analysis.setup_py import setup_cfg_requirements, setup_requirements
from reprobuild.errors import SpecificationError
from reprobuild.workspace.project import Project, listed_requirements
from reprobuild.workspace.requirement import normal_requirements
from reprobuild.workspace.requirements_txt import read_requirements_txt
from reprobuild.workspace.toml_table import read_text
from reprobuild.workspace.types import REQUIREMENTS_TXT

__all__ = ["ConnectorRequirements", "connector_requirements"]

_ITSELF = re.compile(r"(?:-e )?(?:\.|/airbyte/integration_code)/*(?:\[[^\]]*\])?")
"""What pip is told for the connector's own folder."""
_SETUP_PY, _SETUP_CFG = "setup.py", "setup.cfg"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorRequirements:
    """In normal form; ``found`` is None if nobody can tell without running `setup.py`.

    *is_own* says whether a build finds the same without being told.
    """

    found: tuple[str, ...] | None
    is_own: bool


def connector_requirements(
    folder: Path, label: str, project: Project, installed: Sequence[str]
) -> ConnectorRequirements:
    """Return what the connector in *folder*, which errors call *label*, requires; *project* is its `pyproject.toml`.

    *installed* is what the Dockerfile installs, as pip would call it: if that is lists, these count, and no others;
    if it is distributions by name, nothing else does, and they are not among what is found.
    """
    lists = [name.removeprefix("-r ") for name in installed if name.startswith("-r ")]
    whole = any(_ITSELF.fullmatch(name) for name in installed)
    if not lists and not whole:
        if any(re.split(r"[=<>~!\[]", name)[0].strip() not in INSTALLERS for name in installed):
            return ConnectorRequirements(found=(), is_own=False)
        if (folder / REQUIREMENTS_TXT).is_file() and project.requirements is None:
            lists = [REQUIREMENTS_TXT]
    found = set[str]()
    for name in dict.fromkeys(_places(folder, lists)):
        listed = read_requirements_txt(folder, label, name=name)
        found |= set(listed.requirements)
        whole |= listed.names_itself
    if whole or not lists:
        own = _of_the_project(folder, label, project)
        if own is None:
            return ConnectorRequirements(found=None, is_own=False)
        found |= set(own)
    requirements = tuple(sorted(found))
    return ConnectorRequirements(found=requirements, is_own=requirements == _found_by_a_build(folder, label, project))


def _places(folder: Path, lists: Iterable[str]) -> Iterator[str]:
    """Yield where *lists* are in *folder*: an image may have them anywhere."""
    for text in lists:
        name = posixpath.normpath(text).removeprefix("/airbyte/integration_code/").lstrip("/")
        yield name if (folder / name).is_file() else posixpath.basename(name)


def _of_the_project(folder: Path, label: str, project: Project) -> tuple[str, ...] | None:
    """Return what is required by whoever installs *folder* itself; None if it takes running `setup.py` to know."""
    if project.requirements is not None:
        return project.requirements
    said: tuple[str, ...] | None = ()
    if (folder / _SETUP_PY).is_file():
        said = setup_requirements(read_text(folder / _SETUP_PY, f"{label}/{_SETUP_PY}"))
    if not said and (folder / _SETUP_CFG).is_file():
        said = setup_cfg_requirements(read_text(folder / _SETUP_CFG, f"{label}/{_SETUP_CFG}")) or said
    return None if said is None else normal_requirements(said, where=f"{label}/{_SETUP_PY}")


def _found_by_a_build(folder: Path, label: str, project: Project) -> tuple[str, ...] | None:
    try:
        return listed_requirements(folder, label) if project.requirements is None else project.requirements
    except SpecificationError:
        return None
