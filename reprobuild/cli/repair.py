"""Work on a store in which something is damaged: that is taken out where it is met, and the work done again."""

import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

from reprobuild.cli.output import plain, styled, tell
from reprobuild.cli.settings import Settings
from reprobuild.failures import Failures
from reprobuild.store import DamagedError

__all__ = ["repaired"]

_T = TypeVar("_T")


def repaired(work: Callable[[], _T], settings: Settings, failures: Failures | None = None) -> _T:
    """Return what *work* gives, done again as often as it meets something damaged, so that this is made anew.

    What is damaged twice is an error: then it is the machine. Of *failures*, those of this kind are forgotten before
    the work is done again.
    """
    seen = set[str]()
    while True:
        try:
            done = work()
        except DamagedError as error:
            if not _told([error], seen, settings):
                raise
            continue
        met = {name: one for name, one in (failures or {}).items() if isinstance(one, DamagedError)}
        if failures is None or not _told(met.values(), seen, settings):
            return done
        for name in met:
            del failures[name]


def _told(errors: Iterable[DamagedError], seen: set[str], settings: Settings) -> bool:
    """Say which of *errors* are new, to which *seen* adds them; return whether there are any, and no others."""
    new = {str(error): error for error in errors}
    if not new or not seen.isdisjoint(new):
        return False
    seen |= new.keys()
    for text in new:
        tell(f"{styled('warning:', 'open', sys.stderr, settings)} {plain(text)}; it is made anew")
    return True
