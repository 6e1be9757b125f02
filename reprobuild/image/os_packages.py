"""The packages that an image's own databases list: dpkg's (dpkg-query(1)) and apk's (apk-package(5)).

Read from a tree that has the databases' contents. What is no paragraph of a package is passed over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from reprobuild.image.tree import ImageTree

__all__ = ["OsPackage", "apk_packages", "dpkg_packages", "has_os_packages"]

_STATUS = "var/lib/dpkg/status"
_STATUS_FOLDER = "var/lib/dpkg/status.d"
"""Images that were made without dpkg have a folder with a file for each package."""
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
"""Usually one file, since lib is a link."""
_PARAGRAPHS = re.compile(r"\n[ \t\r]*\n")
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class OsPackage:
    """A package of a distribution; ``kind`` is that of its file, ``database`` the stored path where it is listed.

    ``version`` is as its tools write it. ``source`` is the name of the source package where it is another one, with
    ``@`` and its version where that is another one; of rpm, its file. ``license`` is what is said, in any form.
    """

    kind: Literal["deb", "apk", "rpm"]
    name: str
    version: str
    database: str
    architecture: str = ""
    source: str = ""
    license: str = ""
    epoch: str = ""


def has_os_packages(tree: ImageTree) -> bool:
    """Say whether *tree* has a database of dpkg's or apk's."""
    return any(tree.find(path) is not None for path in (_STATUS, _STATUS_FOLDER, *_APK))


def dpkg_packages(tree: ImageTree) -> Iterator[OsPackage]:
    """Yield what dpkg says is installed in *tree*."""
    folder = tree.find(_STATUS_FOLDER)
    names = tree.names(folder.path) if folder is not None else []
    for path in (_STATUS, *(f"{_STATUS_FOLDER}/{name}" for name in names)):
        for database, fields in _paragraphs(tree, path, ": "):
            # Without a status: a package of an image that dpkg has never run in.
            state = fields.get("Status", "installed").split(" ")[-1]
            if state == "installed" and fields.get("Package") and fields.get("Version"):
                yield OsPackage(
                    kind="deb",
                    name=fields["Package"],
                    version=fields["Version"],
                    database=database,
                    architecture=fields.get("Architecture", ""),
                    source=_debian_source(fields),
                )


def apk_packages(tree: ImageTree) -> Iterator[OsPackage]:
    """Yield what apk says is installed in *tree*."""
    places = {found.path: path for path in reversed(_APK) if (found := tree.find(path)) is not None}
    for path in sorted(places.values()):
        for database, fields in _paragraphs(tree, path, ":"):
            if fields.get("P") and fields.get("V"):
                origin = fields.get("o", "")
                yield OsPackage(
                    kind="apk",
                    name=fields["P"],
                    version=fields["V"],
                    database=database,
                    architecture=fields.get("A", ""),
                    source=origin if origin != fields["P"] else "",
                    license=fields.get("L", ""),
                )


def _debian_source(fields: dict[str, str]) -> str:
    """Return the source package in the words of `OsPackage`: the field has ``glibc`` or ``gcc-12 (12.2.0-14)``."""
    found = _SOURCE.fullmatch(fields.get("Source", ""))
    if found is None:
        return ""
    return f"{found[1]}@{found[2]}" if found[2] else found[1]


def _paragraphs(tree: ImageTree, path: str, colon: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the fields of every paragraph of *path* with where that really is.

    Of a field that stands twice the first is taken, and no continuations.
    """
    found = tree.find(path)
    content = found.node.content if found is not None else None
    if found is None or content is None:
        return
    for paragraph in _PARAGRAPHS.split(content.decode("utf-8", "replace")):
        fields: dict[str, str] = {}
        for line in paragraph.split("\n"):
            name, separator, value = line.partition(colon)
            if separator and not line.startswith((" ", "\t")):
                fields.setdefault(name, value.strip())
        yield found.path, fields
