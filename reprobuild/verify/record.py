"""RECORD files of installed distributions, read and compared (PyPA: "Recording installed projects")."""

import csv
import posixpath
from collections.abc import Iterator

from reprobuild.verify.cause import Cause

__all__ = ["record_cause", "record_hashes"]


def record_cause(a: bytes, b: bytes) -> tuple[Cause, str] | None:
    """Return why *a* is not *b*; None if they list other files, which only the files can explain."""
    mine, theirs = sorted(a.splitlines()), sorted(b.splitlines())
    if mine == theirs:
        return "RECORD order", f"{len(mine)} lines"
    old, new = _rows(a), _rows(b)
    differing = [path for path in old.keys() | new.keys() if old.get(path) != new.get(path)]
    if not differing:
        return "RECORD order", "the same rows, written otherwise"
    if all(path.endswith(".pyc") for path in differing):
        return "bytecode", f"RECORD lists {len(differing)} .pyc files, with other hashes or in one only"
    if all(posixpath.basename(path) in {"INSTALLER", "REQUESTED", "direct_url.json"} for path in differing):
        return "installer note", "RECORD lists the notes of another installer"
    return None


def record_hashes(data: bytes, place: str) -> dict[str, str]:
    """Return the hash that the RECORD *data*, at the path *place*, has for each path of the image; "" for none."""
    site = posixpath.dirname(posixpath.dirname(place))
    return {_inside(site, path): row[0] for path, row in _rows(data).items()}


def _inside(site: str, path: str) -> str:
    return posixpath.normpath(posixpath.join("/", site, path)).lstrip("/")


def _rows(data: bytes) -> dict[str, tuple[str, ...]]:
    text = data.decode("utf-8", "replace")
    return {row[0]: (*row[1:3], "", "")[:2] for row in _read(text) if row}


def _read(text: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(text.splitlines())
    except csv.Error:
        return
