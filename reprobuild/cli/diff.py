"""``reprobuild diff``: two images held against each other, and why they differ."""

from typing import Annotated

import typer

from reprobuild.cli.completion import platform_names

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_REFERENCE = "A registry's NAME:TAG, oci:PATH[:TAG], oci-archive:FILE, docker-archive:FILE, store:CONNECTOR."
_Platforms = Annotated[
    list[str] | None,
    typer.Option("--platform", metavar="P", help="Compare this platform only.", autocompletion=platform_names),
]


@app.command(short_help="Say where two images differ, and why.")
def diff(
    context: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help=_REFERENCE, show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same for the other image.", show_default=False)],
    platforms: _Platforms = None,
    full: Annotated[bool, typer.Option("--full", help="Print every difference, and the lines of texts.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Hold two images against each other and name the causes of what differs, the most telling first.

    Platforms, config, history, annotations, layers and files are compared. Layers that both have are not read,
    nothing is executed. Exit with 1 if the digests differ, also if it is by compression only; with 0 if not.
    """
    from reprobuild.cli.comparing import compared
    from reprobuild.cli.differences import print_all, print_comparison_json, print_in_short

    comparison = compared((a, b), platforms or (), full=full or json, settings=context.obj)
    if json:
        print_comparison_json(comparison)
    elif full:
        print_all(comparison, context.obj)
    else:
        print_in_short(comparison, context.obj)
    raise typer.Exit(0 if comparison.verdict == "identical" else 1)
