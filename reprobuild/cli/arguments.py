"""Arguments and options that several commands have, in one form; what they choose is told by `cli/choice`."""

from typing import Annotated

import typer

from reprobuild.cli.completion import connector_names, platform_names
from reprobuild.engine_names import ENGINES

__all__ = [
    "ChangedSince",
    "Engine",
    "Jobs",
    "KeepGoing",
    "Names",
    "Offline",
    "Platforms",
    "Shard",
    "known_engine",
    "require_one_choice",
]


def known_engine(engine: str | None) -> str | None:
    """Return *engine*, None if it is empty; raise BadParameter if there is none of that name."""
    if engine and engine not in ENGINES:
        raise typer.BadParameter(f"there is no engine {engine!r}: {', '.join(ENGINES)}", param_hint="--engine")
    return engine or None


Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...",
        help="Connectors; the one whose folder you are in, or the only one there is, by default.",
        autocompletion=connector_names,
    ),
]
Platforms = Annotated[
    list[str] | None,
    typer.Option("--platform", metavar="P", help="For this platform only.", autocompletion=platform_names),
]
Offline = Annotated[
    bool, typer.Option("--offline", envvar="REPROBUILD_OFFLINE", help="Use no network: what `fetch` has fetched.")
]
ChangedSince = Annotated[
    str | None,
    typer.Option("--changed-since", metavar="REV", help="Connectors that differ from this revision of git."),
]
Shard = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Of these connectors, the I-th of N parts: for N machines."),
]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="ENGINE",
        callback=known_engine,
        help="Execute hooks and builds of sdists on embedded, dagger or auto.",
    ),
]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going", "-k", help="Go on with other connectors when one fails; say at the end which.")
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", metavar="N", min=1, help="Do N things at a time, not one for each processor."),
]


def require_one_choice(names: list[str] | None, everything: bool, changed_since: str | None) -> None:
    """Raise BadParameter if connectors are chosen in two ways."""
    if everything and names:
        raise typer.BadParameter("it is every connector already: leave out the names", param_hint="--all")
    if changed_since is not None and (everything or names):
        raise typer.BadParameter("it chooses the connectors: leave out names and --all", param_hint="--changed-since")
