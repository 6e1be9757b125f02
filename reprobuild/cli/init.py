"""``reprobuild init``: a first specification from what is in the folder."""

import typer

from reprobuild.cli.settings import Settings

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def init(context: typer.Context) -> None:
    """Write a first specification from what is in the folder.

    Connectors are found by their pyproject.toml or metadata.yaml. An existing specification is left alone.
    """
    from reprobuild.cli.output import plain, say, tell
    from reprobuild.scaffold import scaffold

    settings: Settings = context.obj
    root = settings.directory.absolute()
    written = scaffold(root)
    say(plain(str(written or root)))
    if not settings.quiet:
        tell("next: look at it, then run `reprobuild lock update`")
