"""The packages that an image's own databases list: dpkg's (dpkg-query(1)) and apk's (apk-package(5))."""

import re
from collections.abc import Iterator

from reprobuild.contract.facts import Facts

__all__ = ["installed_packages"]

_STATUS = "/var/lib/dpkg/status"
_STATUS_FOLDER = "/var/lib/dpkg/status.d"
_APK = "/lib/apk/db/installed"
_PARAGRAPHS = re.compile(r"\n[ \t\r]*\n")


def installed_packages(facts: Facts) -> dict[str, frozenset[str]] | None:
    """Return the versions of every package by its name, None if there is no database.

    A package may be there for several architectures. What is no paragraph of a package is passed over.
    """
    tree = facts.tree
    if tree is None or not any(tree.find(path) for path in (_STATUS, _STATUS_FOLDER, _APK)):
        return None
    found: dict[str, set[str]] = {}
    for name, version in (*_dpkg(facts), *_apk(facts)):
        found.setdefault(name, set()).add(version)
    return {name: frozenset(versions) for name, versions in found.items()}


def _dpkg(facts: Facts) -> Iterator[tuple[str, str]]:
    folder = facts.tree.find(_STATUS_FOLDER) if facts.tree is not None else None
    names = facts.tree.names(folder.path) if folder is not None and facts.tree is not None else []
    for path in (_STATUS, *(f"{_STATUS_FOLDER}/{name}" for name in names)):
        for fields in _paragraphs(facts.content(path), ": "):
            # Without a status: a package of an image that dpkg has never run in.
            state = fields.get("Status", "installed").split(" ")[-1]
            if state == "installed" and "Package" in fields and "Version" in fields:
                yield fields["Package"], fields["Version"]


def _apk(facts: Facts) -> Iterator[tuple[str, str]]:
    for fields in _paragraphs(facts.content(_APK), ":"):
        if "P" in fields and "V" in fields:
            yield fields["P"], fields["V"]


def _paragraphs(content: bytes, colon: str) -> Iterator[dict[str, str]]:
    """Yield the fields of every paragraph; of a field that stands twice the first, and no continuations."""
    for paragraph in _PARAGRAPHS.split(content.decode("utf-8", "replace")):
        fields: dict[str, str] = {}
        for line in paragraph.split("\n"):
            name, separator, value = line.partition(colon)
            if separator and not line.startswith((" ", "\t")):
                fields.setdefault(name, value.strip())
        yield fields
