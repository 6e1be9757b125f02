"""A crash on order: the signal ENDTOEND_SIGNAL right before the ENDTOEND_RENAME-th file is renamed into its place.

On PYTHONPATH, Python runs this at its start. Renames are the moments at which a command commits something.
"""

import itertools
import os
import sys

_count = itertools.count(1)


def _watch(event: str, _arguments: object) -> None:
    if event == "os.rename" and next(_count) == int(os.environ["ENDTOEND_RENAME"]):
        os.kill(os.getpid(), int(os.environ["ENDTOEND_SIGNAL"]))


if "ENDTOEND_RENAME" in os.environ:
    sys.addaudithook(_watch)
