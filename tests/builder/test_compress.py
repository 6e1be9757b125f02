import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.builder.compress import MEMBER_SIZE, Compression, blocks, compressor, decompressor, end_member
from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError

KINDS: list[Compression] = ["gzip", "zstd"]


@given(st.lists(st.binary(max_size=50), max_size=30), st.integers(1, 64))
def test_blocks_have_one_size_however_the_input_is_cut(chunks: list[bytes], size: int) -> None:
    found = list(blocks(chunks, size))
    assert b"".join(found) == b"".join(chunks)
    assert all(len(block) == size for block in found[:-1])
    assert all(found)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.binary(max_size=5000))
def test_members_inflate_to_what_they_were(kind: Compression, data: bytes) -> None:
    member = compressor(kind)(data)
    assert decompressor(kind)(member) == data


def test_members_follow_one_another_as_one_gzip_file() -> None:
    data = bytes(range(256)) * 10_000
    members = [compressor("gzip")(block) for block in blocks([data])]
    assert len(members) == -(-len(data) // MEMBER_SIZE)
    assert gzip.decompress(b"".join(members)) == data
    assert zlib.decompressobj(31).decompress(members[0]) == data[:MEMBER_SIZE]


def test_header_says_nothing_about_the_machine() -> None:
    assert compressor("gzip")(b"x")[:10].hex() == "1f8b08000000000000ff"


def test_golden_bytes_of_format_1() -> None:
    block = b"".join(b"%d " % (number * number) for number in range(40_000))
    assert digest_of(compressor("gzip")(block)) == GOLDEN_GZIP
    assert digest_of(compressor("zstd")(block)) == GOLDEN_ZSTD
    assert end_member("gzip")[1].hex() == GOLDEN_END


def test_a_damaged_member_is_noticed() -> None:
    member = bytearray(compressor("gzip")(b"hello hello hello"))
    member[-6] ^= 1
    with pytest.raises(ContentError, match="damaged"):
        decompressor("gzip")(bytes(member))


GOLDEN_GZIP = "sha256:56c3518d7f97f4ed80794aeafcb3d30e0ea34c91c2766148d5b62a74da9dc093"
GOLDEN_ZSTD = "sha256:424656b765f74771ba4466c82c7a15f9f5b6b837958959d7f47d7b594084e928"
GOLDEN_END = "1f8b08000000000000ff631805a360148c5800002eafb5ef00040000"
