"""What several fragments of one layer hold: the first has it, the others go without, as of format 2.

Docker's and podman's stores refuse a layer that names a path twice, be it a folder that wheels share (a namespace
package), the folders that bytecode lies in, or a file that is the same in both.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reprobuild.builder.fragment import Fragment, make_fragment, parse_fragment
from reprobuild.builder.tar import BLOCK
from reprobuild.canonical import Digest, canonical_json, digest_of
from reprobuild.errors import ContentError

if TYPE_CHECKING:
    from reprobuild.builder.compress import Compression
    from reprobuild.builder.layer import Members
    from reprobuild.store import Store

__all__ = ["Span", "Spans", "spans", "without_repeats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An entry in tar bytes: its path, without a slash at the end, and where its header begins and its content ends."""

    path: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """The entries of a fragment, in their order, and their paths."""

    spans: tuple[Span, ...]
    paths: frozenset[bytes]


def spans(blocks: Iterable[bytes]) -> Iterator[Span]:
    """Yield where the entries stand in *blocks*, tar bytes as `tar.archive` writes them, cut anywhere."""
    stream = _Stream(blocks)
    start, records = 0, dict[bytes, bytes]()
    while header := stream.take(BLOCK):
        size = int(header[124:135], 8)
        if header[156:157] == b"x":
            records = dict(_records(stream.take(_whole(size))[:size]))
            continue
        stream.skip(_whole(int(records.get(b"size", size))))
        path = records.get(b"path") or b"/".join(filter(None, (header[345:500].rstrip(b"\0"), _text(header[:100]))))
        yield Span(path=path.rstrip(b"/"), start=start, end=stream.position)
        start, records = stream.position, {}


def without_repeats(
    fragments: Sequence[Fragment], store: "Store", compression: "Compression", members: "Members"
) -> tuple[Fragment, ...]:
    """Return *fragments*, in place of each that repeats an entry of an earlier one what it holds besides.

    That is made once, of the fragment's own bytes, and remembered. Raises ContentError for two entries of one path
    that are not the same.
    """
    seen: set[bytes] = set()
    kept = []
    for number, fragment in enumerate(fragments):
        found = members.spans(fragment)
        # A fleet has thousands of paths in each of hundreds of layers: sets are compared, not paths.
        if twice := seen.intersection(found.paths):
            repeated = [span for span in found.spans if span.path in twice]
            _check_same(fragment, repeated, fragments[:number], members)
            fragment = _without(fragment, repeated, store, compression, members)  # noqa: PLW2901 - what is kept of it
        kept.append(fragment)
        seen |= found.paths
    return tuple(fragment for fragment in kept if fragment.members)


def _without(
    fragment: Fragment, left_out: Sequence[Span], store: "Store", compression: "Compression", members: "Members"
) -> Fragment:
    paths = [span.path.decode("utf-8", "surrogateescape") for span in left_out]
    key = digest_of(canonical_json(["without", fragment.blob, *paths]))
    if (known := _known(key, store)) is not None:
        return known
    rest = (piece for number, piece in _cut(members.blocks(fragment), left_out) if number is None)
    made = make_fragment(rest, store, compression, flushed=False)
    store.write_record("fragment", key, made.to_json())
    return made


def _known(key: Digest, store: "Store") -> Fragment | None:
    try:
        known = parse_fragment(store.record("fragment", key) or {})
    except ContentError:
        return None
    return known if store.has(known.blob, known.size) else None


def _check_same(fragment: Fragment, repeated: Sequence[Span], earlier: Sequence[Fragment], members: "Members") -> None:
    """Raise ContentError unless each of *repeated* is what the fragments *earlier* have under that path."""
    digests = _digests(fragment, repeated, members)
    mine = {span.path: digest for span, digest in zip(repeated, digests, strict=True)}
    wanted = frozenset(mine)
    for other in earlier:
        found = members.spans(other)
        if common := found.paths & wanted:
            theirs = [span for span in found.spans if span.path in common]
            for span, digest in zip(theirs, _digests(other, theirs, members), strict=True):
                if digest != mine[span.path]:
                    path = span.path.decode("utf-8", "replace")
                    hint = "run `reprobuild lock update`, which names them"
                    raise ContentError(f"two wheels write {path} with different bytes", hint=hint)


def _digests(fragment: Fragment, wanted: Sequence[Span], members: "Members") -> list[bytes]:
    """Return the digests of the entries *wanted*, which are in the order of the fragment, headers included."""
    found = [hashlib.sha256() for _ in wanted]
    for number, piece in _cut(members.blocks(fragment), wanted):
        if number is not None:
            found[number].update(piece)
    return [one.digest() for one in found]


def _cut(blocks: Iterable[bytes], places: Sequence[Span]) -> Iterator[tuple[int | None, bytes]]:
    """Yield *blocks* in pieces, each with the number of the one of *places* that it is in, None for none."""
    number = position = 0
    for block in blocks:
        start, end = position, position + len(block)
        while start < end:
            place = places[number] if number < len(places) else None
            if place is None or start < place.start:
                inside, stop = None, min(end, place.start if place else end)
            else:
                inside, stop = number, min(end, place.end)
                number += stop == place.end
            yield inside, block[start - position : stop - position]
            start = stop
        position = end


def _records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records of a pax header: ``LENGTH KEY=VALUE`` and a newline each."""
    while body:
        length = int(body[: body.index(b" ")])
        key, _, value = body[:length].partition(b" ")[2].partition(b"=")
        yield key, value[:-1]
        body = body[length:]


def _text(field: bytes) -> bytes:
    return field.rstrip(b"\0")


def _whole(size: int) -> int:
    """Return *size* with what fills the last block."""
    return size + -size % BLOCK


class _Stream:
    """Bytes that come in blocks, taken or passed over."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks, self._held, self.position = iter(blocks), memoryview(b""), 0

    def take(self, count: int) -> bytes:
        """Return the next *count* bytes, none at the end; ContentError if there are fewer."""
        parts = []
        while count and (part := self._some(count)):
            parts.append(bytes(part))
            count -= len(part)
        if count and parts:
            raise ContentError("a fragment ends in the middle of an entry")
        return b"".join(parts)

    def skip(self, count: int) -> None:
        """Pass over *count* bytes."""
        while count:
            part = self._some(count)
            if not part:
                raise ContentError("a fragment ends in the middle of an entry")
            count -= len(part)

    def _some(self, most: int) -> memoryview:
        if not self._held:
            self._held = memoryview(next(self._blocks, b""))
        part, self._held = self._held[:most], self._held[most:]
        self.position += len(part)
        return part
