"""A collection that is ended anywhere, and what killed commands have left."""

import fcntl
import json
import os
from pathlib import Path

import pytest

from reprobuild.canonical import digest_of
from reprobuild.errors import MachineError
from reprobuild.garbage.holding import holding
from reprobuild.garbage.sweep import sweep
from reprobuild.lease import FOLDER
from reprobuild.roots import remember_root
from reprobuild.store import Store

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def unpack(store: Store, name: str, *, boot: str = BOOT) -> Path:
    """Have an unpacked layer in *store*, as the engine leaves it."""
    folder = store.root / "unpacked" / "root"
    path = folder / digest_of(name.encode()).partition(":")[2]
    (path / "usr" / "bin").mkdir(parents=True)
    (path / "usr" / "bin" / "sh").write_bytes(b"12345")
    (folder / f"{path.name}.json").write_text(json.dumps({"boot": boot}))
    (folder / f"{path.name}.lock").write_bytes(b"")
    return path


def test_unpacked_layers_go_with_all_that_belongs_to_them(store: Store) -> None:
    old, used = unpack(store, "old"), unpack(store, "used")
    os.utime(old.with_name(f"{old.name}.json"), (0, 0))
    assert [item.size for item in holding(store).unpacked] == [5, 5]
    found = sweep(store, days=1, wait=0)
    assert [item.path for item in found.chosen.unpacked] == [old]
    assert {path.name.partition(".")[0] for path in old.parent.iterdir()} == {used.name}
    assert (used / "usr" / "bin" / "sh").exists()


def test_what_nobody_can_use_any_more_goes_at_any_age(store: Store) -> None:
    before_boot, without_marker = unpack(store, "before boot", boot="another"), unpack(store, "without marker")
    without_marker.with_name(f"{without_marker.name}.json").unlink()
    gone = without_marker.with_name("0123.gone")
    (gone / "deep").mkdir(parents=True)
    killed = [store.root / name for name in ("tmp/.tmp-1", "python/.tmp-2/python3", "sandboxes/root/abc/file")]
    for path in killed:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"123")
    sweep(store, days=1000, wait=0)
    assert list(before_boot.parent.iterdir()) == []
    assert not any(path.exists() for path in killed)
    held = holding(store)
    assert (held.leftovers, held.unpacked, held.size) == ((), (), 0)


def test_the_folder_of_a_run_that_goes_on_stays(store: Store) -> None:
    folder = store.root / "sandboxes" / "root" / "abc"
    folder.mkdir(parents=True)
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    sweep(store, days=0, wait=0)
    assert folder.exists()
    os.close(handle)
    sweep(store, days=0, wait=0)
    assert not folder.exists()


def test_ended_at_any_step_the_next_one_goes_on(tmp_path: Path) -> None:
    """Whatever it was about to remove, a record never outlives what it refers to, and a marker no layer."""
    for step in range(100):
        store = Store(tmp_path / str(step))
        for number in range(3):
            store.write_record("fragment", digest_of(bytes([number])), {"blob": store.add(b"blob %d" % number)})
        unpack(store, "layer")
        (store.root / "tmp" / ".tmp-1").write_bytes(b"")
        done = ended_after(step, store)
        held = holding(store)
        for record in held.records:
            assert json.loads(record.path.read_bytes())["blob"].partition(":")[2] in held.blobs
        assert all((item.path / "usr" / "bin" / "sh").exists() for item in held.unpacked)
        sweep(store, days=-1, wait=0)
        held = holding(store)
        assert (held.blobs, held.records, held.unpacked, held.leftovers) == ({}, (), (), ())
        if done:
            assert step > 8
            return
    pytest.fail("it never ended")


def ended_after(step: int, store: Store) -> bool:
    """Collect, but end at the change of number *step*; say whether there were fewer."""
    left = [step]
    unlink, rename = Path.unlink, Path.rename

    def count() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    def counted_unlink(path: Path, missing_ok: bool = False) -> None:
        count()
        unlink(path, missing_ok=missing_ok)

    def counted_rename(path: Path, target: Path) -> Path:
        count()
        return rename(path, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "unlink", counted_unlink)
        patch.setattr(Path, "rename", counted_rename)
        try:
            sweep(store, days=-1, wait=0)
        except KeyboardInterrupt:
            return False
    return True


def test_without_room_for_a_name_a_directory_goes_from_where_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = unpack(store, "layer")

    def full(_path: Path, _target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    sweep(store, days=-1, wait=0)
    assert list(path.parent.iterdir()) == []


def test_what_is_not_known_is_not_removed(store: Store, tmp_path: Path) -> None:
    digest = store.add(b"wheel")
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    remember_root(store.root, circle)
    with pytest.raises(MachineError, match="not known"):
        sweep(store, days=-1, wait=0)
    assert digest in store


def test_a_dry_run_waits_for_nobody_and_removes_nothing(store: Store) -> None:
    digest = store.add(b"wheel")
    found = sweep(store, days=-1, dry=True)
    assert [item.name for item in found.chosen.blobs] == [digest.partition(":")[2]]
    assert digest in store
    assert not (store.root / FOLDER).exists()


def test_there_need_be_no_store(store: Store) -> None:
    assert sweep(store, days=0, wait=0).size == 0
    assert not store.root.exists()
