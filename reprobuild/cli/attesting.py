"""What `reprobuild attest` does: a statement for each image that is in the store, to a folder or beside the image."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from reprobuild.cli.opening import named_or_here, open_store, open_workspace
from reprobuild.cli.output import plain, tell
from reprobuild.cli.settings import Settings
from reprobuild.cli.statements import Made, StatementOptions, Statements, push_statements
from reprobuild.cli.target import PushTarget, targets
from reprobuild.errors import LockError

if TYPE_CHECKING:
    from reprobuild.builder.build import Plan
    from reprobuild.lockfile import Lock
    from reprobuild.workspace import Workspace

__all__ = ["AttestRequest", "attest_images"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestRequest:
    """The options of `reprobuild attest`, as they were given; *places* are repositories as for `reprobuild push`."""

    names: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    push: bool = False
    places: tuple[str, ...] = ()
    statements: StatementOptions = field(default_factory=StatementOptions)


def attest_images(request: AttestRequest, settings: Settings) -> None:
    """Make the statements that *request* asks for; raise LockError for an image that has not been built."""
    from reprobuild.cli.planning import fresh_lock, planned

    workspace = open_workspace(settings)
    chosen = named_or_here(workspace, request.names, settings.directory)
    statements = Statements(request.statements, settings)
    wishes = _wishes(request, workspace, chosen)
    lock = fresh_lock(workspace, chosen)
    documents = _documents(planned(workspace, lock, chosen, request.platforms), lock, statements)
    statements.write([made for several in documents.values() for made in several])
    for wish in wishes:
        _push(documents[wish.connector], wish, workspace, settings)


def _wishes(request: AttestRequest, workspace: "Workspace", chosen: Sequence[str]) -> list[PushTarget]:
    if not request.push and not request.places:
        return []
    # A statement belongs to a digest: tags are not looked at.
    return [
        wish
        for name in chosen
        for wish in targets(
            workspace.connectors[name], request.places, tags=("any",), latest=False, several=len(chosen) > 1
        )
    ]


def _documents(images: "Plan", lock: "Lock", statements: Statements) -> dict[str, list[Made]]:
    from reprobuild.provenance.statement import provenance

    documents: dict[str, list[Made]] = {}
    for image in images:
        name, platform = image.derivation.connector, image.derivation.platform
        if image.manifest is None:
            hint = f"run `reprobuild build {name}` first"
            raise LockError(f"not built for {platform}", where=name, hint=hint)
        statement = provenance(
            image.derivation,
            image.manifest.digest,
            packages=lock.connectors[name].packages,
            bases=lock.bases,
            builder=statements.builder,
            finished=statements.finished,
        )
        stem = f"{name}-{str(platform).replace('/', '-')}.provenance"
        documents.setdefault(name, []).append(statements.made(statement, stem, image.manifest))
    return documents


def _push(documents: Sequence[Made], wish: PushTarget, workspace: "Workspace", settings: Settings) -> None:
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.progress import open_display

    with open_display(settings) as display:
        work = partial(
            push_statements,
            documents,
            wish.host,
            wish.repository,
            store=open_store(),
            registries=workspace.registries,
        )
        run_async(work, on_interrupt=display.close)
    if not settings.quiet:
        for one in documents:
            tell(plain(f"pushed {one.file} to {wish.where}, beside {one.image.digest}"))
