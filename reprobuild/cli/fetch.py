"""``reprobuild fetch``: all that a build needs, into the store."""

from typing import Annotated

import typer

from reprobuild.cli.completion import connector_names
from reprobuild.cli.settings import Settings

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(short_help="Fetch what the locks name into the store.")
def fetch(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Connectors; all by default.", autocompletion=connector_names),
    ] = None,
    vendored: Annotated[
        str | None,
        typer.Option("--from", metavar="REFERENCE", help="Take what `lock vendor` has put there, and ask nobody else."),
    ] = None,
) -> None:
    """Fetch the wheels and base images that the locks name into the store, to build offline afterwards.

    Wheels that no index has are built from their sdists. The wheels are also placed in lock/wheels/, where pip and
    uv find them when they install from a lock.
    """
    from reprobuild.cli.kit import open_builds
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.opening import named, open_store, open_workspace
    from reprobuild.cli.output import say
    from reprobuild.cli.progress import open_display
    from reprobuild.cli.vendoring import take_vendored
    from reprobuild.lock_files import read_lock
    from reprobuild.resolver.fetch import fetch as fetch_all

    settings: Settings = context.obj
    workspace = open_workspace(settings)
    chosen = named(workspace, names or ())
    lock, store = read_lock(workspace.root, chosen), open_store(workspace.root)
    with open_display(settings) as display:

        async def work() -> None:
            if vendored is not None:
                await take_vendored(vendored, settings, store, display)
            builds = open_builds(workspace, store, display, settings)
            offline = vendored is not None
            await fetch_all(workspace, lock, chosen, store, progress=display, builds=builds, offline=offline)

        run_async(work, on_interrupt=display.close)
    for name in chosen:
        say(f"fetched  {name}")
