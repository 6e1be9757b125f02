"""What a check of a contract came to."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Outcome"]

Outcome = Literal["passed", "failed", "unchecked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check by its name, such as ``writable /airbyte``; how it went; what was found, in words.

    ``unchecked`` is neither: what would have told could not be looked at, or run, here.
    """

    check: str
    outcome: Outcome
    found: str = ""

    def __str__(self) -> str:
        return f"{self.check}: {self.found}"
