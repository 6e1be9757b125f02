"""A folder's `requirements.txt` as a list of requirements: what pip's format says beside that is refused by name."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reprobuild.errors import SpecificationError
from reprobuild.workspace.requirement import normal_requirement, unlockable
from reprobuild.workspace.toml_table import read_text
from reprobuild.workspace.types import REQUIREMENTS_TXT

__all__ = ["RequirementsTxt", "read_requirements_txt"]


_COMMENT = re.compile(r"(^|\s)#.*")
_HASH = re.compile(r"\s--hash[= ]\S+")
_MOST_FILES = 20
_ITSELF = re.compile(r"(?:-e\s*|--editable[\s=]\s*)?(?:file:)?\./*(?:\[[^\]]*\])?")
"""The project that the file lies in, as in ``-e .`` and ``.[tests]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementsTxt:
    """What a file lists, in normal form. *names_itself* says whether the project around it is on the list as well."""

    requirements: tuple[str, ...]
    names_itself: bool = False


def read_requirements_txt(folder: Path, label: str, *, name: str = REQUIREMENTS_TXT) -> RequirementsTxt:
    """Return what the file *name* in *folder* lists, and the files that it includes.

    *label* is what errors call the folder. Hashes are left to the lock. Raises SpecificationError with file and
    line for options and for what cannot be locked.
    """
    found: set[str] = set()
    first, waiting, read = name, [name], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in read:
            read.add(name)
            found.update(_requirements(folder, name, label, waiting))
        if len(read) > _MOST_FILES:
            raise SpecificationError(f"includes more than {_MOST_FILES} files", where=f"{label}/{first}")
    return RequirementsTxt(requirements=tuple(sorted(found - {"."})), names_itself="." in found)


def _requirements(folder: Path, file: str, label: str, waiting: list[str]) -> Iterator[str]:
    """Yield what *file* lists, ``.`` for the project itself; files that it includes go to *waiting*."""
    path, place = folder / file, f"{label}/{file}"
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise SpecificationError("is not a file of the connector's folder", where=place)
    for number, line in _logical_lines(read_text(path, place)):
        content, where = _HASH.sub("", _COMMENT.sub("", line)).strip(), f"{place}, line {number}"
        option, _, value = content.replace("=", " ", 1).partition(" ") if content.startswith("-") else ("", "", "")
        if _ITSELF.fullmatch(content):
            yield "."
        elif option in {"-r", "--requirement"}:
            waiting.append(posixpath.normpath(posixpath.join(posixpath.dirname(file), value.strip())))
        elif option in {"-e", "--editable"}:
            raise unlockable(value.strip(), "a path", where=where)
        elif option:
            raise SpecificationError(
                f"the option {option} is not used: which index is asked is a matter of your configuration",
                where=where,
                hint="remove it here, and configure the index as pip or uv want it; write pins as requirements",
            )
        elif content:
            yield normal_requirement(content, where=where)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines, those that end in a backslash together with the next, with the number of the first."""
    start, held = 1, ""
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if line.endswith("\\"):
            held += line[:-1] + " "
        else:
            yield start, held + line
            start, held = number + 1, ""
