"""What of the layers below matters to a layer's directory: a few folders that it leaves out, as a rule.

So one directory serves wherever these are the same, whatever else lies below: it is called by the layer and by them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reprobuild.canonical import Digest, canonical_json, digest_of, hex_of
from reprobuild.engines.layer_places import Below
from reprobuild.image.tree import Node
from reprobuild.store import Store

__all__ = ["Needs", "known_needs", "remember_needs"]

_KIND = "needs"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What is asked of the layers below, found while a layer was unpacked as if there were none.

    ``asked`` are the paths that matter to it, of which ``left_out`` are folders that it has none the less; without
    ``complete``, more than that matters.
    """

    asked: tuple[str, ...] = ()
    left_out: frozenset[str] = frozenset()
    complete: bool = True

    def folders(self, below: Below) -> dict[str, Node] | None:
        """Return the folders that are left out and are there *below*; None if what is below says more than that."""
        nodes = {path: node for path in self.asked if (node := below.get(path)) is not None}
        folders = {path: node for path, node in nodes.items() if node.kind == "directory"}
        if not self.complete or not folders.keys() <= self.left_out:
            return None
        return None if any(node.kind == "symlink" for node in nodes.values()) else folders

    def name(self, diff_id: Digest, folders: Mapping[str, Node]) -> str:
        """Return what the directory of the layer is called, with *folders* below: 64 hexadecimal digits.

        That is its diffID where the layer alone says what is in it.
        """
        if not folders:
            return hex_of(diff_id)
        return hex_of(digest_of(canonical_json([_KIND, _FORMAT, diff_id, *map(_said, folders.items())])))


def known_needs(diff_id: Digest, store: Store) -> Needs | None:
    """Return what *store* remembers that a layer needs; None if it has not been unpacked yet."""
    record = store.record(_KIND, _key(diff_id))
    return None if record is None else _parsed(record)


def remember_needs(diff_id: Digest, needs: Needs, store: Store) -> None:
    """Keep what the layer *diff_id* needs in *store*."""
    value = {"asked": list(needs.asked), "leftOut": sorted(needs.left_out), "complete": needs.complete}
    store.write_record(_KIND, _key(diff_id), value)


def _parsed(value: Mapping[str, Any]) -> Needs | None:
    asked, left_out, complete = (value.get(name) for name in ("asked", "leftOut", "complete"))
    if not isinstance(asked, list) or not isinstance(left_out, list) or not isinstance(complete, bool):
        return None
    return Needs(asked=tuple(asked), left_out=frozenset(left_out), complete=complete)


def _said(folder: tuple[str, Node]) -> list[Any]:
    path, node = folder
    xattrs = [[name, value.hex()] for name, value in node.xattrs]
    return [path, node.mode, node.uid, node.gid, node.mtime, xattrs]


def _key(diff_id: Digest) -> Digest:
    return digest_of(canonical_json([_KIND, _FORMAT, diff_id]))
