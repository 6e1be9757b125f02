"""A verification as it was asked for: read what is published, rebuild it, compare. What `reprobuild verify` does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.builder.base import stored_manifest
from reprobuild.builder.build import BuildResult
from reprobuild.builder.outcome import BuiltImage
from reprobuild.builder.plan import PlannedImage, is_substituted, plan_connector
from reprobuild.cli.attested import attest_rebuild, registry_of, wanted_attestations, with_attestations
from reprobuild.cli.loop import run_async
from reprobuild.cli.opening import named, open_store, open_workspace
from reprobuild.cli.origin import open_origin
from reprobuild.cli.planning import fresh_lock
from reprobuild.cli.progress import Display, open_display
from reprobuild.cli.realising import build_images
from reprobuild.cli.settings import Settings
from reprobuild.cli.statements import StatementOptions, Statements
from reprobuild.cli.supply import supply_layers
from reprobuild.errors import AuthenticationError, NetworkError, ReprobuildError, SpecificationError
from reprobuild.lock_files import find_lock
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.source import read
from reprobuild.oci.types import (
    Descriptor,
    ImageConfig,
    Manifest,
    parse_config,
    parse_manifest,
    parse_platform,
)
from reprobuild.store import Store
from reprobuild.verify.comparison import Comparison, Side
from reprobuild.verify.diff import compare, view_of
from reprobuild.verify.identity import Identity, connector_of, identity_of
from reprobuild.verify.index_view import IndexView
from reprobuild.verify.reading import Origin, Texts, compare_images
from reprobuild.verify.rebuild import Obstacle
from reprobuild.verify.stored import Stored
from reprobuild.verify.verification import Verification, Verified, answer_for, foreign, without_lost_annotations

if TYPE_CHECKING:
    from reprobuild.lockfile import Lock
    from reprobuild.workspace import Workspace

__all__ = ["VerifyRequest", "run_verify"]

_TEXTS = Texts(files=100, lines=200)
_INDEX = "index"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """The options of `reprobuild verify`, as they were given."""

    reference: str
    name: str | None = None
    platforms: tuple[str, ...] = ()
    offline: bool = False
    same_content: bool = False
    keys: tuple[Path, ...] = ()
    attestations: tuple[Path, ...] = ()
    attest: StatementOptions | None = None
    push: bool = False
    json: bool = False


def run_verify(request: VerifyRequest, settings: Settings) -> int:
    """Do what *request* asks and return the exit code: 0 if everything that is published is identical."""
    workspace, store = open_workspace(settings), open_store()
    trusted = wanted_attestations(request.keys, request.attestations, settings)
    statements = Statements(request.attest, settings) if request.attest is not None else None
    if request.push and not isinstance(parse_reference(request.reference, where="REFERENCE"), RegistryReference):
        hint = "write it to a folder with --attest"
        raise SpecificationError("what is not in a registry has nothing beside it", where="--push", hint=hint)
    if request.name is not None:
        named(workspace, [request.name])
    wanted = [parse_platform(text, where="--platform") for text in request.platforms]
    with open_display(settings) as display:

        async def work() -> Verification:
            async with open_origin(request.reference, settings, store, where="REFERENCE") as origin:
                view = await view_of(origin, wanted)
                published = {name: await _published(origin, one) for name, one in view.images.items()}
                images = {name: one.descriptor for name, one in published.items()}
                name = request.name or _connector(published, workspace, origin.reference)
                if name is None:
                    return await with_attestations(_nobody(origin, view, published), origin, images, trusted)
                work = _Work(
                    name=name,
                    origin=origin,
                    workspace=workspace,
                    lock=fresh_lock(workspace, [name]),
                    store=store,
                    display=display,
                    settings=settings,
                    offline=request.offline,
                )
                found = await work.verification(view, published, whole=not wanted)
                found = await with_attestations(found, origin, images, trusted)
                if statements is not None:
                    place = registry_of(origin) if request.push else None
                    await attest_rebuild(
                        found, images, statements, place, store=store, registries=workspace.registries, progress=display
                    )
                return found

        found = run_async(work, on_interrupt=display.close)
    from reprobuild.cli.verified import print_verification, print_verification_json

    print_verification_json(found) if request.json else print_verification(found, settings)
    accepted = {"identical", "same content, other compression"} if request.same_content else {"identical"}
    attested = trusted is None or all(one.attested for one in found.images)
    return 0 if found.answer in accepted and attested else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Published:
    """An image as it is published: its manifest's descriptor, its documents, and what it says of itself."""

    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig

    @property
    def identity(self) -> Identity:
        return identity_of(self.manifest.annotations, self.config)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A verification under way: of what is at ``origin``, as the connector ``name``."""

    name: str
    origin: Origin
    workspace: "Workspace"
    lock: "Lock"
    store: Store
    display: Display
    settings: Settings
    offline: bool

    async def verification(self, view: IndexView, published: Mapping[str, _Published], *, whole: bool) -> Verification:
        answers = [await self._answer(platform, image) for platform, image in published.items()]
        index = None
        if whole and view.index is not None and all(one.answer == "identical" for one in answers):
            index = await self._index(view)
        return Verification(
            reference=self.origin.reference,
            digest=view.root.digest,
            connector=self.name,
            images=tuple(answers),
            index=index,
        )

    async def _answer(self, platform: str, image: _Published) -> Verified:
        found = Verified(platform=platform, answer="unknown", published=image.descriptor.digest)
        said = image.identity.names
        try:
            planned = self._planned(platform)
            recorded = planned.recorded.manifest if planned.recorded is not None else None
            found = replace(found, recorded=recorded, derivation=planned.key, format=planned.derivation.format)
            built = (await self._built([planned]))[0].images[0]
        except (NetworkError, AuthenticationError):
            raise
        except ReprobuildError as error:
            return replace(found, reason=f"it cannot be rebuilt here: {error}", hint=error.hint)
        found = replace(found, built=built.manifest.digest)
        if built.manifest.digest == image.descriptor.digest:
            await self._read_whole(image)
            return replace(found, answer="identical", reason=_unrecorded(built))
        if (why := self._foreign(planned, image, said)) is not None:
            return replace(found, answer="not from this lock", reason=why.reason, hint=why.hint)
        return await self._compared(found, planned, built, image)

    async def _read_whole(self, image: _Published) -> None:
        """Raise ContentError where a file's layers are not what its manifest says.

        Those of a registry are not read: it refuses other bytes, and so does whoever pulls.
        """
        if self.origin.kept:
            return
        blobs = (image.manifest.config, *image.manifest.layers)
        task = self.display.task(f"reading {self.origin.reference}", sum(blob.size for blob in blobs))
        for blob in blobs:
            async for chunk in self.origin.source.stream(blob):
                task.advance(len(chunk))
        task.finish()

    def _planned(self, platform: str) -> PlannedImage:
        spec = self.workspace.connectors[self.name]
        wanted = [one for one in spec.platforms if parse_platform(platform).satisfies(one)]
        if not wanted:
            from reprobuild.errors import LockError

            known = ", ".join(map(str, spec.platforms))
            raise LockError(f"the lock is for {known}, not for {platform}", where=self.name)
        image = plan_connector(self.workspace, self.lock, self.name, self.store, platforms=wanted[:1])[0]
        # What somebody else has made is no rebuild.
        return replace(image, manifest=None) if is_substituted(image.key, self.store) else image

    async def _built(self, images: list[PlannedImage]) -> tuple[BuildResult, ...]:
        return await build_images(
            tuple(images), self.workspace, self.lock, self.settings, self.display, offline=self.offline
        )

    def _foreign(self, planned: PlannedImage, image: _Published, said: tuple[str, ...]) -> Obstacle | None:
        spec, derivation = self.workspace.connectors[self.name], planned.derivation
        if said and connector_of([image.identity], [], self.workspace, self.lock) != self.name:
            return Obstacle(reason=f"it says that it is {', '.join(said)}", hint="name the connector that it is")
        _, base = stored_manifest(derivation.base, derivation.platform, self.store)
        return foreign(
            image.identity, spec, config=image.config, base=base, base_manifest=derivation.base_platform.manifest
        )

    async def _compared(self, found: Verified, planned: PlannedImage, built: BuiltImage, image: _Published) -> Verified:
        ours = Origin(reference=f"{self.name}, rebuilt", source=Stored(built.manifest, self.store), kept=False)
        reason = None
        if built.outcome == "mismatch" and image.descriptor.digest == built.expected:
            reason = "it is what the lock records, but rebuilding gives another image: `reprobuild check` says more"
        try:
            await supply_layers((planned,), self.workspace, self.store, progress=self.display, offline=self.offline)
            pair = (self.origin, image.descriptor), (ours, built.manifest)
            differences = await compare_images(*pair, self.store, self.display, texts=_TEXTS)
        except (NetworkError, AuthenticationError):
            raise
        except ReprobuildError as error:
            return replace(found, answer="differs", reason=f"{error}", hint=error.hint)
        sides = [
            Side(reference=origin.reference, digest=one.digest, platforms=(found.platform,)) for origin, one in pair
        ]
        marked = tuple(replace(one, platform=found.platform) for one in without_lost_annotations(differences))
        comparison = Comparison(a=sides[0], b=sides[1], platforms=(found.platform,), differences=marked)
        return replace(found, answer=answer_for(marked), reason=reason, comparison=comparison)

    async def _index(self, view: IndexView) -> Verified:
        """Answer for the index, whose images are all identical: it may list more, or lack some."""
        spec = self.workspace.connectors[self.name]
        found = Verified(platform=_INDEX, answer="unknown", published=view.root.digest)
        try:
            planned = [self._planned(str(platform)) for platform in spec.platforms]
            index = (await self._built(planned))[0].index
        except (NetworkError, AuthenticationError):
            raise
        except ReprobuildError as error:
            return replace(found, reason=f"it cannot be rebuilt here: {error}", hint=error.hint)
        found = replace(found, built=index.digest)
        if index.digest == view.root.digest:
            return replace(found, answer="identical")
        ours = Origin(reference=f"{self.name}, rebuilt", source=Stored(index, self.store), kept=False)
        comparison = await compare(self.origin, ours, self.store, self.display, texts=_TEXTS)
        lacks = {one.cause for one in comparison.differences} == {"platform"}
        hint = "with --platform the index is left aside" if lacks else None
        return replace(found, answer=answer_for(comparison.differences), comparison=comparison, hint=hint)


async def _published(origin: Origin, descriptor: Descriptor) -> _Published:
    manifest = parse_manifest(await read(origin.source, descriptor), where=origin.reference)
    config = parse_config(await read(origin.source, manifest.config), where=origin.reference)
    return _Published(descriptor=descriptor, manifest=manifest, config=config)


def _connector(published: Mapping[str, _Published], workspace: "Workspace", reference: str) -> str | None:
    lock = find_lock(workspace.root).lock
    identities = [image.identity for image in published.values()]
    manifests = [image.descriptor.digest for image in published.values()]
    parsed = None if reference.startswith("store:") else parse_reference(reference)
    repository = parsed.repository if isinstance(parsed, RegistryReference) else None
    return connector_of(identities, manifests, workspace, lock, repository=repository)


def _nobody(origin: Origin, view: IndexView, published: Mapping[str, _Published]) -> Verification:
    """Return the answer for what is no connector of this workspace."""
    images = []
    for platform, image in published.items():
        names, version = ", ".join(image.identity.names), image.identity.version
        said = f"it says that it is {names}{f' {version}' if version else ''}: " if names else "it says nothing: "
        images.append(
            Verified(
                platform=platform,
                answer="not from this lock",
                published=image.descriptor.digest,
                reason=f"{said}no connector of this workspace",
                hint="name the connector that it should be: reprobuild verify REFERENCE NAME",
            )
        )
    return Verification(reference=origin.reference, digest=view.root.digest, connector=None, images=tuple(images))


def _unrecorded(built: BuiltImage) -> str | None:
    """Return a word about an image that is identical to what the lock gives, and not to what it records."""
    if built.outcome == "mismatch":
        return f"the lock records {built.expected}: `reprobuild check` says more"
    return "the lock does not record it yet" if built.outcome == "new" else None
