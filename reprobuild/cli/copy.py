"""``reprobuild copy``: an image from one place to another, as it is."""

from typing import Annotated

import typer

from reprobuild.cli.copying import CopyRequest, run_copy

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(short_help="Copy an image between registries, layouts and archives.")
def copy(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="HOST/REPOSITORY:TAG, oci:PATH:TAG, an archive, or store:NAME.")
    ],
    target: Annotated[str, typer.Argument(metavar="TO", help="HOST/REPOSITORY[:TAG], oci:PATH[:TAG], or an archive.")],
    platform: Annotated[
        str | None, typer.Option("--platform", metavar="P", help="The image of this platform alone.")
    ] = None,
    referrers: Annotated[
        bool, typer.Option("--referrers", help="Signatures and the like, too; not into archives.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Move a version tag that leads to something else.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Copy the image FROM, for all its platforms, to TO, with the same digest: nothing is compressed anew.

    Without a tag TO gets that of FROM. Between repositories of one registry blobs are mounted, not sent.
    """
    request = CopyRequest(source=source, target=target, platform=platform, referrers=referrers, force=force, json=json)
    raise typer.Exit(run_copy(request, context.obj, to_disk=False))
