"""``reprobuild push``: what was built, into registries."""

from typing import Annotated

import typer

from reprobuild.cli.arguments import ChangedSince, KeepGoing, Platforms, Shard
from reprobuild.cli.completion import connector_names
from reprobuild.cli.pushing import PushRequest, run_push

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(short_help="Push what was built to a registry.")
def push(  # noqa: PLR0917 - options are not positional
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]... [DESTINATION]...",
            help="Connectors, as for `build`; then HOST/REPOSITORY[:TAG], or HOST/PATH/ for several.",
            autocompletion=connector_names,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Push every connector.")] = False,
    changed_since: ChangedSince = None,
    shard: Shard = None,
    platforms: Platforms = None,
    keep_going: KeepGoing = False,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", "-t", metavar="TAG", help="Set this tag, in place of the version; repeatable."),
    ] = None,
    latest: Annotated[
        bool, typer.Option("--latest", help="Set the tag latest as well, if the version is a release.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Move version tags that lead to something else; let a pre-release be latest."),
    ] = False,
    unrecorded: Annotated[
        bool, typer.Option("--unrecorded", help="Push what no lock records, too: images of a trial.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Push the images of connectors, for all their platforms, from the store to registries. Builds nothing.

    A word with a slash, colon or dot is a destination, any other a connector. Without a destination it is the
    connector's `repository`, or its name below the workspace's `namespace`. The tag is the connector's version unless
    --tag or the destination says another.

    Only what a lock records is pushed. A tag that begins with a number is a version's, and is not moved to other
    content: exit with 1. What the registry has already is not sent again. With --keep-going, a connector that fails
    ends nothing else.
    """
    request = PushRequest(
        words=tuple(words or ()),
        everything=everything,
        tags=tuple(tags or ()),
        latest=latest,
        force=force,
        unrecorded=unrecorded,
        json=json,
        changed_since=changed_since,
        shard=shard,
        platforms=tuple(platforms or ()),
        keep_going=keep_going,
    )
    raise typer.Exit(run_push(request, context.obj))
