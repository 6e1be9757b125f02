"""``reprobuild migrate``: from a connector's Dockerfile to a specification, and proof that nothing was lost."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(short_help="Move a connector from its Dockerfile.")
def migrate(  # noqa: PLR0917 - options are not positional
    context: typer.Context,
    connector: Annotated[Path, typer.Argument(metavar="CONNECTOR", help="The connector's folder.", show_default=False)],
    dockerfile: Annotated[
        Path | None, typer.Option("--dockerfile", metavar="FILE", help="The Dockerfile, if it lies elsewhere.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="REF",
            help="The image that was published; none: only the Dockerfile.",
            show_default="what metadata.yaml names",
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", metavar="NAME", help="Build on this base image of the workspace.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: only hold what is built against what was promised.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write and build nothing; show what would be written.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a specification or hooks that are there.")] = False,
    delete_dockerfile: Annotated[
        bool, typer.Option("--delete-dockerfile", help="Remove the Dockerfile if nothing was lost.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the specification of a connector from its Dockerfile, lock it, build it, and say what is not as it was.

    Entrypoint, environment, labels, user, OS packages and distributions of the new image are held against the
    Dockerfile, and the published image if that can be read. Exit with 1 if something was lost or changed. Nothing of
    the old image is executed.
    """
    from reprobuild.cli.migrating import MigrationRequest, run_migration

    if check and (dry_run or force or delete_dockerfile or base is not None):
        raise typer.BadParameter("it writes nothing: give it alone", param_hint="--check")
    request = MigrationRequest(
        connector=connector,
        dockerfile=dockerfile,
        against=against,
        base=base,
        check=check,
        dry_run=dry_run,
        force=force,
        delete_dockerfile=delete_dockerfile,
        json=json,
    )
    raise typer.Exit(run_migration(request, context.obj))
