"""``reprobuild store``: where blobs and outputs are kept, how much, and whether they are whole."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from reprobuild.cli.opening import open_store
from reprobuild.cli.output import plain, say, say_json, size, styled
from reprobuild.cli.settings import Settings
from reprobuild.store import Store

__all__ = ["app"]

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, help="Look after the store of blobs and outputs (REPROBUILD_STORE)."
)
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Holding:
    """What a store holds; sizes in bytes. ``leftovers`` are what runs that were killed left in ``tmp``."""

    blobs: int
    size: int
    records: dict[str, int]
    leftovers: int


@app.command()
def info(json: _Json = False) -> None:
    """Say where the store is and what it holds."""
    store = open_store()
    holding = _holding(store)
    free = shutil.disk_usage(_existing(store.root)).free
    if json:
        value = {"path": str(store.root), "blobs": holding.blobs, "size": holding.size, "records": holding.records}
        say_json({**value, "leftovers": holding.leftovers, "free": free})
        return
    say(f"path       {plain(str(store.root))}")
    say(f"blobs      {holding.blobs} ({size(holding.size)})")
    for kind, count in holding.records.items():
        say(f"records    {plain(kind)}: {count}")
    say(f"leftovers  {holding.leftovers}")
    say(f"free       {size(free)}")


@app.command()
def path(digest: Annotated[str | None, typer.Argument(help="A blob's digest, sha256:….")] = None) -> None:
    """Print the store's folder, or the file of the blob DIGEST; exit with 1 if it is not there."""
    from reprobuild.canonical import parse_digest
    from reprobuild.errors import ContentError, SpecificationError

    store = open_store()
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
    """Hash every blob again and remove the damaged ones; exit with 1 if there were any."""
    from reprobuild.canonical import Digest
    from reprobuild.cli.progress import open_display
    from reprobuild.errors import ContentError

    settings: Settings = context.obj
    store, damaged, count = open_store(), [], 0
    with open_display(settings) as display:
        files = list(_blobs(store))
        task = display.task("hashing blobs", sum(length for _, length in files))
        for file, _ in files:
            try:
                for chunk in store.chunks(Digest(f"sha256:{file.name}")):
                    task.advance(len(chunk))
                count += 1
            except ContentError:
                # Gone in the meantime is no damage: another run took it out.
                damaged += [f"sha256:{file.name}"]
        task.finish()
    if json:
        say_json({"whole": count, "removed": damaged})
    else:
        for digest in damaged:
            say(f"{styled('removed', 'bad', sys.stdout, settings)}  {digest}")
        say(f"{count} whole, {len(damaged)} removed")
    raise typer.Exit(1 if damaged else 0)


def _holding(store: Store) -> _Holding:
    blobs = list(_blobs(store))
    kinds = sorted(folder for folder in _listed(store.root / "records"))
    return _Holding(
        blobs=len(blobs),
        size=sum(length for _, length in blobs),
        records={kind.name: sum(1 for prefix in _listed(kind) for _ in _listed(prefix)) for kind in kinds},
        leftovers=len(_listed(store.root / "tmp")),
    )


def _blobs(store: Store) -> Iterator[tuple[Path, int]]:
    """Yield the file of each blob with its size in bytes; a file of any other name is none of ours."""
    for prefix in _listed(store.root / "blobs" / "sha256"):
        for file in _listed(prefix):
            if len(file.name) == 64 and set(file.name) <= set("0123456789abcdef"):
                yield file, file.stat().st_size


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
