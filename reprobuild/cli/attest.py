"""``reprobuild attest``: statements of how images were made, signed where there is a key."""

from pathlib import Path
from typing import Annotated

import typer

from reprobuild.cli.arguments import Names, Platforms

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_Key = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", envvar="REPROBUILD_KEY", help="Sign with this private key, a PEM file."),
]
_Builder = Annotated[
    str | None, typer.Option("--builder", metavar="URI", help="Say who built: the URI of a machine or a pipeline.")
]
_Output = Annotated[
    str, typer.Option("--output", "-o", metavar="DIR", help="Write to this folder.", show_default="here")
]


@app.command(short_help="Write how images were made, as SLSA provenance.")
def attest(
    context: typer.Context,
    names: Names = None,
    platforms: Platforms = None,
    key: _Key = None,
    builder: _Builder = None,
    output: _Output = ".",
    time: Annotated[bool, typer.Option("--time", help="Say when it was made: other bytes each time.")] = False,
) -> None:
    """Write for each image that has been built an in-toto statement with SLSA provenance v1.

    It lists what the image was made of, by digest. With a key it is signed: a DSSE envelope around the same bytes.
    Equal images give equal statements; signatures are equal with Ed25519 keys.
    """
    from reprobuild.cli.attesting import AttestRequest, write_statements

    request = AttestRequest(
        names=tuple(names or ()),
        platforms=tuple(platforms or ()),
        key=key,
        builder=builder,
        output=output,
        time=time,
    )
    write_statements(request, context.obj)
