"""Drafts of several layers, made by as many processes as there are processors: Python runs one thread at a time.

For a program of one thread that may fork: the one that sets a sandbox up.
"""

import os
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from reprobuild.engines.draft import Draft, draft
from reprobuild.engines.flavour import Flavour
from reprobuild.engines.kernel import end_with_parent
from reprobuild.image.index import RootLayer
from reprobuild.store import Store

__all__ = ["drafts"]

_WORTH_A_PROCESS = 4 * 1024 * 1024
"""Compressed bytes; less is unpacked before another process has started."""


def drafts(
    wanted: Mapping[int, tuple[RootLayer, str]], scratch: Path, store: Store, flavour: Flavour
) -> dict[int, Draft]:
    """Return a draft below *scratch* for each of the *wanted* layers, given with its place for messages."""
    largest = sorted(wanted, key=lambda number: (-wanted[number][0].descriptor.size, number))
    works = {
        number: partial(draft, wanted[number][0], scratch / f"layer-{number}", store, flavour, where=wanted[number][1])
        for number in largest
    }
    processes = min(len(os.sched_getaffinity(0)), len(works))
    if processes < 2 or sum(layer.descriptor.size for layer, _ in wanted.values()) < _WORTH_A_PROCESS:
        return {number: work() for number, work in works.items()}
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - one layer needs none
    from multiprocessing import get_context  # noqa: PLC0415

    context = get_context("fork")
    try:
        pool = ProcessPoolExecutor(processes, context, initializer=end_with_parent, initargs=(signal.SIGKILL,))
    except (OSError, NotImplementedError):
        # Some containers have nowhere to put a semaphore.
        return {number: work() for number, work in works.items()}
    with pool:
        futures = {number: pool.submit(work) for number, work in works.items()}
        return {number: future.result() for number, future in futures.items()}
