"""Layers that an engine made of what a program did, read with suspicion: an engine may be anybody's."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.canonical import digest_of
from reprobuild.engines.changed_layer import layer_changes
from reprobuild.engines.execution import Changes
from reprobuild.errors import ContentError
from reprobuild.image.tree import ImageTree, Node
from reprobuild.store import Store
from tests.engines.root_filesystem import Member

FOLDER = tarfile.DIRTYPE


def below() -> ImageTree:
    tree = ImageTree()
    for path, kind in (("data", "directory"), ("data/a", "file"), ("data/in", "directory"), ("data/in/b", "file")):
        tree.place(path, Node(kind=kind))  # type: ignore[arg-type]
    return tree


def read(tmp_path: Path, members: Sequence[Member], **secrets: bytes) -> tuple[Changes, Store]:
    path, store = tmp_path / "changes.tar", Store(tmp_path / "store")
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            archive.addfile(member.info, io.BytesIO(member.data))
    return layer_changes(path, below(), store, secrets=secrets, where="test"), store


def kinds(changes: Changes) -> dict[str, str]:
    return {change.entry.path: change.entry.kind for change in changes.present}


def test_files_are_in_the_store(tmp_path: Path) -> None:
    changes, store = read(tmp_path, [Member("data", kind=FOLDER), Member("data/new", b"new\n", mode=0o640, uid=7)])
    (change,) = (change for change in changes.present if change.entry.kind == "file")
    assert (change.entry.path, change.entry.mode, change.entry.uid) == ("data/new", 0o640, 7)
    assert change.digest == digest_of(b"new\n")
    assert store.read(change.digest) == b"new\n"
    assert changes.removed == ()


def test_whiteouts_of_what_was_there(tmp_path: Path) -> None:
    changes, _ = read(tmp_path, [Member("data/.wh.in"), Member("data/.wh.never"), Member(".wh.data2")])
    assert changes == Changes(removed=("data/in",))


def test_another_kind_at_a_path(tmp_path: Path) -> None:
    changes, _ = read(tmp_path, [Member("data/in", b"now a file"), Member("data/a", kind=FOLDER)])
    assert changes.removed == ("data/a", "data/in")
    assert kinds(changes) == {"data/a": "directory", "data/in": "file"}


def test_a_folder_made_anew_hides_what_it_had(tmp_path: Path) -> None:
    members = [Member("data", kind=FOLDER), Member("data/.wh..wh..opq"), Member("data/in", kind=FOLDER)]
    changes, _ = read(tmp_path, members)
    assert changes.removed == ("data/a", "data/in/b")


def test_the_first_of_hard_links_is_the_file(tmp_path: Path) -> None:
    members = [Member("data/z", b"linked"), Member("data/b", kind=tarfile.LNKTYPE, linkname="data/z")]
    changes, _ = read(tmp_path, members)
    assert kinds(changes) == {"data/b": "file", "data/z": "hardlink"}
    assert changes.present[1].entry.target == "data/b"


def test_a_hard_link_to_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="hard link to nothing"):
        read(tmp_path, [Member("data/b", kind=tarfile.LNKTYPE, linkname="data/z")])


@pytest.mark.parametrize("name", ["data/a/x", "data/never/x", "data/link/x"])
def test_what_is_in_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ContentError, match="in no folder"):
        read(tmp_path, [Member("data/link", kind=tarfile.SYMTYPE, linkname="in"), Member(name, b"")])


def test_the_root_counts_only_if_it_changed(tmp_path: Path) -> None:
    assert read(tmp_path, [Member("./", kind=FOLDER, mode=0o755)])[0] == Changes()
    assert kinds(read(tmp_path, [Member("./", kind=FOLDER, mode=0o700)])[0]) == {"": "directory"}


def test_attributes_of_machines_are_left_out(tmp_path: Path) -> None:
    xattrs = {"user.note": "1", "security.selinux": "label", "user.overlay.origin": "x"}
    changes, _ = read(tmp_path, [Member("data/a", b"", xattrs=xattrs)])
    assert changes.present[0].entry.xattrs == (("user.note", b"1"),)


@pytest.mark.parametrize(
    "member",
    [
        Member("data/a", b"it is hunter2-s3cret!"),
        Member("data/hunter2-s3cret"),
        Member("data/l", kind=tarfile.SYMTYPE, linkname="hunter2-s3cret"),
        Member("data/x", xattrs={"user.x": "hunter2-s3cret"}),
    ],
    ids=["bytes", "path", "link", "attribute"],
)
def test_a_secret_is_refused(tmp_path: Path, member: Member) -> None:
    with pytest.raises(ContentError, match="token"):
        read(tmp_path, [member], token=b"hunter2-s3cret")


@pytest.mark.parametrize("name", ["../out", "a/../../out", "d/" * 201 + "x"])
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ContentError):
        read(tmp_path, [Member(name)])


@given(st.binary(max_size=2000))
def test_what_is_no_layer_is_refused_or_empty(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("noise")
    (folder / "changes.tar").write_bytes(data)
    store = Store(folder / "store")
    try:
        found = layer_changes(folder / "changes.tar", below(), store, secrets={}, where="test")
    except ContentError:
        return
    assert found == Changes()
