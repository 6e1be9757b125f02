"""Requirements (PEP 508) and sets of specifiers (PEP 440) in normal form, and what cannot be locked.

The normal form is that of `packaging`, with normalised names (PEP 503). Plain requirements, which are nearly all,
come to it without importing `packaging`: its import would be a good part of a build that has nothing to do.
"""

import re
from collections.abc import Iterable

from reprobuild.errors import SpecificationError

__all__ = ["canonical_name", "normal_requirement", "normal_requirements", "normal_specifiers", "pinned", "unlockable"]

_LONGEST = 4000
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_RELEASE = r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))"
_ONE = rf"(?:(?:>=|<=|==|!=|<|>)\s*{_RELEASE}*|~=\s*{_RELEASE}+|[!=]=\s*{_RELEASE}*\.\*)"
_SPECIFIERS = rf"{_ONE}(?:\s*,\s*{_ONE})*"
_PLAIN = re.compile(rf"\s*({_NAME})\s*({_SPECIFIERS})?\s*", re.ASCII)
_PLAIN_SPECIFIERS = re.compile(rf"\s*({_SPECIFIERS})?\s*", re.ASCII)
_PINNED = re.compile(r"([a-z0-9-]+)(?:\[[^]]*\])?={2,3}([^,;*\s]+)")
_PATH = re.compile(r"(?:\.{0,2}/|~/|[a-z+]+://|git\+|-e\s|[A-Za-z]:\\)")
_ARCHIVES = (".whl", ".zip", ".tar.gz")
_URL = re.compile(rf"\s*({_NAME})\s*(?:\[[^]]*\])?\s*@")


def canonical_name(name: str) -> str:
    """Return the normalised *name* of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def normal_requirements(texts: Iterable[str], *, where: str) -> tuple[str, ...]:
    """Return the requirements in normal form, sorted, each once."""
    return tuple(sorted({normal_requirement(text, where=where) for text in texts}))


def normal_requirement(text: str, *, where: str) -> str:
    """Return the requirement *text* in normal form; raise SpecificationError if it is invalid or not lockable."""
    if len(text) > _LONGEST:
        raise SpecificationError(f"a requirement is longer than {_LONGEST} characters", where=where)
    plain = None if text.rstrip().endswith(_ARCHIVES) else _PLAIN.fullmatch(text)
    if plain is not None and (specifiers := _in_order(plain[2] or "")) is not None:
        return canonical_name(plain[1]) + specifiers
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - see the module's words

    if direct := _URL.match(text):
        raise unlockable(direct[1], "a direct URL", where=where)
    if _PATH.match(text.strip()) or text.rstrip().endswith(_ARCHIVES):
        raise unlockable(_without_credentials(text), "a path or a URL", where=where)
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise _invalid("requirement", text, error, where, '"httpx>=0.27,<1"') from error
    requirement.name = canonical_name(requirement.name)
    requirement.extras = {canonical_name(extra) for extra in requirement.extras}
    return str(requirement)


def normal_specifiers(text: str, *, where: str) -> str:
    """Return the set of version specifiers *text* in normal form."""
    plain = _PLAIN_SPECIFIERS.fullmatch(text)
    if plain is not None and (specifiers := _in_order(plain[1] or "")) is not None:
        return specifiers
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 - see the module's words

    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier as error:
        raise _invalid("set of version specifiers", text, error, where, '">=3.11,<3.14"') from error


def pinned(requirement: str) -> tuple[str, str] | None:
    """Return the name and the version that *requirement*, in normal form, pins exactly, or None."""
    found = _PINNED.fullmatch(requirement.partition(";")[0].strip())
    return (found[1], found[2]) if found else None


def unlockable(name: str, what: str, *, where: str) -> SpecificationError:
    """Return the error that the requirement *name* is not a version from an index but *what*."""
    return SpecificationError(
        f"{name} is required from {what}, which cannot be locked: only versions from an index can",
        where=where,
        hint="publish it to your index and require a version of it, or copy its package folder in with `packages`",
    )


def _in_order(specifiers: str) -> str | None:
    """Return plain *specifiers* as `packaging` would write them; None if an operator stands twice."""
    ones = [re.sub(r"\s+", "", one) for one in specifiers.split(",")] if specifiers else []
    operators = {one.rstrip("0123456789.*") for one in ones}
    return ",".join(sorted(ones)) if len(operators) == len(ones) else None


def _invalid(what: str, text: str, error: Exception, where: str, example: str) -> SpecificationError:
    why = str(error).strip().splitlines()[0]
    return SpecificationError(
        f"not a {what}: {_without_credentials(text)} ({why})",
        where=where,
        hint=f"write it like {example}, as PEP 508 says",
    )


def _without_credentials(text: str) -> str:
    return repr(re.sub(r"://[^/\s]*@", "://", text.strip())[:200])
