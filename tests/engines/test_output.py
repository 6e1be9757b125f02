"""What programs write: secrets never go by, however it is cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reprobuild.engines.output import Masked, Tail, Written

SECRETS = (b"hunter2", b"-----BEGIN KEY-----\nabcdefgh\nij\n-----END KEY-----\n", b"aab")


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


@given(
    st.lists(st.sampled_from([*SECRETS, b"hunter", b"aa", b"b", b"\n", b"plain ", "é".encode()]), max_size=12),
    st.lists(st.integers(min_value=0), max_size=12),
)
def test_masking_does_not_depend_on_where_it_is_cut(parts: list[bytes], places: list[int]) -> None:
    data = b"".join(parts)
    whole, pieces = Masked(SECRETS), Masked(SECRETS)
    expected = whole.feed(data) + whole.finish()
    found = b"".join(pieces.feed(piece) for piece in cut(data, places)) + pieces.finish()
    assert found == expected
    for secret in (*SECRETS, b"abcdefgh"):
        assert secret not in found


def test_lines_of_a_secret_are_masked_alone() -> None:
    masked = Masked(SECRETS)
    assert masked.feed(b"x abcdefgh y ij\n") + masked.finish() == b"x *** y ij\n"


def test_lines_are_told_as_they_come() -> None:
    heard: list[str] = []
    written = Written([], heard.append, Tail())
    for piece in (b"on", b"e\ntwo\r\nth", "réé".encode()[:2], "réé".encode()[2:], b"\n\nlast"):
        written.feed(piece)
    assert heard == ["one", "two", "thréé", ""]
    written.finish()
    assert heard[-1] == "last"
    assert written.text == "one\ntwo\r\nthréé\n\nlast"


def test_it_stays_within_bounds() -> None:
    heard: list[str] = []
    tail = Tail()
    written = Written([], heard.append, tail)
    for _ in range(40):
        written.feed(b"x" * 65536)
    written.feed(b"\nthe end \xff\n")
    written.finish()
    assert len(written.text) == 1024 * 1024
    assert max(map(len, heard)) <= 65536
    assert tail.text.endswith("the end \N{REPLACEMENT CHARACTER}\n")
    assert len(tail.text) <= 16 * 1024
