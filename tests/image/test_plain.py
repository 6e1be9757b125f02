"""Layers as plain bytes: gzip members of ours and of others, cut anywhere."""

import gzip
import random
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.builder.compress import compressor
from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError
from reprobuild.image.plain import STEP, plain
from reprobuild.oci.types import LAYER_GZIP, Descriptor


def read(data: bytes, step: int = STEP) -> bytes:
    layer = Descriptor(media_type=LAYER_GZIP, digest=digest_of(data), size=len(data))
    pieces = list(plain(layer, (data[start : start + step] for start in range(0, len(data), step)), where="test"))
    assert all(len(piece) <= STEP for piece in pieces)
    return b"".join(pieces)


def members(blocks: list[tuple[bool, bytes]]) -> Iterator[bytes]:
    """Yield a gzip member for each block, of our own writer or as others write them."""
    ours = compressor("gzip")
    for number, (is_ours, block) in enumerate(blocks):
        content = number.to_bytes(2, "big") + block
        yield ours(content) if is_ours else gzip.compress(content, mtime=number)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=300)), min_size=1, max_size=8), st.integers(1, 400))
def test_members_of_all_kinds_cut_anywhere(blocks: list[tuple[bool, bytes]], step: int) -> None:
    data = b"".join(members(blocks))
    assert read(data, step) == gzip.decompress(data)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.data())
def test_what_was_cut_short_is_noticed(blocks: list[bytes], drawn: st.DataObject) -> None:
    parts = list(members([(True, block) for block in blocks]))
    whole = b"".join(parts)
    ends = {sum(map(len, parts[:count])) for count in range(1, len(parts) + 1)}
    cut = drawn.draw(st.integers(0, len(whole) - 1).filter(lambda place: place not in ends))
    with pytest.raises(ContentError, match="too early"):
        read(whole[:cut])


@given(st.binary(min_size=1, max_size=300), st.data())
def test_what_was_damaged_is_noticed_or_the_same(block: bytes, drawn: st.DataObject) -> None:
    data = bytearray(b"".join(members([(True, block)] * 3)))
    data[drawn.draw(st.integers(0, len(data) - 1))] ^= 1 << drawn.draw(st.integers(0, 7))
    with suppress(ContentError):
        assert read(bytes(data)) == b"".join(number.to_bytes(2, "big") + block for number in range(3))


def test_members_as_large_as_ours_become_and_larger_ones() -> None:
    ours = compressor("gzip")
    block = bytes(range(256)) * (STEP // 256)
    data = b"".join((ours(block), ours(block + block), ours(block), ours(b"end")))
    assert read(data) == block * 4 + b"end"


def test_what_looks_like_the_beginning_of_a_member_within_one() -> None:
    noise = random.Random(1).randbytes(2000)
    inner = noise[:500] + compressor("gzip")(b"x")[:10] + noise[500:]
    # Stored, not compressed, so that it stands there as it is.
    data = gzip.compress(inner, 0) + compressor("gzip")(b"end")
    ours = compressor("gzip")(inner) + compressor("gzip")(b"end")
    assert read(data) == read(ours) == inner + b"end"
