"""An image from one place to another, as it was asked for. What `reprobuild copy` and `reprobuild pull` do."""

import os
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.cli.opening import open_store
from reprobuild.cli.origin import open_origin, workspace_registries
from reprobuild.cli.output import plain, say, say_json, size, styled, tell
from reprobuild.cli.settings import Settings
from reprobuild.errors import SpecificationError
from reprobuild.oci.reference import FileReference, Reference, RegistryReference, parse_reference

if TYPE_CHECKING:
    from reprobuild.cli.progress import Display
    from reprobuild.oci.layout_sink import LayoutSink
    from reprobuild.oci.registry_sink import RegistrySink
    from reprobuild.oci.source import Source
    from reprobuild.oci.transfer import Inventory, Transferred
    from reprobuild.oci.types import Descriptor

__all__ = ["CopyRequest", "run_copy"]

_STYLES = {"pushed": "good", "there": "quiet", "moved": "open", "wrote": "good"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRequest:
    """The arguments of `reprobuild copy`, as they were given."""

    source: str
    target: str
    platform: str | None = None
    referrers: bool = False
    force: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copied:
    """What was copied to where, how, and with how many referrers."""

    target: str
    root: "Descriptor"
    outcome: str
    transferred: "Transferred"
    referrers: int


def run_copy(request: CopyRequest, settings: Settings, *, to_disk: bool) -> int:
    """Do what *request* asks and return the exit code; with *to_disk*, only files are a target."""
    target = _target(request, to_disk=to_disk)
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.progress import open_display

    with open_display(settings) as display:
        copied = run_async(partial(_copied, request, target, settings, display), on_interrupt=display.close)
    if request.json:
        _print_json(copied)
    else:
        _print(copied, settings)
    return 0


def _target(request: CopyRequest, *, to_disk: bool) -> Reference:
    target = parse_reference(request.target, where=request.target)
    if isinstance(target, RegistryReference):
        if to_disk:
            hint = f"write it like oci:PATH; between registries: `reprobuild copy {request.source} {request.target}`"
            raise SpecificationError("is not on this machine", where=request.target, hint=hint)
        if target.digest is not None:
            raise SpecificationError("nobody can choose a digest", where=request.target, hint="give a tag, or nothing")
    elif target.transport != "oci" and request.referrers:
        hint = "write it as oci:PATH, or leave --referrers out"
        raise SpecificationError("an archive holds images alone", where=request.target, hint=hint)
    return target


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """A copy under way: *source* is read through a memory of its documents, *origin* is what it really is."""

    request: CopyRequest
    settings: Settings
    display: "Display"
    origin: "Source"
    source: "Source"
    root: "Descriptor"
    content: "Inventory"

    async def into(self, target: Reference) -> _Copied:
        """Return what became of the copy to *target*."""
        if isinstance(target, RegistryReference):
            return await self._into_registry(target)
        path = self.settings.directory / target.path
        return await (
            self._into_layout(target, path) if target.transport == "oci" else self._into_archive(target, path)
        )

    async def _into_registry(self, target: RegistryReference) -> _Copied:
        from reprobuild.oci.publish import publish
        from reprobuild.oci.registry_sink import RegistrySink
        from reprobuild.oci.whereabouts import Whereabouts

        whereabouts, registries = Whereabouts(open_store()), workspace_registries(self.settings)
        here = self._registry
        if here is not None:
            for blob in self.content.blobs:
                whereabouts.expect(here.host, blob.digest, here.repository)
        sink = RegistrySink(
            target.host, target.repository, environ=os.environ, whereabouts=whereabouts, registries=registries
        )
        tag = self._tag(target)
        try:
            published = await publish(
                self.root, [tag], self.source, sink, progress=self.display, force=self.request.force
            )
            return _Copied(
                target=f"{sink.where}:{tag}",
                root=self.root,
                outcome=published.tags[tag],
                transferred=published.transferred,
                referrers=await self._referrers(sink),
            )
        finally:
            await sink.close()

    async def _into_layout(self, target: FileReference, path: Path) -> _Copied:
        from reprobuild.oci.layout_sink import LayoutSink
        from reprobuild.oci.transfer import transfer

        sink = LayoutSink(path)
        tag = target.tag or self._tag(None)
        label = f"writing {target}"
        transferred = await transfer(self.content, self.source, sink, progress=self.display, label=label)
        await sink.tag(self.root, tag, self.source)
        return _Copied(
            target=f"oci:{target.path}:{tag}",
            root=self.root,
            outcome="wrote",
            transferred=transferred,
            referrers=await self._referrers(sink),
        )

    async def _into_archive(self, target: FileReference, path: Path) -> _Copied:
        from anyio import to_thread

        from reprobuild.oci.archive import write_archive
        from reprobuild.oci.open import copy_blob
        from reprobuild.oci.transfer import Transferred
        from reprobuild.store import Store, machine_errors

        if target.transport == "docker-archive" and len(self.content.manifests) > 1:
            raise SpecificationError("it holds images of one platform only", where=str(target), hint="add --platform")
        tag = target.tag or self._name
        content = self.content
        # A tar says how long each member is before it begins, so all of it is gathered first, where it will be.
        with machine_errors(path), tempfile.TemporaryDirectory(prefix=".tmp-", dir=path.parent) as folder:
            store, task = Store(Path(folder)), self.display.task(f"writing {target}", content.size)
            for one in (*content.blobs, *content.manifests, *content.indexes):
                await copy_blob(self.source, one, store, task=task)
            await to_thread.run_sync(partial(write_archive, path, entries=[(self.root, tag)], store=store))
            task.finish()
        return _Copied(
            target=f"{target.transport}:{target.path}:{tag}",
            root=self.root,
            outcome="wrote",
            transferred=Transferred(uploaded=content.size),
            referrers=0,
        )

    async def _referrers(self, sink: "LayoutSink | RegistrySink") -> int:
        """Copy what refers to the image, if that was asked for; return how many they were."""
        if not self.request.referrers:
            return 0
        from reprobuild.oci.layout import Layout
        from reprobuild.oci.referring import copy_referrers
        from reprobuild.oci.repository import Repository

        if isinstance(self.origin, Layout):
            return await copy_referrers(self.content, self.source, self.origin, sink)
        here = self._registry
        if here is None:
            return 0
        registries = workspace_registries(self.settings)
        place = Repository(here.host, here.repository, environ=os.environ, registries=registries)
        try:
            return await copy_referrers(self.content, self.source, place, sink)
        finally:
            await place.close()

    @property
    def _registry(self) -> RegistryReference | None:
        """Where the image is, if that is a registry."""
        if self.request.source.startswith("store:"):
            return None
        reference = parse_reference(self.request.source)
        return reference if isinstance(reference, RegistryReference) else None

    def _tag(self, target: RegistryReference | None) -> str:
        """Return the tag of the copy: the one given, or that of the image."""
        if target is not None and ":" in self.request.target.rpartition("/")[2]:
            return target.tag or "latest"
        here = self._registry
        if here is not None and here.tag is not None:
            return here.tag
        if target is None:
            return self._name
        hint = f"write {target.host}/{target.repository}:TAG"
        raise SpecificationError("has no tag, and neither has where it goes", where=self.request.source, hint=hint)

    @property
    def _name(self) -> str:
        """What the image is called in an archive, and in a layout where it has no tag."""
        here = self._registry
        if here is None:
            return self.request.source.rpartition(":")[2].rpartition("/")[2] + ":latest"
        return f"{here.host}/{here.repository}:{here.tag or 'latest'}"


async def _copied(request: CopyRequest, target: Reference, settings: Settings, display: "Display") -> _Copied:
    from reprobuild.oci.held import Remembering
    from reprobuild.oci.transfer import inventory

    async with open_origin(request.source, settings, open_store(), where="FROM") as origin:
        source = Remembering(origin.source)
        root = await _chosen(source, request)
        copy = _Copy(
            request=request,
            settings=settings,
            display=display,
            origin=origin.source,
            source=source,
            root=root,
            content=await inventory(root, source),
        )
        return await copy.into(target)


async def _chosen(source: "Source", request: CopyRequest) -> "Descriptor":
    """Return the image, or its part for the platform that was asked for."""
    from reprobuild.oci.source import read
    from reprobuild.oci.types import INDEX_TYPES, parse_index, parse_platform

    root = await source.resolve()
    if request.platform is None:
        return root
    wanted = parse_platform(request.platform, where="--platform")
    if root.media_type not in INDEX_TYPES:
        raise SpecificationError("it is one image", where=request.source, hint="leave --platform out")
    listed = parse_index(await read(source, root), where=request.source).manifests
    for one in listed:
        if one.platform is not None and one.platform.satisfies(wanted):
            return one
    there = ", ".join(str(one.platform) for one in listed if one.platform) or "none"
    raise SpecificationError(f"it has no image for {wanted}", where=request.source, hint=f"it has: {there}")


def _print(copied: _Copied, settings: Settings) -> None:
    word = styled(f"{copied.outcome:<6}", _STYLES[copied.outcome], sys.stdout, settings)
    say(f"{word}  {plain(copied.target)}  {copied.root.digest}")
    sys.stdout.flush()
    if not settings.quiet:
        how = copied.transferred
        more = f"; {copied.referrers} referrers" if copied.referrers else ""
        tell(f"copied {size(how.uploaded)}, mounted {size(how.mounted)}; {size(how.there)} were there{more}")


def _print_json(copied: _Copied) -> None:
    say_json(
        {
            "target": copied.target,
            "image": copied.root.to_json(),
            "outcome": copied.outcome,
            "uploaded": copied.transferred.uploaded,
            "mounted": copied.transferred.mounted,
            "there": copied.transferred.there,
            "referrers": copied.referrers,
        }
    )
