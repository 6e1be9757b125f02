"""Poetry's dependency specifications → PEP 508, for `pyproject.toml` files that have no `[project]` of their own.

Poetry adds to PEP 440 the caret (``^1.2``: up to the next change of the leftmost number that is not zero), the
tilde (``~1.2``), bare versions, ``1.2.*`` without an operator, and ``||``. The last has no counterpart in PEP 440:
it becomes ``or`` where it ends up in a marker, and is an error where it would have to be a version.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reprobuild.errors import SpecificationError
from reprobuild.workspace.requirement import canonical_name, normal_requirements, normal_specifiers, unlockable

__all__ = ["dependency_requirements", "python_specifiers", "refuse_unlockable", "version_specifiers"]

_TERM = re.compile(r"\s*(\^|~=|~|==?|!=|<>|<=|>=|<|>)?\s*((?:\d+!)?[^\s,|^~=!<>]+)\s*(?:,|(?=\s|$))")
_VERSION = re.compile(r"v?((?:\d+!)?)(\d+(?:\.\d+)*)((?:\.\*)?|[-_.+]?[a-z0-9][a-z0-9._+-]*)", re.ASCII)
_PLATFORM = re.compile(r"\s*(==?|!=)?\s*([A-Za-z0-9_-]+)\s*")
_ELSEWHERE = {"git": "a git repository", "path": "a path", "file": "a file", "url": "a direct URL"}
_KNOWN = ("version", "extras", "markers", "python", "platform", "optional", "source", "allow-prereleases")
_LONGEST = 1000
"""Characters in a constraint, at most."""
_PYTHONS = tuple(f"3.{minor}.{patch}" for minor in range(60) for patch in (0, 40))


@dataclass(frozen=True, slots=True)
class _Bound:
    """One comparison of PEP 440; ``release`` is the version's, ``suffix`` what follows it, such as ``.*``."""

    operator: str
    epoch: str
    release: tuple[int, ...]
    suffix: str = ""

    @property
    def version(self) -> str:
        return self.epoch + ".".join(map(str, self.release)) + self.suffix

    def __str__(self) -> str:
        return self.operator + self.version


def dependency_requirements(dependencies: Mapping[str, Any], *, where: str) -> tuple[str, ...]:
    """Return the table ``[tool.poetry.dependencies]`` as requirements in normal form, without Python's.

    Optional dependencies are left out, as they are when no extra is asked for. Raises SpecificationError that
    names the dependency for what cannot be said or locked; *where* is the file and the table's key path.
    """
    refuse_unlockable(dependencies, where=where)
    found = [text for name, one in _each(dependencies) for text in _requirement(name, one, f"{where}.{name}")]
    return normal_requirements(found, where=where)


def refuse_unlockable(dependencies: Mapping[str, Any], *, where: str) -> None:
    """Raise SpecificationError if one of *dependencies*, and not an optional one, is no version from an index."""
    for name, one in _each(dependencies):
        if isinstance(one, dict) and one.get("optional") is not True:
            for key, what in _ELSEWHERE.items():
                if key in one:
                    raise unlockable(name, what, where=f"{where}.{name}")


def python_specifiers(constraint: str, *, where: str) -> str:
    """Return Poetry's constraint on Python as a set of specifiers; what it says of Python 2 is left out."""
    alternatives = _alternatives(constraint, where)
    if len(alternatives) > 1:
        alternatives = [one for one in alternatives if _allows_python_3(one)]
    return _conjunction(alternatives, constraint, where)


def version_specifiers(constraint: str, *, where: str) -> str:
    """Return Poetry's version *constraint* as a set of specifiers in normal form, empty for ``*``."""
    return _conjunction(_alternatives(constraint, where), constraint, where)


