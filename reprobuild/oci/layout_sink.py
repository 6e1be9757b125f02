"""An image layout on disk as a sink: blobs as they come, `index.json` last."""

from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

from anyio import to_thread

from reprobuild.canonical import hex_of
from reprobuild.oci.layout import begin_layout, enlist, holds
from reprobuild.oci.sink import Placed
from reprobuild.oci.source import Source
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Task
from reprobuild.store import replacing

__all__ = ["LayoutSink"]


class LayoutSink:
    """The image layout *path*, made if it is not there; a Sink. Tags that it has stay, except those that are set."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def put(self, descriptor: Descriptor, source: Source, *, task: Task | None = None) -> Placed:
        """Have *descriptor* there; see Sink. A blob that is damaged is replaced."""
        await to_thread.run_sync(begin_layout, self._path)
        if await to_thread.run_sync(holds, self._path, descriptor):
            return "there"
        target = self._path / "blobs" / "sha256" / hex_of(descriptor.digest)
        with replacing(target, scratch=self._path) as file:
            async with aclosing(cast("Any", source.stream(descriptor))) as chunks:
                async for chunk in chunks:
                    await to_thread.run_sync(file.write, chunk)
                    if task is not None:
                        task.advance(len(chunk))
        return "uploaded"

    async def tag(self, descriptor: Descriptor, tag: str, source: Source) -> None:  # noqa: ARG002 - it is there
        """Let *tag* lead to *descriptor*; see Sink."""
        await self.list(descriptor, tag)

    async def list(self, descriptor: Descriptor, tag: str | None) -> None:
        """List *descriptor* in `index.json`, under *tag* if there is one."""
        await to_thread.run_sync(enlist, self._path, [(descriptor, tag)])

    async def close(self) -> None:
        """Do nothing: no file stays open."""
