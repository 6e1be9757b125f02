"""Layers as directories: what they hold, whatever tries to get out of them, and how often they are made."""

import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reprobuild.engines.flavour import Flavour, flavour_of
from reprobuild.engines.unpacked import unpacked
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer, known_index, layer_index
from reprobuild.store import Store
from tests.engines.root_filesystem import EPOCH, Member, folder, put_layer, tiny_root

ROOT = Flavour(name="root", whole=True)
Unpack = Callable[..., list[Path]]


@pytest.fixture
def unpack(store: Store, tmp_path: Path) -> Unpack:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to others")
    (tmp_path / "scratch").mkdir()

    def unpack_(*layers: list[Member] | RootLayer) -> list[Path]:
        found = [one if isinstance(one, RootLayer) else put_layer(store, one) for one in layers]
        return unpacked(found, store, ROOT, scratch=tmp_path / "scratch", where="test")

    return unpack_


def link(name: str, target: str) -> Member:
    return Member(name, kind=tarfile.SYMTYPE, linkname=target)


def hard(name: str, target: str) -> Member:
    return Member(name, kind=tarfile.LNKTYPE, linkname=target)


def test_metadata(unpack: Unpack) -> None:
    (root,) = unpack(
        [
            folder("a", mode=0o2750, uid=5, gid=6),
            Member("a/file", b"data", mode=0o4755, uid=1000, gid=1001, xattrs={"user.note": "x", "trusted.no": "y"}),
            hard("a/same", "a/file"),
            link("a/link", "/etc/passwd"),
            Member("a/fifo", kind=tarfile.FIFOTYPE, mode=0o600),
        ]
    )
    found = (root / "a/file").lstat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime) == (0o4755, 1000, 1001, EPOCH)
    assert (root / "a/file").samefile(root / "a/same")
    assert os.listxattr(root / "a/file") == ["user.note"]
    assert (root / "a/link").readlink() == Path("/etc/passwd")
    assert stat.S_ISFIFO((root / "a/fifo").lstat().st_mode)
    above = (root / "a").lstat()
    assert (stat.S_IMODE(above.st_mode), above.st_uid, above.st_gid, above.st_mtime) == (0o2750, 5, 6, EPOCH)


def test_whiteouts_are_the_kernels(unpack: Unpack) -> None:
    _, root = unpack(
        [folder("a"), Member("a/b", b"1"), folder("c"), Member("c/d", b"1"), folder("e"), folder("e/f")],
        [
            folder("a"),
            Member("a/.wh.b"),
            folder("c"),
            Member("c/.wh..wh..opq"),
            folder("e"),
            Member("e/.wh.f"),
            folder("e/f"),
        ],
    )
    found = (root / "a/b").lstat()
    assert (stat.S_ISCHR(found.st_mode), found.st_rdev) == (True, 0)
    assert os.getxattr(root / "c", "trusted.overlay.opaque") == b"y"
    assert os.getxattr(root / "e/f", "trusted.overlay.opaque") == b"y"


def test_it_is_made_and_read_once(unpack: Unpack, store: Store) -> None:
    layer = tiny_root(store)[0]
    assert known_index(layer.diff_id, store) is None
    (first,) = unpack(layer)
    index = known_index(layer.diff_id, store)
    store.discard(layer.descriptor.digest)
    assert unpack(layer) == [first]
    assert index == known_index(layer.diff_id, store)


def test_the_index_is_what_reading_gives(unpack: Unpack, store: Store, tmp_path: Path) -> None:
    layer = tiny_root(store)[0]
    other = Store(tmp_path / "other")
    other.add(store.read(layer.descriptor.digest))
    unpack(layer)
    assert known_index(layer.diff_id, store) == layer_index(layer, other, where="test")


def test_of_two_entries_the_last_counts(unpack: Unpack) -> None:
    (root,) = unpack(
        [folder("a"), Member("a/b", b"1"), Member("a", b"a file"), Member("c", b"1"), folder("c"), Member("c/d", b"2")]
    )
    assert (root / "a").read_bytes() == b"a file"
    assert (root / "c/d").read_bytes() == b"2"


