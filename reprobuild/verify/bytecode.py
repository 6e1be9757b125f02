"""Two .pyc files of one module → why they differ (PEP 552: sixteen bytes of header, then the marshalled code)."""

from reprobuild.verify.cause import Cause
from reprobuild.verify.metadata import when

__all__ = ["bytecode_cause"]

_HEADER = 16


def bytecode_cause(a: bytes, b: bytes) -> tuple[Cause, str]:
    """Return why the bytecode *a* is not *b*; the code itself is never loaded."""
    if len(a) < _HEADER or len(b) < _HEADER:
        return "bytecode", "one of them is cut short"
    if a[:4] != b[:4]:
        return "bytecode", f"compiled by other Pythons, magic numbers {_number(a, 0, 2)} and {_number(b, 0, 2)}"
    if a[4:8] != b[4:8]:
        return "bytecode", f"checked {_checked(a)} in one and {_checked(b)} in the other"
    if a[_HEADER:] != b[_HEADER:]:
        return "bytecode", "the code differs, and the header" if a[:_HEADER] != b[:_HEADER] else "the code differs"
    if _number(a, 4, 4):
        return "bytecode", "the hash of the source differs, the code does not"
    return "bytecode", f"the same code; the time of its source: {_time(a)} → {_time(b)}"


def _checked(data: bytes) -> str:
    flags = _number(data, 4, 4)
    if not flags & 1:
        return "by time"
    return "by hash" if flags & 2 else "never"


def _time(data: bytes) -> str:
    return when(_number(data, 8, 4))


def _number(data: bytes, start: int, size: int) -> int:
    return int.from_bytes(data[start : start + size], "little")
