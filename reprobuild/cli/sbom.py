"""``reprobuild sbom``: what is in an image, as CycloneDX or as an answer to one question."""

from typing import Annotated

import typer

from reprobuild.cli.completion import connector_names, platform_names

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_Image = Annotated[
    str,
    typer.Argument(
        metavar="REF|NAME",
        help="A connector that has been built, or a registry's NAME:TAG, oci:PATH[:TAG], oci-archive:FILE, "
        "docker-archive:FILE, store:DIGEST.",
        show_default=False,
        autocompletion=connector_names,
    ),
]
_Platforms = Annotated[
    list[str] | None,
    typer.Option("--platform", metavar="P", help="Look at this platform only.", autocompletion=platform_names),
]
_Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to FILE; with several platforms, to files in a folder."),
]
_Find = Annotated[
    str | None,
    typer.Option(
        "--find", metavar="NAME", help="Print version and path of what is called NAME; * stands for anything."
    ),
]


@app.command(short_help="List what is in an image, as CycloneDX.")
def sbom(
    context: typer.Context,
    image: _Image,
    platforms: _Platforms = None,
    output: _Output = None,
    find: _Find = None,
    json: Annotated[bool, typer.Option("--json", help="With --find: print JSON.")] = False,
) -> None:
    """Write a bill of materials of an image, built here or by anybody: CycloneDX 1.6, for each platform.

    Python distributions, Python, the base image and the packages of dpkg, apk and rpm are read from the layers;
    nothing is executed. The same image gives the same bytes. With --find: exit with 1 if there is no such thing.
    """
    from reprobuild.cli.inventories import answer, write_documents

    if find is not None and output is not None:
        raise typer.BadParameter("it prints: leave out --output", param_hint="--find")
    if json and find is None:
        raise typer.BadParameter("a bill of materials is JSON already", param_hint="--json")
    if find is not None:
        raise typer.Exit(answer(image, platforms or (), find, context.obj, json=json))
    write_documents(image, platforms or (), output, context.obj)