@pytest.mark.parametrize("target", ["/", "../../..", "/tmp", "../outside", "inside/../.."])
def test_links_do_not_lead_out(target: str, unpack: Unpack, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (root,) = unpack([folder("inside"), link("way", target), Member("way/planted-file", b"!")])
    assert [path for path in tmp_path.rglob("planted-file") if not path.is_relative_to(root)] == []
    assert not Path("/planted-file").exists()
    assert not Path("/tmp/planted-file").exists()
    assert len([path for path in root.rglob("planted-file") if not path.is_symlink()]) == 1


def test_a_file_goes_where_links_of_its_layer_lead(unpack: Unpack) -> None:
    (root,) = unpack([folder("usr"), folder("usr/lib"), link("lib", "usr/lib"), Member("lib/x", b"x")])
    assert (root / "usr/lib/x").read_bytes() == b"x"
    assert (root / "lib").is_symlink()


def test_a_folder_that_is_left_out_is_as_it_is_below(unpack: Unpack) -> None:
    below = [folder("usr"), folder("usr/lib"), link("lib", "usr/lib"), folder("tmp", mode=0o1777, uid=3)]
    _, root = unpack(below, [Member("tmp/x", b"x"), Member("lib/y", b"y"), Member("new/z", b"z")])
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert (root / "tmp").stat().st_uid == 3
    assert (root / "usr/lib/y").read_bytes() == b"y"
    assert not (root / "lib").is_symlink()
    assert not (root / "lib").exists()
    assert stat.S_IMODE((root / "new").stat().st_mode) == 0o755


def test_a_layer_that_leaves_out_folders_is_another_directory_elsewhere(unpack: Unpack) -> None:
    upper = [Member("tmp/x", b"x")]
    one, other = (unpack([folder("tmp", mode=mode)], upper)[1] for mode in (0o1777, 0o700))
    assert stat.S_IMODE((one / "tmp").stat().st_mode) == 0o1777
    assert stat.S_IMODE((other / "tmp").stat().st_mode) == 0o700


def test_one_directory_serves_wherever_the_same_folders_are_below(unpack: Unpack) -> None:
    below, upper = [folder("tmp", mode=0o1777), folder("opt")], [Member("tmp/x", b"x")]
    between = [folder("opt"), Member("opt/other", b"1")]
    _, one = unpack(below, upper)
    _, _, other = unpack(below, between, upper)
    assert one == other
    _, _, changed = unpack(below, [folder("tmp", mode=0o700)], upper)
    assert changed != one
    assert stat.S_IMODE((changed / "tmp").stat().st_mode) == 0o700
    (lowest,) = unpack(upper)
    assert lowest not in {one, changed}
    assert stat.S_IMODE((lowest / "tmp").stat().st_mode) == 0o755
    assert unpack(below, between, upper)[2] == one


def test_a_layer_whose_links_are_below_is_a_directory_of_its_own(unpack: Unpack) -> None:
    upper = [Member("lib/y", b"y")]
    _, linked = unpack([folder("usr"), folder("usr/lib"), link("lib", "usr/lib")], upper)
    _, plain = unpack([folder("usr"), folder("lib")], upper)
    assert (linked / "usr/lib/y").read_bytes() == (plain / "lib/y").read_bytes() == b"y"
    assert not (plain / "usr").exists()


def test_a_directory_that_was_removed_is_made_again(unpack: Unpack) -> None:
    below, upper = [folder("tmp", mode=0o1777)], [Member("tmp/x", b"x")]
    _, one = unpack(below, upper)
    one.with_name(f"{one.name}.json").unlink()
    (one / "tmp/x").write_bytes(b"damaged")
    assert unpack(below, upper)[1] == one
    assert (one / "tmp/x").read_bytes() == b"x"


def test_a_hard_link_to_what_is_below(unpack: Unpack) -> None:
    _, root = unpack([folder("a"), Member("a/b", b"below", uid=7, mode=0o600)], [folder("a"), hard("a/c", "a/b")])
    found = (root / "a/c").lstat()
    assert ((root / "a/c").read_bytes(), found.st_uid, stat.S_IMODE(found.st_mode)) == (b"below", 7, 0o600)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([Member("../x", b"")], "unsafe path"),
        ([folder("a"), hard("a/b", "nothing")], "a hard link to nothing"),
        ([folder("a"), hard("a/b", "a")], "a hard link to a directory"),
        ([link("a", "b"), link("b", "a"), Member("a/x", b"")], "in a circle"),
        ([Member("disk", kind=tarfile.BLKTYPE, devmajor=8)], "disk is a device node"),
    ],
    ids=["path", "nothing", "directory", "circle", "device"],
)
def test_hostile_layers(members: list[Member], words: str, unpack: Unpack, store: Store) -> None:
    with pytest.raises(ContentError, match=words):
        unpack(members)
    assert not [path for path in (store.root / "unpacked" / "root").iterdir() if path.is_dir()]


def test_other_bytes_than_the_diff_id_says(unpack: Unpack, store: Store) -> None:
    one, other = put_layer(store, [folder("a")]), put_layer(store, [folder("b")])
    with pytest.raises(ContentError, match="the config says"):
        unpack(RootLayer(descriptor=one.descriptor, diff_id=other.diff_id))
    assert not [path for path in (store.root / "unpacked" / "root").iterdir() if path.is_dir()]


def test_after_a_crash_of_the_machine_it_is_made_anew(
    unpack: Unpack, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    layer = put_layer(store, [folder("a"), Member("a/b", b"bytes")])
    (root,) = unpack(layer)
    (root / "a/b").write_bytes(b"")
    boot = tmp_path / "boot"
    boot.write_text("another\n")
    monkeypatch.setattr("reprobuild.engines.unpacked_layers._BOOT", boot)
    assert unpack(layer) == [root]
    assert (root / "a/b").read_bytes() == b"bytes"


def test_flavours() -> None:
    whole = flavour_of("         0          0 4294967295\n", "         0          0 4294967295\n")
    assert whole == ROOT
    part = flavour_of("0 1000 1\n1 100000 65536\n", "0 1000 1\n1 100000 65536\n")
    assert not part.whole
    assert part.xattrs == "user.overlay."
    assert part != flavour_of("0 1000 1\n1 200000 65536\n", "0 1000 1\n1 100000 65536\n")
