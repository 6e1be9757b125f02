"""The one form of a wheel: a function of its contents alone, and still the wheel that it was."""

import hashlib
import io
import zipfile
from zipfile import ZipFile, ZipInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.builder.canonical_wheel import canonical_wheel, first_difference, wheel_of
from reprobuild.builder.site import Site
from reprobuild.builder.wheel import open_wheel, plan_wheel
from reprobuild.errors import ContentError
from tests.builder.wheels import DEBIAN, make_wheel

NAME = "demo-1.0-py3-none-any.whl"
GOLDEN = "4e4a0c9bfbce146f099236f5875e08810a8a9f49e645403df0bd7f05880d7c9c"
"""sha256 of `FILES` in format 1; another one is another format."""
FILES = {
    "demo/__init__.py": b"VALUE = 1\n",
    "demo/ü.txt": b"x" * 1000,
    'demo/a,"b".txt': b"",
    "demo/tool": b"#!/bin/sh\n",
}


def canonical(data: bytes) -> bytes:
    return b"".join(canonical_wheel(io.BytesIO(data), NAME))


def members(data: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def test_golden() -> None:
    data = canonical(make_wheel(FILES, executable=frozenset({"demo/tool"})))
    assert hashlib.sha256(data).hexdigest() == GOLDEN


def test_members_are_in_order_stored_dated_1980_and_with_two_modes() -> None:
    data = canonical(make_wheel(FILES, executable=frozenset({"demo/tool"}), reverse=True))
    with ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        infos = archive.infolist()
    names = [info.filename for info in infos]
    assert names == sorted(names, key=str.encode)
    assert {(info.compress_type, info.date_time, info.extra, info.create_system) for info in infos} == {
        (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0), b"", 3)
    }
    assert {info.filename: info.external_attr >> 16 for info in infos if info.filename.startswith("demo/")} == {
        **dict.fromkeys(FILES, 0o100644),
        "demo/tool": 0o100755,
    }


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_whoever_packed_them_equal_contents_are_equal_bytes(compression: int) -> None:
    wheel = make_wheel(FILES)
    out = io.BytesIO()
    with ZipFile(out, "w", compression) as archive:
        for path, data in reversed(members(wheel).items()):
            info = ZipInfo(path, date_time=(2031, 5, 6, 7, 8, 10))
            info.external_attr = 0o100600 << 16
            info.compress_type = compression
            archive.writestr(info, data)
    assert canonical(out.getvalue()) == canonical(wheel)


def test_it_is_its_own_canonical_form() -> None:
    once = canonical(make_wheel(FILES))
    assert canonical(once) == once


def test_it_installs_and_record_is_written_anew() -> None:
    wrong = make_wheel(FILES, record={"demo/__init__.py": "demo/__init__.py,sha256=AAAA,1\n"})
    data = canonical(wrong)
    with open_wheel(io.BytesIO(data), NAME) as archive:
        planned = plan_wheel(archive, NAME, Site(interpreter=DEBIAN))
    assert {one.member for one in planned} >= set(FILES)


def test_signatures_and_bytecode_are_left_out() -> None:
    extra = {"demo/__pycache__/x.cpython-311.pyc": b"pyc", "demo-1.0.dist-info/RECORD.jws": b"{}"}
    assert canonical(make_wheel({**FILES, **extra})) == canonical(make_wheel(FILES))


def test_a_wheel_of_files_is_canonical() -> None:
    wheel = members(canonical(make_wheel(FILES)))
    del wheel["demo-1.0.dist-info/RECORD"]
    assert wheel_of(wheel, NAME) == canonical(make_wheel(FILES))


@given(st.dictionaries(st.from_regex(r"demo/[a-zé,.\-]{1,8}x", fullmatch=True), st.binary(max_size=50), max_size=6))
def test_what_is_in_it_stays(files: dict[str, bytes]) -> None:
    found = members(canonical(make_wheel(files)))
    assert {path: found[path] for path in files} == files


def test_the_first_difference_is_named_record_last() -> None:
    one, same = make_wheel(FILES), canonical(make_wheel(FILES))
    assert first_difference(io.BytesIO(same), io.BytesIO(canonical(one)), NAME) is None
    other = canonical(make_wheel({**FILES, "demo/__init__.py": b"VALUE = 2\n", "demo/z": b""}))
    assert first_difference(io.BytesIO(same), io.BytesIO(other), NAME) == "demo/__init__.py"
    missing = canonical(make_wheel({path: data for path, data in FILES.items() if path != "demo/tool"}))
    assert first_difference(io.BytesIO(same), io.BytesIO(missing), NAME) == "demo/tool"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a readable zip"),
        (b"PK\x03\x04 and no more", "not a readable zip"),
        (make_wheel({"other-1.0.dist-info/METADATA": b""}), "not exactly one .dist-info"),
    ],
)
def test_what_is_no_wheel_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ContentError, match=message) as caught:
        canonical(data)
    assert caught.value.where == NAME


def test_a_truncated_wheel_is_refused() -> None:
    data = bytearray(make_wheel(FILES))
    data[60:64] = b"\xff\xff\xff\xff"
    with pytest.raises(ContentError):
        canonical(bytes(data))
