"""An image into a repository under its tags: nothing is moved unasked, and what is there is read back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError, NetworkError, ReprobuildError, SpecificationError
from reprobuild.gathering import gathered
from reprobuild.oci.registry_sink import RegistrySink
from reprobuild.oci.source import Source, read
from reprobuild.oci.tag import is_version_tag
from reprobuild.oci.transfer import Inventory, Transferred, inventory, transfer
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Progress

__all__ = ["Published", "TagOutcome", "publish"]

_PARALLEL = 6

TagOutcome = Literal["pushed", "there", "moved"]
"""The tag is new; it led there before; it led elsewhere before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """An image that is in a repository: how its blobs came there, and what became of each tag."""

    root: Descriptor
    transferred: Transferred
    tags: Mapping[str, TagOutcome]


async def publish(
    root: Descriptor,
    tags: Sequence[str],
    source: Source,
    sink: RegistrySink,
    *,
    progress: Progress,
    force: bool = False,
) -> Published:
    """Put *root*, a manifest or an index, from *source* into *sink*, and let *tags* lead there once all of it is.

    Raises ContentError, before anything is sent, if a tag that stands for a version leads to something else, unless
    *force*; and afterwards if what is read back is not what was sent.
    """
    before = {tag: await _standing(tag, sink) for tag in tags}
    _refuse_moves(before, root, sink, force=force)
    content = await inventory(root, source)
    transferred = await transfer(content, source, sink, progress=progress, label=f"pushing {sink.where}")
    await _read_back(content, sink)
    outcomes: dict[str, TagOutcome] = {}
    for tag in tags:
        # Somebody else may have pushed meanwhile.
        before[tag] = await _standing(tag, sink)
        _refuse_moves({tag: before[tag]}, root, sink, force=force)
        if before[tag] != root.digest:
            await sink.tag(root, tag, source)
            await _confirm(tag, root, sink)
        outcomes[tag] = "pushed" if before[tag] is None else "there" if before[tag] == root.digest else "moved"
    return Published(root=root, transferred=transferred, tags=outcomes)


async def _standing(tag: str, sink: RegistrySink) -> Digest | None:
    """Return the digest that *tag* leads to, None if it does not exist."""
    try:
        return (await sink.reader(tag).resolve()).digest
    except SpecificationError:
        return None


def _refuse_moves(standing: Mapping[str, Digest | None], root: Descriptor, sink: RegistrySink, *, force: bool) -> None:
    for tag, digest in standing.items():
        if digest not in {None, root.digest} and is_version_tag(tag) and not force:
            raise ContentError(
                f"the tag is there with other content: {digest}, not {root.digest}",
                where=f"{sink.where}:{tag}",
                hint="give the new image a new version; or move the tag with --force, if nobody relies on it",
            )


async def _read_back(content: Inventory, sink: RegistrySink) -> None:
    """Read all manifests and indexes as the registry has them, which checks their digests."""
    documents = [*content.manifests, *content.indexes]
    await gathered([partial(_read_one, one, sink) for one in documents], limit=_PARALLEL)


async def _read_one(document: Descriptor, sink: RegistrySink) -> None:
    await read(sink.reader(document.digest), document)


async def _confirm(tag: str, root: Descriptor, sink: RegistrySink) -> None:
    """Raise ContentError unless *tag* leads to *root*; a registry may take a moment to say so."""
    tries = sink.transport.tries()
    while True:
        found = await _standing(tag, sink)
        if found == root.digest:
            return
        if found is not None:
            raise _contested(tag, root, found, sink)
        await tries.again(
            NetworkError(
                "the registry does not know the tag that it took", where=f"{sink.where}:{tag}", hint="try again"
            )
        )


def _contested(tag: str, root: Descriptor, found: Digest, sink: RegistrySink) -> ReprobuildError:
    return ContentError(
        f"the tag leads to {found} now, not to {root.digest}",
        where=f"{sink.where}:{tag}",
        hint="somebody else pushed it at the same time: find out whose image it should be",
    )
