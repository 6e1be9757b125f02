"""When a request is worth another try, and how long to wait before it.

Exponential backoff with jitter, or what Retry-After asks for (RFC 9110 §10.2.3), a minute at most.
"""

import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

import anyio

from reprobuild.errors import NetworkError

__all__ = ["TRANSIENT", "Patience", "Tries", "retry_after"]

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""The HTTP statuses that may be others in a moment."""

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for a registry, in seconds, and how often to try.

    ``read`` is the longest silence within an answer, ``commit`` the one before the answer to what was uploaded, which a
    registry may have to move first. ``sleep``, ``chance`` (0 to 1) and ``now`` (seconds
    since 1970) are the world's; tests bring their own.
    """

    connect: float = 10.0
    read: float = 30.0
    commit: float = 120.0
    tries: int = 5
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    chance: Callable[[], float] = random.random
    now: Callable[[], float] = time.time

    def delay(self, failures: int, asked: str | None) -> float:
        """Return the seconds to wait after *failures* tries, *asked* being the last answer's Retry-After."""
        wish = retry_after(asked, now=self.now()) if asked else None
        if wish is not None:
            return min(wish, _LONGEST_WAIT)
        longest = min(_FIRST_WAIT * 2.0**failures, _LONGEST_WAIT)
        return longest * (0.5 + 0.5 * self.chance())


class Tries:
    """The tries that one operation has; connecting and reading share them."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._failures = 0

    def renew(self) -> None:
        """Begin to count anew, since there has been progress."""
        self._failures = 0

    async def again(self, error: NetworkError, asked: str | None = None) -> None:
        """Wait before the next try; raise *error* if that was the last one."""
        self._failures += 1
        if self._failures >= self._patience.tries:
            error.message += f" (tried {self._failures} times)" if self._failures > 1 else ""
            raise error
        await self._patience.sleep(self._patience.delay(self._failures - 1, asked))


def retry_after(value: str, *, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, from seconds or an HTTP date; None if malformed."""
    text = value.strip()
    if re.fullmatch(r"[0-9]+", text):
        return float(text[:12]) if len(text) <= 12 else _LONGEST_WAIT
    try:
        date = parsedate_to_datetime(text)
        moment = date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return max(0.0, moment - now)
