"""The workspaces that have used a store, and what stands in their locks."""

import hashlib
from pathlib import Path

import pytest

from reprobuild.errors import MachineError
from reprobuild.roots import known_roots, known_workspaces, locked_digests, remember_root


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_workspace_is_remembered_until_it_is_gone(tmp_path: Path) -> None:
    store, workspace = tmp_path / "store", tmp_path / "workspace"
    workspace.mkdir()
    remember_root(store, workspace)
    remember_root(store, workspace)
    assert [(root.workspace, root.gone) for root in known_roots(store)] == [(workspace, False)]
    workspace.rename(tmp_path / "elsewhere")
    assert [(root.workspace, root.gone) for root in known_roots(store)] == [(workspace, True)]
    assert known_workspaces(store) == (workspace,)


def test_one_that_is_given_counts_once(tmp_path: Path) -> None:
    remember_root(tmp_path / "store", tmp_path)
    assert len(known_roots(tmp_path / "store", [tmp_path])) == 1
    assert len(known_roots(tmp_path / "store", [tmp_path, tmp_path / "gone"])) == 2


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"workspace": 1}', b"\xff"])
def test_a_record_that_says_nothing_is_gone(tmp_path: Path, data: bytes) -> None:
    remember_root(tmp_path / "store", tmp_path)
    (record,) = (tmp_path / "store" / "roots").iterdir()
    record.write_bytes(data)
    (root,) = known_roots(tmp_path / "store")
    assert (root.record, root.gone) == (record, True)
    assert known_workspaces(tmp_path / "store") == ()


def test_a_workspace_that_cannot_be_looked_at_is_an_error(tmp_path: Path) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    remember_root(tmp_path / "store", circle)
    with pytest.raises(MachineError, match="not known") as caught:
        known_roots(tmp_path / "store")
    assert caught.value.where == str(circle)


def test_locks_of_any_kind_keep_what_they_name(tmp_path: Path) -> None:
    names = [_hex(str(number)) for number in range(4)]
    (tmp_path / "lock").mkdir()
    (tmp_path / "base-images.lock.toml").write_text(f'manifest = "sha256:{names[0]}"\n')
    conflict = f'<<<<<<< HEAD\nsha256 = "{names[1]}"\n=======\nsha256 = "{names[2]}"\n>>>>>>> other\n'
    (tmp_path / "lock" / "pylock.source-one.toml").write_text(conflict)
    (tmp_path / "lock" / "notes.txt").write_text(names[3])
    assert locked_digests(tmp_path) == set(names[:3])
    assert locked_digests(tmp_path / "gone") == set()


def test_a_lock_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock" / "pylock.source-one.toml").symlink_to("pylock.source-one.toml")
    with pytest.raises(MachineError, match="not known"):
        locked_digests(tmp_path)
