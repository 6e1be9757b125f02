"""From a reference to the source that reads it, and from a source into the store."""

from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

from reprobuild.errors import ContentError, SpecificationError
from reprobuild.oci.checked import taken_in_thread
from reprobuild.oci.layout import Folder, Layout
from reprobuild.oci.reference import FileReference, Reference, RegistryReference
from reprobuild.oci.registries import Registries
from reprobuild.oci.source import Source
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Task
from reprobuild.store import Store

__all__ = ["copy_blob", "open_source"]


def open_source(
    reference: Reference, *, root: Path, environ: Mapping[str, str], registries: Registries | None = None
) -> Source:
    """Return the source that reads *reference*; whoever gets it closes it.

    Paths are relative to *root*, the workspace. *environ* says where Docker's configuration is; *registries* are
    users' settings of single registries. Raises SpecificationError if there is no such file.
    """
    if isinstance(reference, RegistryReference):
        return _registry_source(reference, environ, registries or Registries())
    return _file_source(reference, root / reference.path)


async def copy_blob(
    source: Source, descriptor: Descriptor, store: Store, *, task: Task | None = None, flushed: bool = True
) -> None:
    """Put the bytes of *descriptor* from *source* into *store*, unless they are there; tell *task* of each chunk.

    Not *flushed* to the disk is for what is quickly fetched again, and whose digest is held against it whenever it is
    read.
    """
    if store.has(descriptor.digest, descriptor.size):
        return
    with store.writer(descriptor.digest, flushed=flushed, is_checked=True) as writer:
        # A source's streams are generators; one that is left early is closed here, not some time later.
        async with aclosing(cast("Any", source.stream(descriptor))) as chunks:
            async for size in taken_in_thread(chunks, writer.write):
                if task is not None:
                    task.advance(size)
        if writer.size != descriptor.size:
            raise ContentError(f"{descriptor.digest} has {writer.size} bytes, not {descriptor.size}")


def _registry_source(reference: RegistryReference, environ: Mapping[str, str], registries: Registries) -> Source:
    from reprobuild.oci.registry import Registry  # noqa: PLC0415 - HTTP is slow to import

    mirrors = registries.of(reference.host).mirrors
    if not mirrors:
        return Registry(reference, environ=environ, registries=registries)
    from reprobuild.oci.mirrored import Mirrored, mirrored_reference  # noqa: PLC0415

    places = [*(mirrored_reference(reference, mirror) for mirror in mirrors), reference]
    return Mirrored([Registry(place, environ=environ, registries=registries) for place in places])


def _file_source(reference: FileReference, path: Path) -> Source:
    where = str(reference)
    if not path.exists():
        raise SpecificationError(
            f"there is no {path}",
            where=where,
            hint="make it first, or check the path, relative to the workspace",
        )
    if reference.transport == "oci":
        if not path.is_dir():
            hint = f"if it is an archive, write oci-archive:{reference.path}"
            raise SpecificationError(f"{path} is not a folder", where=where, hint=hint)
        return Layout(Folder(path), reference.tag, where=where)
    if not path.is_file():
        hint = f"if it is an image layout, write oci:{reference.path}"
        raise SpecificationError(f"{path} is not a file", where=where, hint=hint)
    from reprobuild.oci.docker_archive import DockerArchive  # noqa: PLC0415 - tarfile and gzip are not always needed
    from reprobuild.oci.members import Members  # noqa: PLC0415

    members = Members(path, where=where)
    if reference.transport == "oci-archive":
        return Layout(members, reference.tag, where=where)
    return DockerArchive(members, reference.tag, where=where)
