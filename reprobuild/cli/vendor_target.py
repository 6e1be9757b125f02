"""Where `reprobuild lock vendor` puts what it has gathered: a folder that is a store, or an OCI artifact somewhere."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.canonical import Digest, digest_of
from reprobuild.errors import SpecificationError
from reprobuild.oci.reference import FileReference, Reference, parse_reference
from reprobuild.oci.types import MANIFEST, Descriptor
from reprobuild.store import Store

if TYPE_CHECKING:
    from reprobuild.oci.registries import Registries
    from reprobuild.progress import Progress

__all__ = ["VendorTarget", "vendor_target"]

_TRANSPORTS = ("oci:", "oci-archive:", "docker-archive:", "docker://")


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorTarget:
    """``text`` as it was given; either a folder, or what the reference says, files below ``directory``."""

    text: str
    directory: Path
    reference: Reference | None

    async def put(
        self, blobs: Collection[Digest], store: Store, registries: "Registries", *, progress: "Progress", force: bool
    ) -> None:
        """Have there *blobs*, which are in *store*. With *force*, a tag that is a version moves as well."""
        if self.reference is None:
            await _fill(Store(self.directory / self.text), blobs, store, progress)
            return
        root = _artifact(blobs, store)
        if isinstance(self.reference, FileReference):
            await _write(self.reference, self.directory / self.reference.path, root, store, progress)
            return
        from reprobuild.oci.publish import publish
        from reprobuild.oci.registry_sink import RegistrySink
        from reprobuild.oci.whereabouts import Whereabouts
        from reprobuild.verify.stored import Stored

        there = self.reference
        sink = RegistrySink(
            there.host, there.repository, environ=os.environ, whereabouts=Whereabouts(store), registries=registries
        )
        try:
            tags = [there.tag or "latest"]
            await publish(root, tags, Stored(root, store), sink, progress=progress, force=force)
        finally:
            await sink.close()


def vendor_target(text: str, directory: Path) -> VendorTarget:
    """Return what *text* on the command line means; raise SpecificationError if nothing can be put there."""
    if text.startswith(_TRANSPORTS):
        reference = parse_reference(text, where=text)
        if isinstance(reference, FileReference) and reference.transport == "docker-archive":
            hint = "write it as oci:PATH[:TAG], oci-archive:FILE or docker://HOST/REPOSITORY:TAG"
            raise SpecificationError("Docker's archives hold images alone", where=text, hint=hint)
        if not isinstance(reference, FileReference) and reference.digest is not None:
            raise SpecificationError("nobody can choose a digest", where=text, hint="give a tag, or nothing")
        return VendorTarget(text=text, directory=directory, reference=reference)
    if ":" in text and not text.startswith((".", "/")):
        hint = f"for a registry, write it as docker://{text}; for a folder, as ./{text}"
        raise SpecificationError("neither a folder nor a reference", where=text, hint=hint)
    folder = directory / text
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "blobs").is_dir())):
        raise SpecificationError("the folder is not empty, and no store", where=text, hint="choose another")
    return VendorTarget(text=text, directory=directory, reference=None)


def _artifact(blobs: Collection[Digest], store: Store) -> Descriptor:
    """Return the artifact that holds *blobs*; its own documents are in *store* then."""
    from reprobuild.provenance.referrer import EMPTY
    from reprobuild.vendored import vendored_document

    data = vendored_document({digest: store.path(digest).stat().st_size for digest in blobs})
    store.add(EMPTY)
    store.add(data)
    return Descriptor(media_type=MANIFEST, digest=digest_of(data), size=len(data))


async def _write(there: FileReference, path: Path, root: Descriptor, store: Store, progress: "Progress") -> None:
    from anyio import to_thread

    from reprobuild.oci.archive import write_archive
    from reprobuild.oci.layout import write_layout

    task = progress.task(f"writing {there}", None)
    write = write_layout if there.transport == "oci" else write_archive
    await to_thread.run_sync(partial(write, path, entries=[(root, there.tag or "vendored")], store=store))
    task.finish()


async def _fill(target: Store, blobs: Collection[Digest], store: Store, progress: "Progress") -> None:
    from anyio import to_thread

    total = sum(store.path(digest).stat().st_size for digest in blobs)
    task = progress.task(f"copying {len(blobs)} blobs", total)
    for digest in sorted(blobs):
        task.advance(await to_thread.run_sync(_copy, digest, store, target))
    task.finish()


def _copy(digest: Digest, store: Store, target: Store) -> int:
    """Have the blob in *target*, its bytes checked; return how many they are."""
    length = store.path(digest).stat().st_size
    if not target.has(digest, length):
        target.add_chunks(store.chunks(digest), digest)
    return length
