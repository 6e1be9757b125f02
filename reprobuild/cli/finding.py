"""What `reprobuild doctor` found out about one thing."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Mark"]


class Mark(StrEnum):
    """Works; works, but look at it; does not work and is needed."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at, how it is, and the next step if it is not well."""

    name: str
    mark: Mark
    message: str
    hint: str | None = None
