"""Which connectors a command is for: those that are named, all, those that have changed, or the one that is here."""

from typing import TYPE_CHECKING, Protocol

from reprobuild.cli.opening import named_or_here
from reprobuild.cli.settings import Settings

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


def chosen_connectors(choice: Choice, workspace: "Workspace", settings: Settings) -> tuple[str, ...]:
    """Return the connectors that *choice* is for, none only if none has changed.

    Raises SpecificationError for one unknown, and if it is not clear which.
    """
    if choice.changed_since is not None:
        from reprobuild.cli.changed import changed_since
        from reprobuild.cli.output import plain, tell

        found = changed_since(workspace, choice.changed_since)
        if not found and not settings.quiet:
            tell(plain(f"no connector has changed since {choice.changed_since}"))
        return found
    wanted = tuple(workspace.connectors) if choice.everything else choice.names
    return named_or_here(workspace, wanted, settings.directory)
