"""What images that are read together share: each layer is read by one of them, and chosen from once."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from anyio import Lock, to_thread

from reprobuild.canonical import Digest
from reprobuild.image.chosen_tree import ChosenLayers
from reprobuild.image.index import RootLayer
from reprobuild.image.rpm import RPM_UNREAD
from reprobuild.image.tree import ImageTree
from reprobuild.resolver.interpreter import is_program
from reprobuild.sbom.contents import is_wanted
from reprobuild.store import Store

__all__ = ["SharedLayers"]

_NAMED = frozenset(RPM_UNREAD)
"""Files of which it is told that they are there."""
_THERE = re.compile(r"(?:.*/)?(?:os\.py|ld(?:64)?(?:-[^/]*)?\.so[^/]*)")
"""By these a Python's standard library and its loader are found, whatever is in them."""


class SharedLayers:
    """Layers of images whose contents go into *store*, for one event loop.

    Of files that an inventory wants, and those that *loaded* says, the contents are in an image's tree; of those that
    *kept* says, they are in the store alone.
    """

    def __init__(
        self,
        store: Store,
        *,
        loaded: Callable[[str], bool] = lambda _: False,
        kept: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._loaded = loaded
        self._kept = kept
        self._layers = ChosenLayers(self._matters, store)
        self._choosing = Lock()
        self._turns: dict[Digest, Lock] = {}

    def is_loaded(self, path: str) -> bool:
        """Say whether an image's tree has the contents of the file at the stored *path*."""
        return is_wanted(path) or self._loaded(path)

    def is_kept(self, path: str) -> bool:
        """Say whether the store has the contents of the file at the stored *path*."""
        return self.is_loaded(path) or self._kept(path)

    @asynccontextmanager
    async def alone(self, diff_id: Digest) -> AsyncIterator[None]:
        """Read the layer of that *diff_id* while nobody else does, for the block."""
        async with self._turns.setdefault(diff_id, Lock()):
            yield

    async def tree(self, layers: Sequence[RootLayer], *, where: str) -> ImageTree:
        """Return what *layers*, all indexed, add up to: the files that matter, all folders and links, no contents."""
        async with self._choosing:
            return await to_thread.run_sync(lambda: self._layers.tree(layers, where=where))

    def _matters(self, path: str) -> bool:
        return self.is_kept(path) or is_program(path) or path in _NAMED or _THERE.fullmatch(path) is not None
