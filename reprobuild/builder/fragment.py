"""Fragments: entries as tar bytes, compressed once, ready to stand in any layer.

A fragment is kept closed, that is with the end of the archive as one more member of a constant length, so that
it is a valid layer by itself. To join fragments, the end is cut off all but the last: no byte is compressed
twice. What is remembered of a fragment is enough to place it, inflate it and know its diffID.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reprobuild.builder.compress import Compression, blocks, compressor, end_member, identity
from reprobuild.builder.site import Site
from reprobuild.canonical import Digest, canonical_json, digest_of, parse_digest
from reprobuild.errors import ContentError
from reprobuild.lockfile import Wheel
from reprobuild.store import Store

__all__ = ["Fragment", "Tick", "fragment_key", "make_fragment", "nobody", "parse_fragment"]


Tick = Callable[[int], None]


def nobody(_: int) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """A closed fragment in the store: its blob, its diffID as a layer of its own, and its members.

    ``size`` and ``members`` count compressed bytes, the closing member left out of ``members``.
    """

    blob: Digest
    diff_id: Digest
    size: int
    members: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the record that the store keeps."""
        return {"blob": self.blob, "diffID": self.diff_id, "size": self.size, "members": list(self.members)}


def parse_fragment(value: Mapping[str, Any]) -> Fragment:
    """Return the fragment of a store's record; raise ContentError if it is none."""
    members, size = value.get("members"), value.get("size")
    if not isinstance(size, int) or not isinstance(members, list) or not all(isinstance(m, int) for m in members):
        raise ContentError("not a record of a fragment")
    return Fragment(
        blob=parse_digest(value.get("blob")),
        diff_id=parse_digest(value.get("diffID")),
        size=size,
        members=tuple(members),
    )


_FORMAT = 1
"""Format 2 has the same fragments as format 1."""
_KEYS: dict[tuple[int, int, Compression], tuple[Site, dict[Wheel, Digest]]] = {}
"""Keys that were asked for before, by the identity of their site, which stays alive with them."""
_MOST_SITES = 256


def fragment_key(wheel: Wheel, site: Site, *, epoch: int, compression: Compression) -> Digest:
    """Return the key of a wheel's fragment: everything that its bytes depend on."""
    if len(_KEYS) >= _MOST_SITES:
        _KEYS.clear()
    _, known = _KEYS.setdefault((id(site), epoch, compression), (site, {}))
    if wheel not in known:
        known[wheel] = _fragment_key(wheel, site, epoch, compression)
    return known[wheel]


def _fragment_key(wheel: Wheel, site: Site, epoch: int, compression: Compression) -> Digest:
    paths = site.interpreter
    return digest_of(
        canonical_json(
            {
                "format": _FORMAT,
                "wheel": [wheel.file, wheel.digest],
                "interpreter": {name: getattr(paths, name) for name in paths.__slots__},
                "links": dict(site.links),
                "bytecode": "none",
                "epoch": epoch,
                "compression": identity(compression),
            }
        )
    )


def make_fragment(
    tar: Iterable[bytes], store: Store, compression: Compression, *, tick: Tick = nobody, flushed: bool = True
) -> Fragment:
    """Compress the tar bytes of some entries into the store, and close them. *flushed*: see `Store.writer`."""
    compress = compressor(compression)
    uncompressed = hashlib.sha256()
    members: list[int] = []
    with store.writer(flushed=flushed) as writer:
        for block in blocks(tar):
            uncompressed.update(block)
            member = compress(block)
            writer.write(member)
            members.append(len(member))
            tick(len(block))
        end, member = end_member(compression)
        uncompressed.update(end)
        writer.write(member)
        blob, size = writer.digest, writer.size
    diff_id = Digest("sha256:" + uncompressed.hexdigest())
    return Fragment(blob=blob, diff_id=diff_id, size=size, members=tuple(members))
