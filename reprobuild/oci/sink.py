"""The seam through which images are written, whatever holds them; the counterpart of a source.

What is put is checked on the way, so a sink never holds other bytes than a descriptor promises. Whoever writes puts
blobs first, then the manifests that name them, then indexes, and tags last: a tag never leads to what is missing.
"""

from typing import Literal, Protocol

from reprobuild.oci.source import Source
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Task

__all__ = ["Placed", "Sink"]

Placed = Literal["there", "mounted", "uploaded"]
"""It was there; the registry took it over from another repository; its bytes were sent."""


class Sink(Protocol):
    """Something that images can be written to: a registry repository, a layout."""

    async def put(self, descriptor: Descriptor, source: Source, *, task: Task | None = None) -> Placed:
        """Have the blob, manifest or index *descriptor* there, from *source* if it is missing; tell *task* of bytes.

        Raises ContentError, with nothing put, if the bytes of *source* differ from the digest or size.
        """
        ...

    async def tag(self, descriptor: Descriptor, tag: str, source: Source) -> None:
        """Let *tag* lead to the manifest or index *descriptor*, which has been put, wherever it led before."""
        ...

    async def close(self) -> None:
        """Let go of connections and files."""
        ...
