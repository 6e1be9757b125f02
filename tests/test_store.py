"""The store: all or nothing, whatever happens to the process, the disk or the bytes."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError, MachineError
from reprobuild.store import Store, default_root, machine_errors, replace_file

DATA = b"some bytes" * 1000
DIGEST = digest_of(DATA)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def leftovers(store: Store) -> list[Path]:
    return [path for path in (store.root / "tmp").glob("*") if path.is_file()]


def test_what_goes_in_comes_out(store: Store) -> None:
    assert store.add(DATA) == DIGEST
    assert store.read(DIGEST) == DATA
    assert DIGEST in store
    assert store.has(DIGEST, len(DATA))
    assert not store.has(DIGEST, 1)
    assert not leftovers(store)


def test_other_bytes_than_expected_never_enter(store: Store) -> None:
    with pytest.raises(ContentError, match="not sha256:"):
        store.add_chunks([b"other"], DIGEST, where="somewhere")
    assert DIGEST not in store
    assert not leftovers(store)


def test_an_exception_while_writing_leaves_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.writer() as writer:
        writer.write(b"half")
        raise ZeroDivisionError
    assert not leftovers(store)
    assert not list((store.root / "blobs").rglob("*"))


def test_a_damaged_blob_is_noticed_and_removed(store: Store) -> None:
    store.add(DATA)
    store.path(DIGEST).write_bytes(DATA[:-1] + b"!")
    with pytest.raises(ContentError, match="was damaged and has been removed"):
        store.read(DIGEST)
    assert DIGEST not in store


def test_a_blob_that_is_missing_is_named(store: Store) -> None:
    with pytest.raises(ContentError, match=f"{DIGEST} is not in the store"):
        store.read(DIGEST)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_damaged_record_counts_as_none(store: Store, damage: bytes) -> None:
    store.write_record("output", DIGEST, {"manifest": DIGEST})
    assert store.record("output", DIGEST) == {"manifest": DIGEST}
    (path,) = [path for path in (store.root / "records").rglob("*") if path.is_file()]
    path.write_bytes(damage)
    assert store.record("output", DIGEST) is None


def test_many_writers_of_one_blob_agree(store: Store) -> None:
    threads = [threading.Thread(target=store.add, args=(DATA,)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.read(DIGEST) == DATA
    assert not leftovers(store)


def test_kill_9_leaves_no_blob_and_no_harm(store: Store) -> None:
    code = (
        "import sys; from pathlib import Path; from reprobuild.store import Store\n"
        "with Store(Path(sys.argv[1])).writer() as writer:\n"
        "    writer.write(b'half'); print('writing', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(store.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not list((store.root / "blobs").rglob("*"))
    assert store.add(DATA) == DIGEST


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "lock.toml"
    replace_file(path, b"old")
    os.umask(0o077)
    try:
        replace_file(path, b"new")
    finally:
        os.umask(0o022)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [item.name for item in tmp_path.iterdir()] == ["lock.toml"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_what_the_machine_refuses_has_a_hint(tmp_path: Path, number: int) -> None:
    with pytest.raises(MachineError) as caught, machine_errors(tmp_path):
        raise OSError(number, os.strerror(number))
    assert caught.value.hint
    assert caught.value.exit_code == 3


def test_where_the_store_is(tmp_path: Path) -> None:
    assert default_root({"REPROBUILD_STORE": str(tmp_path)}) == tmp_path
    assert default_root({}).name == "reprobuild"
