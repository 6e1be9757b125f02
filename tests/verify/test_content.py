"""Causes from bytes alone: whatever the bytes are, there is a cause, and looking for it is safe."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reprobuild.canonical import digest_of
from reprobuild.verify.alignment import align
from reprobuild.verify.cause import CAUSES
from reprobuild.verify.content import content_cause
from reprobuild.verify.tar_header import header_difference, headers
from reprobuild.verify.text import is_text, text_diff

PATHS = ["a", "a.pyc", "x-1.dist-info/RECORD", "a.whl", "a.gz"]
HEADS = [b"", b"PK\3\4", b"\x1f\x8b\x08\0", b"PK\5\6"]


def zip_of(name: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "x" * 50)
    return target.getvalue()


@given(st.sampled_from(PATHS), st.sampled_from(HEADS), st.binary(max_size=300), st.binary(max_size=300))
@example("a", b"", b'"' * 9, b'"')
@example("x-1.dist-info/RECORD", b"", b'"a\0,', b"\xff,,")
def test_any_two_contents_have_a_cause(path: str, head: bytes, a: bytes, b: bytes) -> None:
    if a != b:
        cause, detail = content_cause(path, head + a, head + b)
        assert cause in CAUSES
        assert detail


@given(st.integers(0, 160), st.integers(0, 255))
def test_damaged_archives_are_no_trouble(place: int, value: int) -> None:
    for good in (zip_of("a"), gzip.compress(b"x" * 500, mtime=0)):
        bad = bytearray(good)
        bad[place % len(bad)] = value
        if bytes(bad) != good:
            assert content_cause("a", good, bytes(bad))[0] in CAUSES


def test_a_bomb_is_not_unpacked() -> None:
    bombs = [gzip.compress(bytes(60_000_000), 9, mtime=time) for time in (1, 2)]
    assert content_cause("a.gz", *bombs)[0] == "time or random value"


@pytest.mark.parametrize(
    ("a", "b", "detail"),
    [
        (b"# 2024-01-02T03:04:05Z\n", b"# 2025-01-02T03:04:05Z\n", "a date"),
        (b"12:00:01\n", b"13:30:00\n", "a time"),
        (b"pid 1234567\n", b"pid 7654321\n", "a number"),
        (b"at 0x7f0011223344\n", b"at 0x7f0011229999\n", "an address or identifier"),
        (b"/tmp/a/b\n12:00\n", b"/tmp/cc\n12:01\n", "a temporary path, a time"),
    ],
)
def test_what_varies_is_said(a: bytes, b: bytes, detail: str) -> None:
    assert content_cause("a", a, b) == ("time or random value", detail)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (b"version = 1.2.3\n", b"version = 1.2.4\n"),
        (b"retries: 3\n", b"retries: 5\n"),
        (b"sha256:" + b"a" * 64 + b"\n", b"sha256:" + b"b" * 64 + b"\n"),
        (b"May the first\n", b"March the first\n"),
    ],
)
def test_what_has_a_reason_is_not_called_random(a: bytes, b: bytes) -> None:
    assert content_cause("a", a, b)[0] == "text"


def test_texts_are_told_from_other_bytes() -> None:
    assert is_text("naïve\r\n\t".encode())
    assert not any(map(is_text, (b"\0", b"\xff", b"a" * 70_000)))
    assert text_diff(b"a\n", b"\0", limit=9) == ()
    assert text_diff(b"a\n" * 3000, b"b\n", limit=9) == ()
    (line,) = text_diff(b"", b"x" * 500, limit=1)[:1]
    assert line.startswith("@@")


# Tar headers


def tar(*members: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> list[bytes]:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    data = target.getvalue()
    return [data[start : start + 700] for start in range(0, len(data), 700)]


def member(name: str = "a", **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


@pytest.mark.parametrize(
    ("a", "b", "detail"),
    [
        (tar(member(), member("b", uname="root")), tar(member(), member("b")), "b: user name: 'root' → ''"),
        (tar(member(mtime=5.5)), tar(member(mtime=5)), "a pax header in A only, with mtime"),
        (tar(member(mtime=5.5)), tar(member(mtime=5.25)), "pax record mtime: '5.5' → '5.25'"),
        (tar(member()), tar(member(), form=tarfile.GNU_FORMAT), "a: format: 'ustar\\x0000' → 'ustar'"),
        (tar(member(size=2000)), [*tar(member(size=2000)), bytes(512)], "only what fills up the archive differs"),
        (tar(member("n" * 200), form=tarfile.GNU_FORMAT), tar(member("n" * 200)), "a GNU extension in A only"),
    ],
)
def test_the_first_header_that_differs_is_said(a: list[bytes], b: list[bytes], detail: str) -> None:
    assert detail in header_difference(a, b)


@given(st.lists(st.binary(max_size=2000)))
def test_headers_of_any_bytes_come_to_an_end(chunks: list[bytes]) -> None:
    assert len(list(headers(chunks))) <= sum(map(len, chunks)) // 512


# Alignment

ids = st.lists(st.sampled_from([digest_of(bytes([number])) for number in range(6)]), max_size=8)


@given(ids, ids)
def test_every_layer_has_one_place(a: Sequence, b: Sequence) -> None:  # type: ignore[type-arg]
    found = align(a, b)
    for side, places, layers in ((0, found.a, a), (1, found.b, b)):
        matched = [pair[side] for pair in (*found.equal, *found.moved)]
        assert sorted([*matched, *places]) == list(range(len(layers)))
    assert all(a[one] == b[other] for one, other in (*found.equal, *found.moved))
    assert {one for one, _ in found.paired} <= set(found.a)
    assert not {a[one] for one in found.a} & {b[other] for other in found.b}
