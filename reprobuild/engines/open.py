"""Engines by the names that users know them by."""

from reprobuild.engines.executor import Executor
from reprobuild.engines.variation import Variation
from reprobuild.errors import SpecificationError
from reprobuild.store import Store

__all__ = ["ENGINES", "open_executor"]

ENGINES = ("embedded",)


def open_executor(name: str, store: Store, *, variation: Variation | None = None) -> Executor:
    """Return the engine *name*, which keeps contents in *store*; raise SpecificationError if there is none.

    *variation* is how it differs from other machines, for those who want to know whether that shows.
    """
    if name == "embedded":
        from reprobuild.engines.embedded import EmbeddedExecutor  # noqa: PLC0415 - most builds execute nothing

        return EmbeddedExecutor(store, variation=variation)
    raise SpecificationError(f"unknown engine: {name[:100]!r}", hint=f"known: {', '.join(ENGINES)}")
