"""``reprobuild pull``: an image from a registry, onto this machine."""

from typing import Annotated

import typer

from reprobuild.cli.copying import CopyRequest, run_copy

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(short_help="Write an image of a registry to disk.")
def pull(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="HOST/REPOSITORY:TAG, or …@sha256:….")],
    destination: Annotated[
        str, typer.Argument(metavar="DESTINATION", help="oci:PATH[:TAG], oci-archive:FILE[:TAG] or docker-archive:.")
    ],
    platform: Annotated[
        str | None, typer.Option("--platform", metavar="P", help="The image of this platform alone.")
    ] = None,
    referrers: Annotated[
        bool, typer.Option("--referrers", help="Signatures and the like, too; into oci: only.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the image REFERENCE, for all its platforms, to an image layout or an archive, with the same digest."""
    request = CopyRequest(source=reference, target=destination, platform=platform, referrers=referrers, json=json)
    raise typer.Exit(run_copy(request, context.obj, to_disk=True))
