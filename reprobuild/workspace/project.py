"""What a folder says of itself as a Python project: `pyproject.toml` in either dialect, and `requirements.txt`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprobuild.errors import SpecificationError
from reprobuild.workspace.requirement import canonical_name, normal_requirements, normal_specifiers
from reprobuild.workspace.toml_table import Table, read_toml
from reprobuild.workspace.types import PYPROJECT, REQUIREMENTS_TXT

__all__ = ["Project", "listed_requirements", "pin_file", "read_project"]

_PIN_FILES = ("poetry.lock", "uv.lock", "pylock.toml", REQUIREMENTS_TXT)
_SETUP = ("setup.py", "setup.cfg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Name (normalised), version, specifiers for Python, and requirements, None where `pyproject.toml` says nothing.

    ``packages`` pairs folders of the project with the paths under which a wheel would have them. ``own`` is
    the file's ``[tool.reprobuild]``.
    """

    name: str | None = None
    version: str | None = None
    python: str | None = None
    requirements: tuple[str, ...] | None = None
    packages: tuple[tuple[str, str], ...] = ()
    own: Mapping[str, Any] | None = None


def read_project(folder: Path, label: str) -> Project:
    """Return what `pyproject.toml` in *folder*, which errors call *label*, says, an empty Project without one."""
    path, file = folder / PYPROJECT, f"{label}/{PYPROJECT}"
    return _project(Table(read_toml(path, file), file)) if path.is_file() else Project()


def listed_requirements(folder: Path, label: str) -> tuple[str, ...] | None:
    """Return what `requirements.txt` in *folder*, which errors call *label*, lists; None if that is not all there is.

    It is not if there is no such file, or if it lists the folder itself (``-e .``), of which only `setup.py` tells.
    """
    if not (folder / REQUIREMENTS_TXT).is_file():
        return None
    from reprobuild.workspace.requirements_txt import read_requirements_txt  # noqa: PLC0415 - most have no such file

    listed = read_requirements_txt(folder, label)
    is_told_elsewhere = listed.names_itself and any((folder / name).is_file() for name in _SETUP)
    return None if is_told_elsewhere else listed.requirements


def pin_file(folder: Path) -> tuple[Path, ...]:
    """Return the lock file of another tool in *folder*, the one that says most, or nothing."""
    return tuple(folder / name for name in _PIN_FILES if (folder / name).is_file())[:1]


def _project(root: Table) -> Project:
    """Return the project of a `pyproject.toml`; where both dialects are there, the standard one goes first."""
    tool = root.table("tool") or Table({}, root.file)
    standard, poetry = root.table("project"), tool.table("poetry")
    one = _standard(standard) if standard is not None else Project()
    other = _poetry(poetry, enriching=one.requirements is not None) if poetry is not None else Project()
    return Project(
        name=one.name or other.name,
        version=one.version or other.version,
        python=one.python or other.python,
        requirements=other.requirements if one.requirements is None else one.requirements,
        packages=other.packages,
        own=tool.get("reprobuild", dict),
    )


def _standard(table: Table) -> Project:
    name, python, dependencies = table.text("name"), table.text("requires-python"), table.texts("dependencies")
    return Project(
        name=canonical_name(name) if name else None,
        version=table.text("version"),
        python=normal_specifiers(python, where=table.where("requires-python")) if python else None,
        requirements=None
        if dependencies is None
        else normal_requirements(dependencies, where=table.where("dependencies")),
    )


def _poetry(table: Table, *, enriching: bool) -> Project:
    """Return Poetry's own dialect; where it only enriches the standard one, its dependencies may lack versions."""
    from reprobuild.workspace.poetry import (  # noqa: PLC0415 - most projects are not Poetry's
        dependency_requirements,
        python_specifiers,
        refuse_unlockable,
    )

    name, dependencies = table.text("name"), table.table("dependencies")
    python = dependencies.text("python") if dependencies else None
    requirements = None
    if dependencies is not None and enriching:
        refuse_unlockable(dependencies.value, where=dependencies.where())
    elif dependencies is not None:
        requirements = dependency_requirements(dependencies.value, where=dependencies.where())
    return Project(
        name=canonical_name(name) if name else None,
        version=table.text("version"),
        python=python_specifiers(python, where=table.where("dependencies", "python")) if python else None,
        requirements=requirements,
        packages=tuple(dict.fromkeys(_packages(table))),
    )


def _packages(table: Table) -> list[tuple[str, str]]:
    """Return the packages that Poetry would put into a wheel; of a pattern, the folder that it begins with."""
    found = []
    for item in table.get("packages", list) or []:
        package = Table(item if isinstance(item, dict) else {}, table.file, (*table.path, "packages"))
        include, below, to = package.text("include"), package.text("from"), package.text("to")
        if include is None:
            raise SpecificationError("needs include", where=package.where())
        if package.value.get("format") not in ("sdist", ["sdist"]):
            name = include.split("*")[0].rpartition("/")[0] if "*" in include else include
            source, target = (package.below("include", f"{head}/{name}" if head else name) for head in (below, to))
            found.append((source, target))
    return found
