"""``reprobuild lock``: make the locks, check them, and see what has become newer."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprobuild.cli.arguments import Jobs, KeepGoing
from reprobuild.cli.completion import connector_names
from reprobuild.cli.failure import failures_json, told_failures
from reprobuild.cli.opening import named, open_store, open_workspace
from reprobuild.cli.settings import Settings
from reprobuild.cli.staleness import found_reasons

if TYPE_CHECKING:
    from reprobuild.errors import ReprobuildError
    from reprobuild.failures import Failures
    from reprobuild.resolver.changes import Change
    from reprobuild.workspace import Workspace

__all__ = ["app"]

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, help="Pin base images and distributions in lockfiles to commit."
)
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Connectors; all by default.", autocompletion=connector_names),
]


@app.command()
def update(  # noqa: PLR0917 - options are not positional
    context: typer.Context,
    names: _Names = None,
    upgrade: Annotated[bool, typer.Option("--upgrade", "-U", help="Let every distribution and input move.")] = False,
    packages: Annotated[
        list[str] | None,
        typer.Option("--upgrade-package", "-P", metavar="PKG", help="Let this distribution or input move."),
    ] = None,
    bases: Annotated[bool, typer.Option("--bases", help="Look up the tags of the base images again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what would change.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Offline: say why the locks are stale, and exit with 1 if they are.")
    ] = False,
    keep_going: KeepGoing = False,
    jobs: Jobs = None,
    json: _Json = False,
) -> None:
    """Write the locks that fit the specification, with as little changed as possible; say what did: old → new.

    What is locked stays as it is while it fits. Age never makes a lock stale. All connectors are resolved side by side,
    and the index is asked once for what they share. With --keep-going, a connector that fails keeps the lock that it
    has, stderr tells of each that failed, and the exit code is that of the worst.
    """
    if check and (upgrade or packages or bases or dry_run):
        raise typer.BadParameter("it resolves nothing: give it alone, or with names", param_hint="--check")
    settings: Settings = context.obj
    failures: dict[str, ReprobuildError] | None = {} if keep_going and not check else None
    workspace = open_workspace(settings, failures)
    chosen = _chosen(workspace, names, failures)
    if check:
        _check(workspace, chosen, json)
        return
    from reprobuild.cli.locking import updated_lock
    from reprobuild.resolver.update import Wishes

    wishes = Wishes(names=chosen, upgrade=upgrade, packages=tuple(packages or ()), bases=bases)
    new = updated_lock(workspace, wishes, settings, failures, jobs)
    files: tuple[str, ...] = ()
    if not dry_run:
        from reprobuild.resolver.writing import write

        files = write(workspace.root, new)
    more = {"dry_run": dry_run, "files": list(files), "failed": failures_json(failures)}
    _print_changes(new.changes, settings, json, more)
    if code := told_failures(failures, settings):
        raise typer.Exit(code)


def _chosen(workspace: "Workspace", names: Sequence[str] | None, failures: "Failures | None") -> tuple[str, ...] | None:
    """Return the connectors *names* that can be read, None for all; of *failures*, those named stay."""
    if not names:
        return None
    for name in [name for name in failures or () if name not in names]:
        del (failures or {})[name]
    readable = [name for name in names if name not in (failures or ())]
    return named(workspace, readable) if readable else ()


@app.command()
def outdated(context: typer.Context, names: _Names = None, json: _Json = False) -> None:
    """Say which newer versions exist, and which tags of base images have moved. Nothing is written."""
    from reprobuild.cli.kit import open_executions
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.progress import open_display
    from reprobuild.lock_files import find_lock
    from reprobuild.resolver.moved_tags import moved_tags
    from reprobuild.resolver.update import outdated as newer

    settings: Settings = context.obj
    workspace = open_workspace(settings)
    chosen = named(workspace, names) if names else None
    found = find_lock(workspace.root)

    with open_display(settings) as display:

        async def work() -> tuple["Change", ...]:
            store = open_store(workspace.root)
            executions = open_executions(workspace, store, display, settings)
            moved = await moved_tags(workspace, found.lock, chosen, strict=True)
            changes = await newer(workspace, found, chosen, store=store, progress=display, executions=executions)
            return (*moved, *changes)

        changes = run_async(work, on_interrupt=display.close)
    _print_changes(changes, settings, json, {})


@app.command()
def vendor(
    context: typer.Context,
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A folder; or oci:PATH, oci-archive:FILE, docker://HOST/REPO:TAG.")
    ],
    names: _Names = None,
    sources: Annotated[
        bool, typer.Option("--sources", help="Also what wheels without an index are built from, to build them again.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Move a tag that is a version to other content.")] = False,
) -> None:
    """Copy all that builds need to TARGET: wheels, inputs and base images, each under its hash.

    A folder is then a store: where there is no network, set REPROBUILD_STORE to it and build with --offline. All else
    is an OCI artifact: `reprobuild fetch --from` takes it from there.
    """
    from reprobuild.cli.vendoring import VendorRequest, run_vendor

    request = VendorRequest(target=target, names=tuple(names or ()), sources=sources, force=force)
    run_vendor(request, context.obj)


def _check(workspace: "Workspace", chosen: Sequence[str] | None, json: bool) -> None:
    from reprobuild.cli.output import plain, say, say_json, tell

    reasons = found_reasons(workspace, chosen)
    if json:
        told = [{"subject": one.subject, "where": one.where, "reason": one.text} for one in reasons]
        say_json({"fresh": not reasons, "reasons": told})
    else:
        for reason in reasons:
            say(plain(str(reason)))
        if not reasons:
            say("the locks fit the specification")
    if reasons:
        tell(f"hint: run `reprobuild lock update{''.join(f' {name}' for name in chosen or ())}`")
        raise typer.Exit(1)


def _print_changes(changes: Iterable["Change"], settings: Settings, json: bool, more: dict[str, Any]) -> None:
    from reprobuild.cli.output import plain, say, say_json, tell
    from reprobuild.resolver.changes import lines

    changes = tuple(changes)
    if json:
        told = [{"subject": one.subject, "what": one.what, "old": one.old, "new": one.new} for one in changes]
        say_json({"changes": told, **more})
        return
    for line in lines(changes):
        say(plain(line))
    if not changes and not more.get("files"):
        say("nothing changed" if more else "nothing newer")
    for file in more.get("files", ()) if not settings.quiet else ():
        tell(f"wrote {plain(file)}")
