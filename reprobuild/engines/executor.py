"""The seam that every engine is behind."""

from collections.abc import Callable, Mapping
from typing import Protocol

from reprobuild.engines.execution import Execution, Observation

__all__ = ["Executor", "Listener", "unheard"]

Listener = Callable[[str], None]
"""Is told of each line that a program writes, without its end, secrets masked, as soon as it is written."""


def unheard(_: str) -> None:
    """Listen to nothing."""


class Executor(Protocol):
    """Runs programs in images. The contract suite of ``tests/engines`` holds for every implementation."""

    @property
    def name(self) -> str:
        """What users know the engine by: ``embedded``."""
        ...

    async def run(
        self, execution: Execution, *, secrets: Mapping[str, bytes] = {}, listener: Listener = unheard
    ) -> Observation:
        """Run *execution* and return what was seen; contents of changed files are then in the store.

        *secrets* holds the bytes for ``execution.secrets`` by name. Raises ExecutionError if the program fails,
        MachineError if this machine cannot run it (no namespaces, no runtime, foreign platform without emulation),
        ContentError for a root filesystem that is not what its digests say, or for a change that no layer can
        hold. Safe to call several times at once; cancelled, it ends the program and removes what it left.
        """
        ...
