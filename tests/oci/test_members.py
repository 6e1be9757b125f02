import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reprobuild.builder.tar import END, archive
from reprobuild.builder.tree import regular_file
from reprobuild.errors import ContentError
from reprobuild.oci.members import Members


def _member(name: str, data: bytes = b"", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def _write(path: Path, *members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> Path:  # noqa: A002
    with tarfile.open(path, "w:", format=format) as file:
        for info, data in members:
            file.addfile(info, io.BytesIO(data))
    return path


def _open(path: Path) -> Members:
    return Members(path, where="oci-archive:x.tar")


def _content(members: Members, name: str) -> bytes:
    return b"".join(members.chunks(name))


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_are_read_in_place(tmp_path: Path, format_: int) -> None:
    long = "d/" * 60 + "name"
    path = _write(
        tmp_path / "x.tar",
        _member("./", type=tarfile.DIRTYPE),
        _member("./a", b"1" * 1000),
        _member(long, b"22"),
        _member("empty"),
        format=format_,
    )
    members = _open(path)
    assert _content(members, "a") == b"1" * 1000
    assert _content(members, long) == b"22"
    assert (members.size("a"), members.size("empty"), members.size("none")) == (1000, 0, None)
    assert _content(members, "empty") == b""
    with pytest.raises(ContentError, match="there is no 'none'"):
        _content(members, "none")
    members.close()


def test_links_inside_are_followed(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "x.tar",
        _member("a/layer.tar", b"data"),
        _member("b/layer.tar", type=tarfile.SYMTYPE, linkname="../a/layer.tar"),
        _member("c", type=tarfile.LNKTYPE, linkname="b/layer.tar"),
        _member("broken", type=tarfile.SYMTYPE, linkname="nothing"),
        _member("loop", type=tarfile.SYMTYPE, linkname="loop"),
    )
    members = _open(path)
    assert _content(members, "b/layer.tar") == _content(members, "c") == b"data"
    assert members.size("broken") is None
    with pytest.raises(ContentError, match="links without end"):
        members.size("loop")
    members.close()


@pytest.mark.parametrize(
    ("members", "match"),
    [
        ([_member("../a")], "unsafe path"),
        ([_member("/etc/passwd")], "unsafe path"),
        ([_member("a/../../b")], "unsafe path"),
        ([_member("../a", type=tarfile.DIRTYPE)], "unsafe path"),
        ([_member("a", b"1"), _member("a", b"2")], "stands twice"),
        ([_member("a", b"1"), _member("./a", b"2")], "stands twice"),
        ([_member("a", b"1"), _member("a", type=tarfile.SYMTYPE, linkname="b")], "stands twice"),
        ([_member("a", type=tarfile.SYMTYPE, linkname="/etc/passwd")], "leads out"),
        ([_member("a/b", type=tarfile.SYMTYPE, linkname="../../etc/passwd")], "leads out"),
        ([_member("a", type=tarfile.LNKTYPE, linkname="../etc/passwd")], "leads out"),
        ([_member("a", type=tarfile.FIFOTYPE)], "neither a file nor a link"),
        ([_member("a", type=tarfile.CHRTYPE)], "neither a file nor a link"),
        (
            [
                _member(
                    "a",
                    pax_headers={"GNU.sparse.major": "0", "GNU.sparse.map": "0,1", "GNU.sparse.size": "9"},
                )
            ],
            "neither a file nor a link",
        ),
    ],
)
def test_hostile_members(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]], match: str) -> None:
    path = _write(tmp_path / "x.tar", *members)
    with pytest.raises(ContentError, match=match) as caught:
        _open(path)
    assert caught.value.where == "oci-archive:x.tar"


def test_an_archive_cut_short(tmp_path: Path) -> None:
    path = _write(tmp_path / "x.tar", _member("a", b"1" * 5000))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ContentError):
        _open(path)


def test_a_header_of_a_bombs_size_is_not_read(tmp_path: Path) -> None:
    path = _write(tmp_path / "x.tar", _member("a" * 3_000_000, b"1"))
    with pytest.raises(ContentError, match="too long"):
        _open(path)


def test_too_many_members(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    entries = ((regular_file(f"f{number}", 0), ()) for number in range(20_001))
    path.write_bytes(b"".join(archive(entries, epoch=0)) + END)
    with pytest.raises(ContentError, match="more than 20000 members"):
        _open(path)


@pytest.mark.parametrize("data", [b"", b"nonsense" * 100, b"{}"])
def test_files_that_are_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(ContentError, match="not a tar archive"):
        _open(tmp_path / "x.tar")


def test_a_compressed_archive_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"\x1f\x8b" + bytes(600))
    with pytest.raises(ContentError, match="is compressed") as caught:
        _open(tmp_path / "x.tar")
    assert caught.value.hint == "decompress it first"


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = _write(tmp_path / "x.tar", _member("a", b"1" * 5000))
    members = _open(path)
    path.write_bytes(b"")
    with pytest.raises(ContentError, match="became shorter"):
        _content(members, "a")
    members.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.data())
def test_no_damage_does_more_than_an_error(tmp_path: Path, data: st.DataObject) -> None:
    path = _write(tmp_path / "x.tar", _member("index.json", b"{}"), _member("é" * 60, b"1"), _member("b", b"2"))
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, 4095))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        members = _open(path)
    except ContentError:
        return
    for name in ("index.json", "b"):
        if members.size(name) is not None:
            assert len(_content(members, name)) == members.size(name)
    members.close()
