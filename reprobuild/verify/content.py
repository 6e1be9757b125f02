"""Two contents of one path → why they differ, as far as bytes alone can tell. Nothing is executed or unpacked."""

from itertools import pairwise

from reprobuild.verify.archive_file import gzip_cause, zip_cause
from reprobuild.verify.bytecode import bytecode_cause
from reprobuild.verify.cause import Cause
from reprobuild.verify.record import record_cause
from reprobuild.verify.text import is_text, text_cause

__all__ = ["content_cause"]

Found = tuple[Cause, str]
"""A cause and a detail."""

_RUNS = 8
_SMALL_PART = 20
"""Values that someone wrote into a binary file are few, and at most a part in so many of it."""


def content_cause(path: str, a: bytes, b: bytes) -> Found:
    """Return why the file at *path* has the bytes *a* in one image and *b* in the other."""
    return _by_kind(path, a, b) or _by_bytes(a, b)


def _by_kind(path: str, a: bytes, b: bytes) -> Found | None:
    if path.endswith((".pyc", ".pyo")):
        return bytecode_cause(a, b)
    if path.endswith(".dist-info/RECORD"):
        return record_cause(a, b)
    if a.startswith(b"PK\3\4") and b.startswith(b"PK\3\4"):
        return zip_cause(a, b)
    if a.startswith(b"\x1f\x8b") and b.startswith(b"\x1f\x8b"):
        return gzip_cause(a, b)
    return text_cause(a, b) if is_text(a) and is_text(b) else None


def _by_bytes(a: bytes, b: bytes) -> Found:
    if len(a) != len(b):
        return "contents", f"{len(a)} bytes → {len(b)} bytes"
    differing = [place for place, (one, other) in enumerate(zip(a, b, strict=True)) if one != other]
    runs = 1 + sum(1 for one, other in pairwise(differing) if other > one + 8)
    detail = f"{len(differing)} of {len(a)} bytes, from offset {differing[0]}"
    if runs <= _RUNS and len(differing) * _SMALL_PART <= len(a):
        return "time or random value", detail
    return "contents", detail
