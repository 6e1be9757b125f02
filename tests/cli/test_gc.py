"""`reprobuild store gc` and what it leaves: all that locks need, and nothing that a build could miss."""

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.project import Project


def blobs(project: Project) -> set[str]:
    return {path.name for path in (project.store.root / "blobs").rglob("*") if path.is_file()}


def test_what_the_locks_need_stays_and_a_build_has_nothing_to_do(built: Project, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(built.store.root, store)
    for name in ("lock", "base"):
        shutil.copytree(built.root / name, tmp_path / "workspace" / name)
    for name in ("pyproject.toml", "base-images.lock.toml"):
        shutil.copy(built.root / name, tmp_path / "workspace" / name)
    shutil.rmtree(store / "roots", ignore_errors=True)
    environ = {"REPROBUILD_STORE": str(store)}
    arguments = ("-C", str(tmp_path / "workspace"))
    done = built.run(*arguments, "store", "gc", "--keep-days", "0", "--workspace", ".", "--json", **environ)
    assert done.code == 0, done.err
    assert done.json["workspaces"] == [str(tmp_path / "workspace")]
    assert done.json["removed"]["records"]["count"] > 0
    assert done.json["kept"]["recent"] < 1000
    again = built.run(*arguments, "build", "--all", "--offline", "--json", **environ)
    assert {image["outcome"] for one in again.json["connectors"] for image in one["images"]} == {"verified"}
    assert all(image["cached"] for one in again.json["connectors"] for image in one["images"])
    shutil.rmtree(tmp_path / "workspace")
    done = built.run("store", "gc", "--keep-days", "0", **environ)
    assert done.code == 0, done.err
    assert f"no root any more: {tmp_path}/workspace is gone" in done.err
    assert not any(path.is_file() for path in (store / "blobs").rglob("*"))
    assert built.run("store", "gc", "--keep-days", "0", **environ).out.startswith("nothing to remove\nkept     0 B")


def test_a_workspace_that_has_used_the_store_is_remembered(locked: Project) -> None:
    shutil.rmtree(locked.store.root / "roots", ignore_errors=True)
    assert locked.run("lock", "update", "--check").code == 0
    assert locked.run("store", "info", "--json").json["workspaces"] == [str(locked.root)]
    before = blobs(locked)
    assert locked.run("store", "gc", "--keep-days", "0").code == 0
    assert blobs(locked)
    assert locked.run("build", "--all", "--offline", "--json").code == 0
    assert blobs(locked) > before & blobs(locked)


def test_a_dry_run_removes_nothing(locked: Project) -> None:
    locked.store.add(b"nobody needs it")
    before = blobs(locked)
    done = locked.run("store", "gc", "--keep-days", "0", "--dry-run")
    assert (done.code, "would remove" in done.out) == (0, True)
    assert blobs(locked) == before


def test_more_is_needed_than_asked_for(locked: Project) -> None:
    assert locked.run("lock", "update", "--check").code == 0
    done = locked.run("store", "gc", "--max-size", "10B")
    assert (done.code, "locks need them" in done.err) == (1, True)
    assert locked.run("store", "gc", "--max-size", "1 GiB", "--json").json["over"] is False


@pytest.mark.parametrize("words", [("--max-size", "much"), ("--workspace", "nowhere")])
def test_what_cannot_be_is_refused(command: Command, words: tuple[str, str]) -> None:
    assert command("store", "gc", *words).code == 2


def test_verify_removes_records_that_cannot_be_read(locked: Project) -> None:
    record = next(path for path in (locked.store.root / "records").rglob("*") if path.is_file())
    record.write_bytes(b"{")
    done = locked.run("store", "verify")
    assert done.code == 1
    assert f"removed  {record.relative_to(locked.store.root / 'records').parts[0]}/{record.name}" in done.out
    assert not record.exists()
    assert locked.run("store", "verify").code == 0
