"""``reprobuild init``: a first specification from what is in the folder."""

import sys

import typer

from reprobuild.cli.settings import Settings

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def init(context: typer.Context) -> None:
    """Write a first specification from what is in the folder.

    It goes to pyproject.toml if there is one, else to reprobuild.toml. A specification that is there is left
    alone: exit with 2.
    """
    from reprobuild.cli.output import plain, say, styled, tell
    from reprobuild.workspace import read_workspace
    from reprobuild.workspace.scaffold import write_scaffold

    settings: Settings = context.obj
    root = settings.directory.absolute()
    path = write_scaffold(root)
    connectors = read_workspace(root).connectors
    say(plain(f"wrote {path}"))
    for name in connectors:
        say(f"found  {plain(name)}")
    if settings.quiet:
        return
    # The specification says in comments what it left out; nobody should have to look for that.
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# left out: "):
            tell(f"{styled('warning:', 'open', sys.stderr, settings)} {plain(line.removeprefix('# '))}")
    told = "look at it" if connectors else "add a connector to it"
    tell(f"next: {told}, then run `reprobuild lock update`")
