import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.builder.tar import END, archive, header
from reprobuild.builder.tree import Entry, directory, in_order, parents, regular_file, resolve, symlink, whiteout
from reprobuild.errors import ContentError

EPOCH = 315532800
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1).filter(
    lambda name: name not in {".", ".."}
)
PATHS = st.lists(NAMES, min_size=1, max_size=6).map("/".join)


def read_back(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data + END)) as tar:
        return tar.getmembers()


@given(PATHS, st.binary(max_size=2000), st.booleans())
def test_any_file_reads_back_as_written(path: str, content: bytes, executable: bool) -> None:
    entry = regular_file(path, len(content), executable=executable)
    data = b"".join(archive([(entry, [content])], epoch=EPOCH))
    assert len(data) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(data + END)) as tar:
        (member,) = tar.getmembers()
        found = tar.extractfile(member)
        assert found is not None
        assert found.read() == content
    assert (member.name, member.mode, member.mtime) == (path.rstrip("/"), 0o755 if executable else 0o644, EPOCH)
    assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")


@given(PATHS, st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300))
def test_any_link_reads_back_as_written(path: str, target: str) -> None:
    (member,) = read_back(header(symlink(path, target), epoch=EPOCH))
    assert member.issym()
    assert (member.name, member.linkname) == (path, target)


@given(st.integers(0, 2**40), st.integers(0, 2**31), st.integers(0, 2**31), st.integers(0, 2**36))
def test_numbers_beyond_ustar_go_into_pax_records(size: int, uid: int, gid: int, epoch: int) -> None:
    entry = Entry(path="file", size=size, uid=uid, gid=gid)
    member = tarfile.TarInfo.frombuf(header(entry, epoch=epoch)[-512:], "utf-8", "strict")
    with tarfile.open(fileobj=io.BytesIO(header(entry, epoch=epoch)), mode="r|") as tar:
        found = tar.next()
    assert found is not None
    assert (found.size, found.uid, found.gid, found.mtime) == (size, uid, gid, epoch)
    assert member.name == "file"


@pytest.mark.parametrize("length", [1, 99, 100, 101, 154, 155, 156, 200, 255, 256, 257, 300])
def test_long_names_have_one_form_that_readers_agree_on(length: int) -> None:
    for path in ("x" * length, ("d" * 9 + "/") * (length // 10) + "x" * (length % 10 or 1)):
        (member,) = read_back(header(regular_file(path, 0), epoch=EPOCH))
        assert member.name == path


def test_kinds_of_entries() -> None:
    entries = [
        directory("d", mode=0o1777, uid=7, gid=8),
        Entry(path="d/c", kind="character", device=(1, 3)),
        Entry(path="d/f", kind="fifo"),
        Entry(path="d/h", kind="hardlink", target="d/f"),
        Entry(path="d/x", xattrs=(("security.capability", b"\x01\x00=\n"),)),
        whiteout("d/gone"),
    ]
    members = read_back(b"".join(archive(((entry, ()) for entry in entries), epoch=EPOCH)))
    assert [member.name for member in members] == ["d", "d/c", "d/f", "d/h", "d/x", "d/.wh.gone"]
    assert members[0].isdir()
    assert (members[0].mode, members[0].uid, members[0].gid) == (0o1777, 7, 8)
    assert (members[1].ischr(), members[1].devmajor, members[1].devminor) == (True, 1, 3)
    assert (members[3].islnk(), members[3].linkname) == (True, "d/f")
    assert members[4].pax_headers["SCHILY.xattr.security.capability"].startswith("\x01")


def test_content_must_be_as_long_as_announced() -> None:
    with pytest.raises(ContentError, match="3 bytes of content, 4 announced"):
        list(archive([(regular_file("f", 4), [b"abc"])], epoch=EPOCH))


def test_order_puts_parents_first_and_is_by_bytes() -> None:
    paths = ["b", "a/z", "a", "é", "a-b", "a/é", "Z"]
    assert [entry.path for entry in in_order(directory(path) for path in paths)] == sorted(paths, key=str.encode)


def test_parents_stop_at_the_folder_below_which_they_are_wanted() -> None:
    assert parents("a/b/c/f") == ["a", "a/b", "a/b/c"]
    assert parents("a/b/c/f", below="a/b") == ["a/b/c"]


def test_links_on_the_way_are_followed() -> None:
    links = {"lib": "usr/lib", "var/run": "/run", "usr/lib/x": "../y"}
    assert resolve("lib/python3", links) == "usr/lib/python3"
    assert resolve("var/run/me/f", links) == "run/me/f"
    assert resolve("lib/x/f", links) == "usr/y/f"
    assert resolve("lib", links) == "lib"
    with pytest.raises(ContentError, match="circle"):
        resolve("a/f", {"a": "b", "b": "a"})
