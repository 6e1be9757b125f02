"""What `reprobuild migrate` does: read, write, lock, build, and hold the new image against the old one."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.cli.migrated_files import changes, listed_in_workspace, migrated_files, written
from reprobuild.cli.opening import open_store
from reprobuild.cli.output import plain, say, say_json, tell
from reprobuild.cli.settings import Settings
from reprobuild.errors import LockError, NetworkError, ReprobuildError, SpecificationError
from reprobuild.store import machine_errors

if TYPE_CHECKING:
    from reprobuild.analysis.connector_source import ConnectorSource
    from reprobuild.analysis.facts import Fleet
    from reprobuild.analysis.migration import Migration, Note
    from reprobuild.cli.migration_outcome import Outcome
    from reprobuild.workspace import Workspace

__all__ = ["MigrationRequest", "run_migration"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRequest:
    """The arguments of `reprobuild migrate`, as they were given."""

    connector: Path
    dockerfile: Path | None = None
    against: str | None = None
    base: str | None = None
    check: bool = False
    dry_run: bool = False
    force: bool = False
    delete_dockerfile: bool = False
    json: bool = False


def run_migration(request: MigrationRequest, settings: Settings) -> int:
    """Do what *request* asks; return 1 if the new image does not keep what the old one promised."""
    from reprobuild.analysis.connector_source import read_source
    from reprobuild.workspace import find_workspace

    root = find_workspace(settings.directory.absolute())
    folder = _folder(request.connector, settings.directory, root)
    dockerfile = settings.directory / request.dockerfile if request.dockerfile is not None else None
    source = read_source(folder, root, dockerfile)
    files: dict[Path, str] = {}
    notes: Sequence[Note] = ()
    if not request.check:
        made = _migration(request, source, root)
        files = migrated_files(folder, made, source=source.label, force=request.force) | _listing(folder, root)
        notes = tuple(made.notes)
    if request.dry_run:
        _show(request, files, root, notes, source)
        return 0
    if files:
        with written(files):
            _workspace(root, source.name)
        if not settings.quiet and not request.json:
            for path in sorted(files):
                tell(plain(f"wrote {path.relative_to(root)}"))
    workspace = _workspace(root, source.name)
    try:
        return _held(request, source, workspace, settings, files=list(files), notes=notes)
    except (ReprobuildError, KeyboardInterrupt):
        if not request.check and not settings.quiet:
            tell("the specification is written: the same command goes on from here")
        raise


def _held(
    request: MigrationRequest,
    source: "ConnectorSource",
    workspace: "Workspace",
    settings: Settings,
    *,
    files: Sequence[Path],
    notes: "Sequence[Note]",
) -> int:
    """Lock, build and compare; print what came out, and return the exit code."""
    from reprobuild.analysis.old_image import promises_of
    from reprobuild.cli.migration_outcome import Outcome, held_against, print_outcome, print_outcome_json

    _lock(workspace, source.name, settings, check=request.check)
    _build(workspace, source.name, settings, record=not request.check)
    old, new = _images(request, source, workspace, settings)
    if request.check and request.against not in {None, "none"} and old.missing:
        hint = old.missing[0].hint or "without --against, only what can be read is compared"
        raise NetworkError(f"cannot be read: {old.missing[0].why}", where=request.against, hint=hint)
    promised = {image.platform: promises_of(source.dockerfile, source.facts, image) for image in old.images}
    if source.facts is None and not promised:
        hint = "give --against an image that can be read, or --dockerfile"
        raise SpecificationError("there is nothing to hold the new image against", where=source.label, hint=hint)
    inputs = [one.url for one in workspace.connectors[source.name].inputs if one.url]
    image = old.images[0].reference if old.images else ""
    causes, packing = _causes(image, source.name, settings) if image else ((), ())
    outcome = Outcome(
        name=source.name,
        folder=request.connector.as_posix(),
        files=tuple(path.relative_to(workspace.root).as_posix() for path in files),
        notes=tuple(notes),
        dockerfile=source.label if source.facts is not None else "",
        image=image,
        causes=causes,
        packing=packing,
        missing=old.missing,
        promises=held_against(
            promised or {"": promises_of(source.dockerfile, source.facts, None)},
            new.images,
            own=source.name,
            inputs=inputs,
        ),
    )
    print_outcome_json(outcome) if request.json else print_outcome(outcome, settings)
    if request.delete_dockerfile:
        _delete_dockerfile(source, outcome)
    return 0 if outcome.is_kept else 1


def _delete_dockerfile(source: "ConnectorSource", outcome: "Outcome") -> None:
    """Remove the Dockerfile if all that it says is in the specification, and say so; else say why it stays."""
    if source.file is None:
        return
    if not outcome.is_kept or outcome.open_notes:
        why = (
            "not all that it promised is kept"
            if not outcome.is_kept
            else "see the notes: not all of it is carried over"
        )
        tell(plain(f"left {source.label} where it is: {why}"))
        return
    with machine_errors(source.file):
        source.file.unlink()
    tell(plain(f"removed {source.label}"))


def _migration(request: MigrationRequest, source: "ConnectorSource", root: Path) -> "Migration":
    from reprobuild.analysis.migration import migration

    if source.dockerfile is None or source.facts is None:
        hint = "give --dockerfile; or --check, if it has been migrated already"
        raise SpecificationError("there is no Dockerfile to begin with", where=source.label, hint=hint)
    if source.contents.requires is None:
        hint = "list what it requires in pyproject.toml ([project] dependencies) or requirements.txt"
        raise SpecificationError(
            "what it requires cannot be told without running setup.py", where=source.label, hint=hint
        )
    base = _base(request, source, root)
    return migration(source.dockerfile, source.facts, source.contents, base=base)


def _base(request: MigrationRequest, source: "ConnectorSource", root: Path) -> str:
    """Return the base's name if it has to be said: there are several, and no metadata names one."""
    from reprobuild.workspace import read_workspace

    known = read_workspace(root, {}).bases
    if request.base is not None:
        if request.base not in known:
            hint = f"there are: {', '.join(known) or 'none'}"
            raise SpecificationError(f"there is no base image {request.base!r}", where="--base", hint=hint)
        return request.base
    if source.base_image or len(known) == 1:
        return ""
    if not known:
        hint = "define one, [tool.reprobuild.base.NAME] or [base.NAME] in reprobuild.toml, as `reprobuild init` does"
        raise SpecificationError("there is no base image to build on", where=str(root), hint=hint)
    hint = "--base NAME, one of " + ", ".join(known)
    raise SpecificationError("which base image shall it be built on?", where=source.label, hint=hint)


