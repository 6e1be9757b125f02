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
    str | None,
    typer.Option(
        "--output", "-o", metavar="DIR", help="Write to this folder; here, unless they are pushed.", show_default=False
    ),
]
_Push = Annotated[bool, typer.Option("--push", help="Put them beside the images, in the connectors' own repositories.")]
_To = Annotated[
    list[str] | None, typer.Option("--to", metavar="DEST", help="Put them beside the images in HOST/REPOSITORY.")
]


@app.command(short_help="Write how images were made, as SLSA provenance.")
def attest(  # noqa: PLR0917 - options are not positional
    context: typer.Context,
    names: Names = None,
    platforms: Platforms = None,
    key: _Key = None,
    builder: _Builder = None,
    output: _Output = None,
    push: _Push = False,
    to: _To = None,
    time: Annotated[bool, typer.Option("--time", help="Say when it was made: other bytes each time.")] = False,
) -> None:
    """Write for each image that has been built an in-toto statement with SLSA provenance v1.

    It lists what the image was made of, by digest. With a key it is signed: a DSSE envelope around the same bytes.
    Equal images give equal statements; signatures are equal with Ed25519 keys. In a registry they stand beside the
    image, as its referrers: no digest changes.
    """
    from reprobuild.cli.attesting import AttestRequest, attest_images
    from reprobuild.cli.statements import StatementOptions

    pushed = push or bool(to)
    request = AttestRequest(
        names=tuple(names or ()),
        platforms=tuple(platforms or ()),
        push=push,
        places=tuple(to or ()),
        statements=StatementOptions(
            key=key, builder=builder, output="." if output is None and not pushed else output, time=time
        ),
    )
    attest_images(request, context.obj)
