"""``reprobuild verify``: whether what is published is what the lock gives."""

from typing import Annotated

import typer

from reprobuild.cli.completion import platform_names
from reprobuild.cli.settings import Settings

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_REFERENCE = "A registry's NAME:TAG, oci:PATH[:TAG], oci-archive:FILE, docker-archive:FILE."
_Name = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="The connector that it should be; what the image says, by default."),
]
_Platforms = Annotated[
    list[str] | None,
    typer.Option("--platform", metavar="P", help="Verify this platform only.", autocompletion=platform_names),
]
_Offline = Annotated[
    bool, typer.Option("--offline", envvar="REPROBUILD_OFFLINE", help="Rebuild from what `fetch` has fetched.")
]
_SameContent = Annotated[
    bool, typer.Option("--same-content", help="Exit with 0 also for the same content, compressed otherwise.")
]


@app.command(short_help="Rebuild what is published and say whether it is the same.")
def verify(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help=_REFERENCE, show_default=False)],
    name: _Name = None,
    platforms: _Platforms = None,
    offline: _Offline = False,
    same_content: _SameContent = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Rebuild from the lock what is published at REFERENCE, and answer for each platform.

    identical: the digest is the one that the lock gives. same content, other compression: the same plain layers and
    the same configuration. differs: with the causes. not from this lock: it is of another version, on another base,
    or no connector of this workspace. unknown: it cannot be rebuilt here. Exit with 0 only if everything is
    identical.
    """
    from reprobuild.cli.verifying import VerifyRequest, run_verify

    settings: Settings = context.obj
    request = VerifyRequest(
        reference=reference,
        name=name,
        platforms=tuple(platforms or ()),
        offline=offline,
        same_content=same_content,
        json=json,
    )
    raise typer.Exit(run_verify(request, settings))