def _folder(path: Path, directory: Path, root: Path) -> Path:
    folder = (directory / path).absolute()
    if not folder.is_dir():
        raise SpecificationError("there is no such folder", where=str(path), hint="name the connector's folder")
    if folder.resolve() == root.resolve() or not folder.resolve().is_relative_to(root.resolve()):
        hint = f"the workspace is {root}: connectors are folders in it"
        raise SpecificationError("not a folder in the workspace", where=str(path), hint=hint)
    return root / folder.resolve().relative_to(root.resolve())


def _listing(folder: Path, root: Path) -> dict[Path, str]:
    """Return the workspace's file as it has to be for *folder* to be one of its connectors; nothing if it is."""
    from reprobuild.workspace.connector_folder import find_folders
    from reprobuild.workspace.reader import workspace_table

    table = workspace_table(root)
    if table is None or any(path == folder for path, _ in find_folders(root, table)):
        return {}
    path = root / table.file
    return {path: listed_in_workspace(path, folder.relative_to(root).as_posix())}


def _workspace(root: Path, name: str) -> "Workspace":
    """Return the workspace; what is wrong with other connectors is theirs."""
    from reprobuild.workspace import read_workspace

    failures: dict[str, Exception] = {}
    workspace = read_workspace(root, failures)  # type: ignore[arg-type]
    if name in failures:
        raise failures[name]
    if name not in workspace.connectors:
        hint = "look at `connectors` in the workspace's specification"
        raise SpecificationError(f"the workspace has no connector {name}", where=str(root), hint=hint)
    return workspace


def _lock(workspace: "Workspace", name: str, settings: Settings, *, check: bool) -> None:
    from reprobuild.cli.planning import fresh_lock

    try:
        fresh_lock(workspace, [name])
    except (LockError, SpecificationError):
        if check:
            raise
        from reprobuild.cli.locking import updated_lock
        from reprobuild.resolver.update import Wishes
        from reprobuild.resolver.writing import write

        write(workspace.root, updated_lock(workspace, Wishes(names=(name,)), settings))


def _build(workspace: "Workspace", name: str, settings: Settings, *, record: bool) -> None:
    """Have the connector's images in the store; in the lock as well, if they are to be recorded."""
    from reprobuild.cli.building import record_outputs
    from reprobuild.cli.planning import fresh_lock, planned
    from reprobuild.cli.realising import realised

    lock = fresh_lock(workspace, [name])
    results = realised(planned(workspace, lock, [name], ()), workspace, lock, settings, offline=False, whole=True)
    if record:
        record_outputs(workspace, results)


def _images(
    request: MigrationRequest, source: "ConnectorSource", workspace: "Workspace", settings: Settings
) -> "tuple[Fleet, Fleet]":
    """Return what the published image is, and the new one."""
    from reprobuild.analysis.facts import Fleet
    from reprobuild.analysis.image_facts import Subject
    from reprobuild.analysis.image_fleet import image_fleet
    from reprobuild.analysis.image_reading import ImageReading
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.origin import open_origin
    from reprobuild.cli.progress import open_display

    published = source.published if request.against is None else request.against
    old = [Subject(connector=source.name, reference=published, base=source.old_base)]
    new = [Subject(connector=source.name, reference=f"store:{source.name}")]
    store = open_store(workspace.root)
    with open_display(settings) as display:

        async def work() -> tuple[Fleet, Fleet]:
            found = []
            for subjects in (old if published and published != "none" else [], new):
                reading = ImageReading(
                    opened=lambda text: open_origin(text, settings, store, where="--against"),
                    store=store,
                    progress=display,
                )
                found.append(await image_fleet(subjects, reading, display))
            return found[0], found[1]

        return run_async(work, on_interrupt=display.close)


def _causes(image: str, name: str, settings: Settings) -> tuple[Sequence[str], Sequence[str]]:
    """Return why the new image is another than *image*: what is in it, and how it was made."""
    from reprobuild.cli.comparing import compared
    from reprobuild.cli.differences import sorted_causes

    try:
        return sorted_causes(compared((image, f"store:{name}"), (), full=False, settings=settings))
    except ReprobuildError as error:
        return (f"nobody knows what: {error.message}",), ()


def _show(
    request: MigrationRequest, files: dict[Path, str], root: Path, notes: "Sequence[Note]", source: "ConnectorSource"
) -> None:
    """Print what would be written."""
    from reprobuild.cli.migration_outcome import note_json, print_notes

    if request.json:
        texts = {path.relative_to(root).as_posix(): text for path, text in sorted(files.items())}
        say_json({"name": source.name, "files": texts, "notes": [note_json(note) for note in notes]})
        return
    for line in changes(files, root):
        say(plain(line))
    sys.stdout.flush()
    print_notes(notes, source.label)
