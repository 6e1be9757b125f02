"""``reprobuild build``: images from locks, held against the digests that the locks record."""

from dataclasses import replace
from typing import Annotated

import typer

from reprobuild.cli.arguments import (
    ChangedSince,
    Engine,
    Jobs,
    KeepGoing,
    Names,
    Offline,
    Platforms,
    Shard,
    require_one_choice,
)
from reprobuild.cli.building import BuildRequest, run_build

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


_Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="REF", help="Write oci:PATH[:TAG], oci-archive: or docker-archive:."),
]

_Substituter = Annotated[
    str | None,
    typer.Option(
        "--substituter", metavar="REPO", envvar="REPROBUILD_SUBSTITUTER", help="Take outputs from here; or from `none`."
    ),
]
_PushOutputs = Annotated[
    bool,
    typer.Option("--push-outputs", envvar="REPROBUILD_PUSH_OUTPUTS", help="Offer all outputs to the substituter."),
]


@app.command(short_help="Build images and hold them against the locks.")
def build(  # noqa: PLR0917 - options are not positional
    context: typer.Context,
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="Build every connector.")] = False,
    changed_since: ChangedSince = None,
    shard: Shard = None,
    platforms: Platforms = None,
    jobs: Jobs = None,
    engine: Engine = None,
    keep_going: KeepGoing = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Build nothing; say what would be, and how many bytes it takes.")
    ] = False,
    offline: Offline = False,
    record: Annotated[bool, typer.Option("--record", help="Write the digests of new outputs into the locks.")] = False,
    output: _Output = None,
    substituter: _Substituter = None,
    push_outputs: _PushOutputs = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Build images from the locks and compare their digests with those that the locks record.

    For each image: verified, if the recorded digest came out again; new, if this derivation was never
    recorded; mismatch, if the same derivation gave other bytes. Exit with 1 on a mismatch. A stale lock is
    refused, never changed.

    With --keep-going, a connector that fails ends nothing else: the others are built, recorded and written, stderr
    tells of each that failed, and the exit code is that of the worst.
    """
    require_one_choice(names, everything, changed_since)
    request = BuildRequest(
        names=tuple(names or ()),
        everything=everything,
        changed_since=changed_since,
        platforms=tuple(platforms or ()),
        offline=offline,
        record=record,
        output=output,
        json=json,
        substituter=substituter,
        push_outputs=push_outputs,
        shard=shard,
        jobs=jobs,
        dry_run=dry_run,
        keep_going=keep_going,
    )
    settings = replace(context.obj, engine=engine) if engine else context.obj
    raise typer.Exit(run_build(request, settings))
