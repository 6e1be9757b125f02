"""``reprobuild check``: rebuild from nothing under varied conditions, run hooks on two machines, and compare."""

from pathlib import Path
from typing import Annotated

import typer

from reprobuild.cli.arguments import ChangedSince, Names, Offline, Platforms, require_one_choice
from reprobuild.cli.settings import Settings

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_Vary = Annotated[
    str | None,
    typer.Option("--vary", metavar="A,B", help="Vary these conditions only; `--vary list` says which there are."),
]


@app.command(short_help="Rebuild from nothing under varied conditions and compare.")
def check(  # noqa: PLR0917 - options are not positional
    context: typer.Context,
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="Check every connector.")] = False,
    changed_since: ChangedSince = None,
    platforms: Platforms = None,
    vary: _Vary = None,
    offline: Offline = False,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Write images that differ into layouts below DIR.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the answers to FILE as JUnit's XML.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Rebuild images from nothing, twice and more, and compare them with each other and with the locks.

    The builds differ in folder, order of files, umask, timezone, locale, hash seed, hostname, user, HOME,
    processors, clock and store. Every hook runs on two machines that differ, and what it left is compared
    path by path. What could not be varied here is said, and why images differ. An image that cannot be rebuilt is
    unknown. Exit with 1 if anything differs or is unknown, if an image is not what its lock records, or if a hook
    may use the network.
    """
    require_one_choice(names, everything, changed_since)
    from reprobuild.cli.checking import CheckRequest, list_conditions, run_check

    settings: Settings = context.obj
    if vary == "list":
        raise typer.Exit(list_conditions())
    request = CheckRequest(
        names=tuple(names or ()),
        everything=everything,
        changed_since=changed_since,
        platforms=tuple(platforms or ()),
        vary=vary,
        offline=offline,
        keep=keep,
        junit=junit,
        json=json,
    )
    raise typer.Exit(run_check(request, settings))
