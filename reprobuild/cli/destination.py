"""Where `reprobuild build -o` writes images: an image layout, or an archive of one."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.errors import SpecificationError
from reprobuild.oci.reference import FileReference, parse_reference
from reprobuild.store import Store

if TYPE_CHECKING:
    from reprobuild.builder.build import BuildResult
    from reprobuild.workspace import Workspace

__all__ = ["parse_destination", "write_images"]


def parse_destination(text: str, connectors: int) -> FileReference:
    """Return the destination *text* for the images of so many *connectors*; raise SpecificationError if it is none."""
    reference = parse_reference(text, where="--output")
    if not isinstance(reference, FileReference):
        hint = "write it like oci:PATH, oci:PATH:TAG or oci-archive:FILE"
        raise SpecificationError(f"{text!r} is no image layout or archive", where="--output", hint=hint)
    if reference.tag and connectors > 1:
        hint = "leave the tag out: each image gets its connector's name"
        raise SpecificationError(f"one tag for {connectors} connectors", where="--output", hint=hint)
    return reference


def write_images(
    target: FileReference, results: Sequence["BuildResult"], workspace: "Workspace", store: Store, directory: Path
) -> tuple[str, ...]:
    """Write the indexes of *results* to *target*, a relative path below *directory*; return their tags.

    All their blobs, base layers included, must be in *store*.
    """
    path = directory / target.path
    entries = [(result.index, target.tag or _tag(result, target, workspace)) for result in results]
    if target.transport == "oci":
        from reprobuild.oci.layout import write_layout

        write_layout(path, entries=entries, store=store)
    else:
        from reprobuild.oci.archive import write_archive

        write_archive(path, entries=entries, store=store)
    return tuple(tag for _, tag in entries)


def _tag(result: "BuildResult", target: FileReference, workspace: "Workspace") -> str:
    """Return the name of an image in a layout, NAME; or in an archive NAME:VERSION, as `docker load` wants it."""
    if target.transport == "oci":
        return result.connector
    return f"{result.connector}:{workspace.connectors[result.connector].version or 'latest'}"
