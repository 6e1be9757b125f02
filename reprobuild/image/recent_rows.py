"""Indexes of the layers that were read last: whoever asks several questions of an image reads each of them once."""

import threading
from collections import OrderedDict
from typing import Any

from reprobuild.canonical import Digest
from reprobuild.image.index import RootLayer, index_rows
from reprobuild.store import Store

__all__ = ["RecentRows"]

_ROOM = 40_000
"""Rows that are kept, of all layers together: about 30 MB."""


class RecentRows:
    """Rows of layers in *store*, by listings of the name *listing* as well as by indexes. Safe for threads."""

    def __init__(self, store: Store, *, listing: str = "") -> None:
        self._store, self._listing = store, listing
        self._lock, self._size = threading.Lock(), 0
        self._known: OrderedDict[Digest, list[list[Any]]] = OrderedDict()

    def of(self, layer: RootLayer, *, where: str) -> list[list[Any]]:
        """Return the rows of *layer*, which nobody may change; see `index_rows`."""
        with self._lock:
            if (known := self._known.get(layer.diff_id)) is not None:
                self._known.move_to_end(layer.diff_id)
                return known
        rows = index_rows(layer, self._store, where=where, listing=self._listing)
        with self._lock:
            if layer.diff_id not in self._known:
                self._known[layer.diff_id] = rows
                self._size += len(rows)
            while self._size > _ROOM:
                self._size -= len(self._known.popitem(last=False)[1])
        return rows
