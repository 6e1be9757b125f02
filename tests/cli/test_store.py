"""`reprobuild store`: what is held, where, and whether it is whole."""

from pathlib import Path

from reprobuild.canonical import digest_of
from reprobuild.store import Store
from tests.cli.conftest import Command


def _store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_an_empty_store_is_described(command: Command) -> None:
    value = command("store", "info", "--json").json
    assert (value["schema"], value["blobs"], value["size"], value["records"]) == (1, 0, 0, {})


def test_info_counts_blobs_records_and_leftovers(command: Command, tmp_path: Path) -> None:
    store = _store(tmp_path)
    digest = store.add(b"1234")
    store.write_record("output", digest, {})
    (tmp_path / "store" / "tmp" / ".tmp-killed").write_bytes(b"")
    value = command("store", "info", "--json").json
    assert (value["blobs"], value["size"], value["records"], value["leftovers"]) == (1, 4, {"output": 1}, 1)
    assert "blobs       1 (4 B)" in command("store", "info").out


def test_path_of_the_store_and_of_a_blob(command: Command, tmp_path: Path) -> None:
    store = _store(tmp_path)
    digest = store.add(b"1234")
    assert command("store", "path").out == f"{store.root}\n"
    assert command("store", "path", digest).out == f"{store.path(digest)}\n"


def test_path_of_what_is_not_there_is_a_negative_answer(command: Command) -> None:
    done = command("store", "path", digest_of(b"no"))
    assert (done.code, done.out) == (1, "")
    assert "hint: " in done.err
    assert command("store", "path", "sha256:1").code == 2


def test_verify_removes_damaged_blobs(command: Command, tmp_path: Path) -> None:
    store = _store(tmp_path)
    good, bad = store.add(b"good"), store.add(b"bad!")
    store.path(bad).write_bytes(b"evil")
    done = command("store", "verify")
    assert done.code == 1
    assert done.out == f"removed  {bad}\n1 whole, 1 removed\n"
    assert good in store
    assert bad not in store
    again = command("store", "verify", "--json")
    assert (again.code, again.json["whole"], again.json["removed"]) == (0, 1, [])
