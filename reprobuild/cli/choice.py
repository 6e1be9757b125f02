"""Which connectors a command is for: those that are named, all, those that have changed, or the one that is here."""

from typing import TYPE_CHECKING, Protocol

from reprobuild.cli.opening import named_or_here
from reprobuild.cli.settings import Settings
from reprobuild.cli.shard import parse_shard, sharded
from reprobuild.failures import Failures

if TYPE_CHECKING:
    from reprobuild.workspace import Workspace

__all__ = ["Choice", "chosen_connectors"]


class Choice(Protocol):
    """What the command line said."""

    @property
    def names(self) -> tuple[str, ...]:
        """Connectors by name."""
        ...

    @property
    def everything(self) -> bool:
        """Whether it is all of them."""
        ...

    @property
    def changed_since(self) -> str | None:
        """The revision from which they differ."""
        ...


def chosen_connectors(
    choice: Choice,
    workspace: "Workspace",
    settings: Settings,
    *,
    shard: str | None = None,
    failures: Failures | None = None,
) -> tuple[str, ...]:
    """Return the connectors that *choice* is for, and of these *shard*, ``I/N``; none only if none has changed.

    Raises SpecificationError for one unknown, and if it is not clear which. *failures* has the connectors that cannot
    be read: they are chosen like others, and then left out of the answer; those that are not chosen leave *failures*.
    What is broken counts as changed.
    """
    part = parse_shard(shard)
    broken = failures if failures is not None else {}
    chosen = sharded(_chosen(choice, workspace, settings, broken), part)
    for name in [name for name in broken if name not in chosen]:
        del broken[name]
    return tuple(name for name in chosen if name not in broken)


def _chosen(choice: Choice, workspace: "Workspace", settings: Settings, broken: Failures) -> tuple[str, ...]:
    if choice.changed_since is not None:
        from reprobuild.cli.changed import changed_since
        from reprobuild.cli.output import plain, tell

        found = (*changed_since(workspace, choice.changed_since), *broken)
        if not found and not settings.quiet:
            tell(plain(f"no connector has changed since {choice.changed_since}"))
        return found
    if choice.everything and broken:
        return (*workspace.connectors, *broken)
    mine = tuple(name for name in choice.names if name in broken)
    if mine and len(mine) == len(choice.names):
        return mine
    others = tuple(name for name in choice.names if name not in broken)
    wanted = tuple(workspace.connectors) if choice.everything else others
    return (*named_or_here(workspace, wanted, settings.directory), *mine)
