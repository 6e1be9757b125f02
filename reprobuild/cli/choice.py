"""Which connectors a command is for: those that are named, all, those that have changed, or the one that is here."""

from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from reprobuild.cli.opening import named_or_here
from reprobuild.cli.settings import Settings

if TYPE_CHECKING:
    from reprobuild.workspace import Workspace

__all__ = ["ChangedSince", "Choice", "chosen_connectors", "require_one_choice"]

ChangedSince = Annotated[
    str | None,
    typer.Option("--changed-since", metavar="REV", help="Connectors that differ from this revision of git."),
]


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


def require_one_choice(names: list[str] | None, everything: bool, changed_since: str | None) -> None:
    """Raise BadParameter if connectors are chosen in two ways."""
    if everything and names:
        raise typer.BadParameter("it is every connector already: leave out the names", param_hint="--all")
    if changed_since is not None and (everything or names):
        raise typer.BadParameter("it chooses the connectors: leave out names and --all", param_hint="--changed-since")


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