def _each(dependencies: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield each dependency but Python, and each alternative of one that has several."""
    for name, value in dependencies.items():
        if canonical_name(name) != "python":
            for one in value if isinstance(value, list) else [value]:
                yield name, one


def _requirement(name: str, value: object, where: str) -> Iterator[str]:
    table = {"version": value} if isinstance(value, str) else value
    if not isinstance(table, dict):
        raise SpecificationError("must be a version or a table", where=where)
    if table.get("optional") is True:
        return
    _check_keys(table, where)
    specifiers = version_specifiers(table["version"], where=where)
    if table.get("allow-prereleases") is True:
        specifiers = _with_prereleases(specifiers)
    extras = ",".join(table.get("extras", []))
    marker = _marker(table, where)
    yield name + (f"[{extras}]" if extras else "") + specifiers + (f" ; {marker}" if marker else "")


def _check_keys(table: Mapping[str, Any], where: str) -> None:
    for key, value in table.items():
        if key not in _KNOWN:
            raise SpecificationError(f"unknown key {key!r}", where=where, hint=f"known: {', '.join(_KNOWN)}")
        kinds = {"extras": list, "optional": bool, "allow-prereleases": bool}
        if not isinstance(value, kinds.get(key, str)):
            raise SpecificationError(f"{key} is of the wrong type", where=where)
    if not all(isinstance(extra, str) for extra in table.get("extras", [])):
        raise SpecificationError("extras must be a list of strings", where=where)
    if "version" not in table:
        raise SpecificationError("has no version", where=where, hint='write version = "*" if any will do')


def _with_prereleases(specifiers: str) -> str:
    """Return *specifiers* with one that excludes nothing but names a prerelease, which is how PEP 440 allows them."""
    return ",".join(part for part in (specifiers, ">=0.dev0") if part)


def _marker(table: Mapping[str, Any], where: str) -> str:
    """Return the marker that the keys ``markers``, ``python`` and ``platform`` amount to together."""
    parts = [table.get("markers", "")]
    if "python" in table:
        parts.append(_any(_python_marker(one) for one in _alternatives(table["python"], where)))
    if "platform" in table:
        parts.append(_platform_marker(table["platform"], where))
    return " and ".join(f"({part})" if " or " in part else part for part in parts if part)


def _any(markers: Iterator[str]) -> str:
    found = list(markers)
    return "" if "" in found else " or ".join(f"({marker})" if len(found) > 1 else marker for marker in found)


def _python_marker(bounds: list[_Bound]) -> str:
    return " and ".join(f'{variable} {bound.operator} "{bound.version}"' for variable, bound in _python_terms(bounds))


def _python_terms(bounds: list[_Bound]) -> Iterator[tuple[str, _Bound]]:
    """Yield each bound with the variable to compare; ``python_version`` knows two numbers only."""
    for bound in bounds:
        short = len(bound.release) <= 2 and not bound.suffix
        minor = len(bound.release) == 2 and bound.suffix in {"", ".*"}
        if bound.operator in {"==", "!="} and minor:
            yield "python_version", _Bound(bound.operator, bound.epoch, bound.release)
        elif short and bound.operator in {"==", "!="}:
            yield "python_full_version", _Bound(bound.operator, bound.epoch, bound.release, ".*")
        elif short and bound.operator in {">=", "<"}:
            yield "python_version", bound
        else:
            yield "python_full_version", bound


def _platform_marker(platform: str, where: str) -> str:
    groups = []
    for alternative in platform.split("||"):
        terms = [_PLATFORM.fullmatch(term) for term in alternative.split(",")]
        if None in terms:
            raise SpecificationError(f"not a platform: {platform[:100]!r}", where=where, hint='write it like "linux"')
        groups.append(
            " and ".join(f'sys_platform {"!=" if term[1] == "!=" else "=="} "{term[2]}"' for term in terms if term)
        )
    return _any(iter(groups))


def _allows_python_3(bounds: list[_Bound]) -> bool:
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - rare

    return any(SpecifierSet(",".join(map(str, bounds))).filter(_PYTHONS))


def _conjunction(alternatives: list[list[_Bound]], constraint: str, where: str) -> str:
    if len(alternatives) != 1:
        raise SpecificationError(
            f"{constraint[:200]!r} says `or`, which a requirement of PEP 508 cannot",
            where=where,
            hint="write one range, and leave out single versions with !=",
        )
    return normal_specifiers(",".join(map(str, alternatives[0])), where=where)


def _alternatives(constraint: str, where: str) -> list[list[_Bound]]:
    """Return what *constraint* allows: any of the lists, in which all bounds hold."""
    return [list(_bounds(part, constraint, where)) for part in re.split(r"\|\|?", constraint)]


def _bounds(part: str, constraint: str, where: str) -> Iterator[_Bound]:
    position = 0
    part = part.strip()
    while position < len(part) <= _LONGEST:
        term = _TERM.match(part, position)
        bounds = _term(term[1] or "", term[2].lower()) if term else None
        if term is None or bounds is None:
            break
        yield from bounds
        position = term.end()
    if position < len(part) or not part or len(part) > _LONGEST:
        raise SpecificationError(
            f"not a version constraint: {constraint[:200]!r}", where=where, hint='write it like "^1.2" or ">=1.2,<2"'
        )


def _term(operator: str, text: str) -> list[_Bound] | None:
    """Return the bounds that one operator and version stand for, None if they make no sense together."""
    if text in {"*", "x"}:
        return [] if operator in {"", "=", "=="} else None
    found = _VERSION.fullmatch(re.sub(r"\.x$", ".*", text))
    if found is None or not _is_suffix(found[3]):
        return None
    epoch, release, suffix = found[1], tuple(map(int, found[2].split("."))), found[3]
    operator = {"": "==", "=": "==", "<>": "!="}.get(operator, operator)
    if (suffix == ".*" and operator not in {"==", "!="}) or (operator == "~=" and len(release) == 1):
        return None
    bound = _Bound(operator, epoch, release, suffix)
    if operator not in {"^", "~"}:
        return [bound]
    kept = _first_change(release) if operator == "^" else min(len(release), 2)
    above = (*release[: kept - 1], release[kept - 1] + 1)
    return [_Bound(">=", epoch, release, suffix), _Bound("<", epoch, above)]


def _first_change(release: tuple[int, ...]) -> int:
    """Return how many of the first three numbers a caret keeps from growing: up to the first that is not zero."""
    first = release[:3]
    return next((count for count, number in enumerate(first, start=1) if number), len(first))


def _is_suffix(suffix: str) -> bool:
    if suffix in {"", ".*"}:
        return True
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415 - pre- and post-releases are rare

    try:
        Version(f"1{suffix}")
    except InvalidVersion:
        return False
    return True
