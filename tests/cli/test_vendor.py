"""`reprobuild lock vendor`: a folder with which another machine builds without a network."""

from pathlib import Path

from reprobuild.store import Store
from tests.cli.project import SPECIFICATION, Project


def test_a_build_with_the_folder_alone_gives_the_same_images(built: Project, locked: Project, tmp_path: Path) -> None:
    done = built.run("lock", "vendor", str(tmp_path / "vendored"))
    assert done.code == 0, done.err
    assert done.out.startswith("vendored  ")
    # Elsewhere: no base image, no lock/wheels, no index, no store but the folder.
    (locked.root / "base").rename(locked.root / "gone")
    for path in (locked.root / "lock").glob("wheels/*"):
        path.unlink()
    for lock in (built.root / "lock").glob("*.toml"):
        (locked.root / "lock" / lock.name).write_bytes(lock.read_bytes())
    there = {"REPROBUILD_STORE": str(tmp_path / "vendored"), "UV_DEFAULT_INDEX": "http://127.0.0.1:1/simple"}
    again = locked.run("build", "--all", "--offline", "--output", f"oci:{tmp_path}/images", "--json", **there)
    assert again.code == 0, again.err
    outcomes = {image["outcome"] for one in again.json["connectors"] for image in one["images"]}
    assert outcomes == {"verified"}


def test_the_folder_holds_what_is_needed_and_no_more(built: Project, tmp_path: Path) -> None:
    assert built.run("lock", "vendor", str(tmp_path / "one"), "source-one").code == 0
    assert built.run("lock", "vendor", str(tmp_path / "all")).code == 0
    one, every = (Store(tmp_path / name) for name in ("one", "all"))
    names = [{path.name for path in (store.root / "blobs").rglob("*") if path.is_file()} for store in (one, every)]
    # Another wheel; the base image is the same.
    assert names[0] < names[1]
    assert len(names[1] - names[0]) == 1
    times = {path: path.stat().st_mtime_ns for path in (one.root / "blobs").rglob("*") if path.is_file()}
    assert built.run("lock", "vendor", str(tmp_path / "one"), "source-one", "--sources").code == 0
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_a_folder_that_is_something_else_is_left_alone(built: Project, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    done = built.run("lock", "vendor", str(tmp_path))
    assert (done.code, "not empty, and no store" in done.err) == (2, True)


def test_a_stale_lock_is_refused(locked: Project, tmp_path: Path) -> None:
    locked.specify(SPECIFICATION.replace('["alpha"]', '["alpha<1.1"]'))
    done = locked.run("lock", "vendor", str(tmp_path / "vendored"))
    assert (done.code, "stale" in done.err) == (2, True)
    assert not (tmp_path / "vendored").exists()
