"""``reprobuild diff``: two images held against each other, and why they differ."""

from typing import TYPE_CHECKING, Annotated

import typer

from reprobuild.cli.completion import platform_names
from reprobuild.cli.settings import Settings

if TYPE_CHECKING:
    from reprobuild.verify.comparison import Comparison

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_FILES, _LINES = 100_000, 1_000
"""Texts that ``--full`` shows line by line, and lines of each."""
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
    from reprobuild.cli.differences import print_all, print_comparison_json, print_in_short

    comparison = _compared((a, b), tuple(platforms or ()), full=full or json, settings=context.obj)
    if json:
        print_comparison_json(comparison)
    elif full:
        print_all(comparison, context.obj)
    else:
        print_in_short(comparison, context.obj)
    raise typer.Exit(0 if comparison.verdict == "identical" else 1)


def _compared(pair: tuple[str, str], platforms: tuple[str, ...], *, full: bool, settings: Settings) -> "Comparison":
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.opening import open_store
    from reprobuild.cli.origin import open_origin
    from reprobuild.cli.progress import open_display
    from reprobuild.oci.types import parse_platform
    from reprobuild.verify.diff import compare
    from reprobuild.verify.reading import Texts

    wanted = [parse_platform(text, where="--platform") for text in platforms]
    texts = Texts(files=_FILES, lines=_LINES) if full else Texts(files=0, lines=0)
    store = open_store()
    with open_display(settings) as display:

        async def work() -> "Comparison":
            async with (
                open_origin(pair[0], settings, store, where="A") as a,
                open_origin(pair[1], settings, store, where="B") as b,
            ):
                return await compare(a, b, store, display, platforms=wanted, texts=texts)

        return run_async(work, on_interrupt=display.close)
