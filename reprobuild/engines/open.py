"""Engines by the names that users know them by."""

import os
from collections.abc import Callable, Mapping

from reprobuild.canonical import Digest
from reprobuild.engine_names import ENGINES
from reprobuild.engines.executor import Executor, unheard
from reprobuild.engines.variation import Variation
from reprobuild.errors import MachineError, SpecificationError
from reprobuild.progress import Progress
from reprobuild.store import Store

__all__ = ["open_executor"]


def open_executor(
    name: str,
    store: Store,
    *,
    variation: Variation | None = None,
    origins: Callable[[], Mapping[tuple[Digest, ...], str]] = dict,
    progress: Progress | None = None,
    log: Callable[[str], None] | None = None,
) -> Executor:
    """Return the engine *name*, which keeps contents in *store*; raise SpecificationError if there is none.

    *variation* is how it differs from other machines, for those who want to know whether that shows: the embedded
    engine alone can. *origins* says where images are that an engine can pull itself, by the diffIDs of their layers.
    *progress* shows what takes long and what users ought to know, *log* is told what an engine itself says. Nothing is
    connected to yet; raises MachineError if a library is missing.
    """
    if name == "embedded":
        from reprobuild.engines.embedded import EmbeddedExecutor  # noqa: PLC0415 - most builds execute nothing

        return EmbeddedExecutor(store, variation=variation)
    if name == "dagger":
        return _dagger(store, origins, progress, log)
    if name == "auto":
        from reprobuild.engines.automatic import AutomaticExecutor  # noqa: PLC0415

        note = progress.note if progress is not None else unheard
        embedded = open_executor("embedded", store, variation=variation)
        return AutomaticExecutor(
            embedded, lambda: _dagger(store, origins, progress, log), note=note, environ=os.environ
        )
    raise SpecificationError(f"unknown engine: {name[:100]!r}", hint=f"known: {', '.join(ENGINES)}")


def _dagger(
    store: Store,
    origins: Callable[[], Mapping[tuple[Digest, ...], str]],
    progress: Progress | None,
    log: Callable[[str], None] | None,
) -> Executor:
    try:
        from reprobuild.engines.dagger_executor import DaggerExecutor  # noqa: PLC0415 - only when it is asked for
    except ImportError as error:
        hint = "install it: pip install 'reprobuild[dagger]'"
        raise MachineError(f"the dagger engine needs Dagger's Python library: {error}", hint=hint) from error
    return DaggerExecutor(store, origins=origins, progress=progress, log=log)
