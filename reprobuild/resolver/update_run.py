"""One update under way: what everything in it needs to know."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reprobuild.failures import Failures
from reprobuild.lock_files import Found
from reprobuild.lockfile import BaseImage
from reprobuild.oci.types import Platform
from reprobuild.progress import Progress
from reprobuild.resolver.freshness import Pins
from reprobuild.resolver.wishes import Wishes
from reprobuild.store import Store
from reprobuild.target import Target

if TYPE_CHECKING:
    from reprobuild.builder.executions import Executions
    from reprobuild.workspace import Workspace

__all__ = ["PARALLEL", "Run", "targets_of"]

PARALLEL = 4
"""How many things are done at a time where nobody says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An update of some connectors; not ``binding`` if nothing is going to be locked.

    ``failures``: see `reprobuild.failures`; ``jobs``: how many runs of uv go on at a time.
    """

    workspace: "Workspace"
    found: Found
    wishes: Wishes
    store: Store
    progress: Progress
    executions: "Executions | None" = None
    binding: bool = True
    pins: Mapping[str, Pins] = field(default_factory=dict)
    failures: Failures | None = None
    jobs: int = PARALLEL

    @property
    def names(self) -> tuple[str, ...]:
        """The connectors to lock, sorted."""
        everything = self.workspace.connectors
        return self.remaining(sorted(everything if self.wishes.names is None else self.wishes.names))

    def remaining(self, names: Collection[str]) -> tuple[str, ...]:
        """Return those of *names* of which nothing has failed so far."""
        return tuple(name for name in names if not self.failures or name not in self.failures)


def targets_of(base: BaseImage, platforms: Collection[Platform]) -> tuple[Target, ...]:
    """Return what wheels are chosen for on *platforms* of *base*, sorted by platform."""
    return tuple(Target(platform=one, python=base.python, libc=base.libc) for one in sorted(platforms))
