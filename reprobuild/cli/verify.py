"""``reprobuild verify``: whether what is published is what the lock gives."""

from pathlib import Path
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


_Keys = Annotated[
    list[Path] | None,
    typer.Option("--key", metavar="FILE", help="Want a document signed with this public key, a PEM file; repeatable."),
]
_Attestations = Annotated[
    list[Path] | None,
    typer.Option("--attestation", metavar="FILE", help="Look at this document, too, beside the registry's."),
]
_Attest = Annotated[
    str | None,
    typer.Option("--attest", metavar="DIR", help="Write to this folder that it was made again, and what came out."),
]
_Sign = Annotated[Path | None, typer.Option("--sign", metavar="FILE", help="Sign that with this private key.")]
_Builder = Annotated[str | None, typer.Option("--builder", metavar="URI", help="Say who made it again.")]
_Push = Annotated[bool, typer.Option("--push", help="Put that beside the image in its registry.")]


@app.command(short_help="Rebuild what is published and say whether it is the same.")
def verify(  # noqa: PLR0917 - options are not positional
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help=_REFERENCE, show_default=False)],
    name: _Name = None,
    platforms: _Platforms = None,
    offline: _Offline = False,
    same_content: _SameContent = False,
    keys: _Keys = None,
    attestations: _Attestations = None,
    attest: _Attest = None,
    sign: _Sign = None,
    builder: _Builder = None,
    push: _Push = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Rebuild from the lock what is published at REFERENCE, and answer for each platform.

    identical: the digest is the one that the lock gives. same content, other compression: the same plain layers and
    the same configuration. differs: with the causes. not from this lock: it is of another version, on another base,
    or no connector of this workspace. unknown: it cannot be rebuilt here. Exit with 0 only if everything is
    identical.

    With --key, each image also has to be attested: by a document beside it, signed with one of the keys, that says it
    was made from what the lock has.
    """
    from reprobuild.cli.statements import StatementOptions
    from reprobuild.cli.verifying import VerifyRequest, run_verify

    settings: Settings = context.obj
    request = VerifyRequest(
        reference=reference,
        name=name,
        platforms=tuple(platforms or ()),
        offline=offline,
        same_content=same_content,
        keys=tuple(keys or ()),
        attestations=tuple(attestations or ()),
        attest=StatementOptions(key=sign, builder=builder, output=attest) if attest is not None or push else None,
        push=push,
        json=json,
    )
    raise typer.Exit(run_verify(request, settings))
