"""Headers that are read on the short way say what tarfile reads out of them."""

import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.image.tar_member import Member

_FIELDS = ("name", "mode", "uid", "gid", "size", "mtime", "type", "linkname", "chksum")
_NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


def _said(header: tarfile.TarInfo) -> list[object]:
    return [getattr(header, field) for field in _FIELDS]


@given(
    name=_NAMES,
    target=_NAMES,
    kind=st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]),
    numbers=st.tuples(*[st.integers(0, 0o7777777)] * 3),
    large=st.tuples(st.integers(0, 2**40), st.integers(-5, 2**36)),
    form=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT]),
)
def test_a_header_says_what_tarfile_reads(
    name: str, target: str, kind: bytes, numbers: tuple[int, ...], large: tuple[int, int], form: int
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    info.mode, info.uid, info.gid = numbers
    info.size, info.mtime = large
    try:
        block = info.tobuf(form, "utf-8", "surrogateescape")[-512:]
    except ValueError:
        return
    assert _said(Member.frombuf(block, "utf-8", "surrogateescape")) == _said(
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    )


@given(place=st.integers(0, 511), value=st.integers(0, 255))
def test_a_changed_byte_is_noticed_as_tarfile_notices_it(place: int, value: int) -> None:
    info = tarfile.TarInfo("usr/bin/python3")
    info.size = 1000
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    block[place] = value
    try:
        expected = _said(tarfile.TarInfo.frombuf(bytes(block), "utf-8", "surrogateescape"))
    except tarfile.HeaderError:
        with pytest.raises(tarfile.TarError):
            Member.frombuf(bytes(block), "utf-8", "surrogateescape")
    else:
        assert _said(Member.frombuf(bytes(block), "utf-8", "surrogateescape")) == expected


def test_the_short_way_is_taken() -> None:
    block = tarfile.TarInfo("usr").tobuf(tarfile.USTAR_FORMAT)
    assert Member.ordinary(block, "utf-8", "surrogateescape") is not None
