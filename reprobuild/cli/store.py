"""``reprobuild store``: where blobs and outputs are kept, how much, whether whole, and who still needs them."""

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reprobuild.cli.opening import open_store
from reprobuild.cli.output import plain, say, say_json, size, styled
from reprobuild.cli.settings import Settings
from reprobuild.store import Store, default_root

if TYPE_CHECKING:
    from reprobuild.garbage.holding import Holding

__all__ = ["app"]

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, help="Look after the store of blobs and outputs (REPROBUILD_STORE)."
)
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def info(json: _Json = False) -> None:
    """Say where the store is and what it holds."""
    from reprobuild.garbage.holding import holding
    from reprobuild.roots import known_workspaces

    store = _unentered()
    held, roots = holding(store), known_workspaces(store.root)
    free = shutil.disk_usage(_existing(store.root)).free
    records = _counted(held)
    blobs, unpacked = (sum(item.size for item in items) for items in (held.blobs.values(), held.unpacked))
    if json:
        value = {"path": str(store.root), "blobs": len(held.blobs), "size": blobs, "records": records}
        more = {"unpacked": len(held.unpacked), "unpacked_size": unpacked, "workspaces": [str(root) for root in roots]}
        say_json({**value, **more, "leftovers": len(held.leftovers), "total": held.size, "free": free})
        return
    say(f"path        {plain(str(store.root))}")
    say(f"blobs       {len(held.blobs)} ({size(blobs)})")
    for kind, count in records.items():
        say(f"records     {plain(kind)}: {count}")
    say(f"unpacked    {len(held.unpacked)} ({size(unpacked)})")
    say(f"leftovers   {len(held.leftovers)} ({size(sum(item.size for item in held.leftovers))})")
    say(f"workspaces  {len(roots)}")
    say(f"total       {size(held.size)}")
    say(f"free        {size(free)}")


@app.command()
def path(digest: Annotated[str | None, typer.Argument(help="A blob's digest, sha256:….")] = None) -> None:
    """Print the store's folder, or the file of the blob DIGEST; exit with 1 if it is not there."""
    from reprobuild.canonical import parse_digest
    from reprobuild.errors import ContentError, SpecificationError

    store = _unentered()
    if digest is None:
        say(str(store.root))
        return
    try:
        parsed = parse_digest(digest)
    except ContentError as error:
        raise SpecificationError(error.message, hint="write it as sha256: and 64 hexadecimal digits") from error
    if parsed not in store:
        raise ContentError("there is no such blob", where=str(store.root), hint="run `reprobuild fetch` or `build`")
    say(str(store.path(parsed)))


@app.command()
def verify(context: typer.Context, json: _Json = False) -> None:
    """Hash every blob again, read every record, look at every unpacked layer, and remove what is damaged.

    Exit with 1 if there was any.
    """
    from reprobuild.cli.progress import open_display
    from reprobuild.garbage.soundness import check

    settings: Settings = context.obj
    with open_display(settings) as display:
        checked = check(open_store(), display)
    if json:
        removed = {"records": list(checked.records), "unpacked": list(checked.unpacked)}
        say_json({"whole": checked.whole, "removed": list(checked.blobs), "removed_besides": removed})
    else:
        word = styled("removed", "bad", sys.stdout, settings)
        for name in (*checked.blobs, *checked.records, *checked.unpacked):
            say(plain(f"{word}  {name}"))
        say(f"{checked.whole} whole, {len(checked.damaged)} removed")
    raise typer.Exit(1 if checked.damaged else 0)


@app.command()
def gc(
    context: typer.Context,
    keep_days: Annotated[
        float, typer.Option("--keep-days", metavar="N", min=0, help="Keep what has been used in the last N days.")
    ] = 30,
    max_size: Annotated[
        str | None,
        typer.Option("--max-size", metavar="SIZE", help="Remove more, the longest unused first, to have SIZE: 20GB."),
    ] = None,
    workspace: Annotated[
        list[Path] | None,
        typer.Option("--workspace", metavar="DIR", help="Keep what this workspace needs, too, also in future."),
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="Wait that long for others to end.")
    ] = 60,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing; say what would be.")] = False,
    json: _Json = False,
) -> None:
    """Remove what no lock needs and nobody has used for a while.

    What the locks of the workspaces need that have used the store is kept: wheels, inputs, base images, and the images
    that they record. A workspace whose folder is gone needs nothing. Builds may run meanwhile. Exit with 1 if more is
    needed than --max-size.
    """
    from reprobuild.cli.collecting import CollectRequest, collect

    request = CollectRequest(
        keep_days=keep_days,
        max_size=max_size,
        workspaces=tuple(workspace or ()),
        wait=wait,
        dry_run=dry_run,
        json=json,
    )
    raise typer.Exit(collect(_unentered(), request, context.obj))


def _unentered() -> Store:
    """Return the store of who only looks, or wants to be alone in it."""
    return Store(default_root(os.environ))


def _counted(held: "Holding") -> dict[str, int]:
    kinds = sorted({record.kind for record in held.records})
    return {kind: sum(1 for record in held.records if record.kind == kind) for kind in kinds}


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
