"""What images that are read together share: each layer is read by one of them, and chosen from once."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache

from anyio import Lock, to_thread

from reprobuild.canonical import Digest
from reprobuild.image.chosen_tree import ChosenLayers
from reprobuild.image.index import RootLayer
from reprobuild.image.recent_rows import RecentRows
from reprobuild.image.tree import ImageTree
from reprobuild.resolver.interpreter import is_program
from reprobuild.sbom.contents import is_wanted
from reprobuild.store import Store

__all__ = ["SharedLayers", "Wanted"]

_THERE = re.compile(r"(?:.*/)?(?:os\.py|ld(?:64)?(?:-[^/]*)?\.so[^/]*)")
"""By these a Python's standard library and its loader are found, whatever is in them."""


def nothing(_path: str) -> bool:
    """Want no file."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Files whose contents are wanted beside those that an inventory takes, said by functions of a module.

    Contents of *loaded* ones are in an image's tree, of *kept* ones in the store alone. With *listing*, digests of
    other files are not needed: what is known of a layer is kept under that name (`reprobuild.image.index`).
    """

    loaded: Callable[[str], bool] = nothing
    kept: Callable[[str], bool] = nothing
    listing: str = ""

    def is_loaded(self, path: str) -> bool:
        """Say whether an image's tree has the contents of the file at the stored *path*."""
        return is_wanted(path) or self.loaded(path)

    def is_kept(self, path: str) -> bool:
        """Say whether the store has the contents of the file at the stored *path*."""
        return is_wanted(path) or self.loaded(path) or self.kept(path)


class SharedLayers:
    """Layers of images whose contents go into *store*, for one event loop.

    With *processes* large layers that are in the store are read by processes of their own, one for each processor.
    ``rows`` has what is in layers, ``small_content`` reads small files; both keep what was asked for last.
    """

    def __init__(self, store: Store, wanted: Wanted = Wanted(), *, processes: bool = False) -> None:
        self.wanted = wanted
        self.processes = processes
        nameless = _is_there if wanted.listing else None
        self.rows = RecentRows(store, listing=wanted.listing)
        self.small_content = lru_cache(maxsize=512)(store.read)
        self._layers = ChosenLayers(self._matters, self.rows, nameless=nameless)
        self._choosing = Lock()
        self._turns: dict[Digest, Lock] = {}

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
        return self.wanted.is_kept(path) or is_program(path) or _is_there(path)


def _is_there(path: str) -> bool:
    """Say whether it matters that there is a file at *path*, whatever is in it."""
    return path.rpartition("/")[2].startswith(("os.py", "ld")) and _THERE.fullmatch(path) is not None
