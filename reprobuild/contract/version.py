"""Versions as programs tell them, held against what is wanted of them."""

import re

__all__ = ["agrees", "told_version"]

_DOTTED = re.compile(r"(?<![0-9A-Za-z._])v?([0-9]{1,9}(?:\.[0-9]{1,9})+(?:[a-z]{1,4}[0-9]{0,9})?)(?![0-9A-Za-z])")
_WHOLE = re.compile(r"(?<![0-9A-Za-z._])v?([0-9]{1,9})(?![0-9A-Za-z._])")
_OPERATORS = ("==", "!=", "<=", ">=", "~=", "<", ">")
_MOST = 10_000
"""Characters of an output that are looked at: the version stands at its beginning."""


def told_version(output: str) -> str | None:
    """Return the version that a program's *output* tells: the first word like 1.2 or v1.2.3a1, else a number."""
    head = output[:_MOST]
    found = _DOTTED.search(head) or _WHOLE.search(head)
    return found[1] if found else None


def agrees(version: str, wanted: str) -> bool:
    """Say whether *version* is what is *wanted*: ``*``, a version, ``5.2.*``, or specifiers of PEP 440.

    ``5.2.*`` is 5.2 and all that begins with ``5.2.``.
    """
    if wanted.startswith(_OPERATORS):
        return _satisfies(version, wanted)
    if wanted in {"*", version}:
        return True
    if wanted.endswith(".*"):
        return version == wanted[:-2] or version.startswith(wanted[:-1])
    return _satisfies(version, f"=={wanted}")


def _satisfies(version: str, specifiers: str) -> bool:
    """Say whether PEP 440 has *version* among *specifiers*; not if one of them is nothing that it knows."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 - only where a base has a contract
    from packaging.version import InvalidVersion  # noqa: PLC0415

    try:
        return SpecifierSet(specifiers).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False
