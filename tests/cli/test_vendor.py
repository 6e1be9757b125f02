"""`reprobuild lock vendor`: what another machine builds from without a network."""

from pathlib import Path

import pytest

from reprobuild.canonical import Digest
from reprobuild.store import Store
from tests.cli.project import SPECIFICATION, Project
from tests.servers import RunningRegistry


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


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker"])
def test_an_artifact_is_taken_by_another_machine(
    built: Project, locked: Project, registry: RunningRegistry, tmp_path: Path, kind: str
) -> None:
    places = {
        "oci": f"oci:{tmp_path}/vendored:all",
        "oci-archive": f"oci-archive:{tmp_path}/vendored.tar",
        "docker": f"docker://{registry.host}/vendored-{tmp_path.parent.name[-4:]}:1.0",
    }
    target = places[kind]
    done = built.run("lock", "vendor", target)
    assert done.code == 0, done.err
    assert done.out.startswith(f"vendored  {target}  ")
    assert built.run("lock", "vendor", target).code == 0
    (locked.root / "base").rename(locked.root / "gone")
    for path in (locked.root / "lock").glob("wheels/*"):
        path.unlink()
    for lock in (built.root / "lock").glob("*.toml"):
        (locked.root / "lock" / lock.name).write_bytes(lock.read_bytes())
    there = {"REPROBUILD_STORE": str(tmp_path / "store"), "UV_DEFAULT_INDEX": "http://127.0.0.1:1/simple"}
    taken = locked.run("fetch", "--from", target, **there)
    assert taken.code == 0, taken.err
    again = locked.run("build", "--all", "--offline", "--output", f"oci:{tmp_path}/images", "--json", **there)
    assert again.code == 0, again.err
    assert {image["outcome"] for one in again.json["connectors"] for image in one["images"]} == {"verified"}


def test_a_version_of_an_artifact_stays(built: Project, registry: RunningRegistry) -> None:
    target = f"docker://{registry.host}/vendored-versions:1.0"
    assert built.run("lock", "vendor", target, "source-one").code == 0
    done = built.run("lock", "vendor", target)
    assert (done.code, "the tag is there with other content" in done.err) == (1, True)
    assert built.run("lock", "vendor", target, "--force").code == 0


def test_a_damaged_artifact_is_not_taken(built: Project, tmp_path: Path) -> None:
    assert built.run("lock", "vendor", f"oci:{tmp_path}/vendored", "source-one").code == 0
    largest = max((tmp_path / "vendored" / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(bytes(largest.stat().st_size))
    there = {"REPROBUILD_STORE": str(tmp_path / "store")}
    done = built.run("fetch", "--from", f"oci:{tmp_path}/vendored", "source-one", **there)
    assert (done.code, largest.name in done.err) == (1, True), done.err
    assert not Store(tmp_path / "store").path(Digest(f"sha256:{largest.name}")).exists()


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ("registry.example/team/vendored:1", "docker://registry.example/team/vendored:1"),
        ("docker-archive:all.tar", "hold images alone"),
        ("docker://registry.example/x@sha256:" + "0" * 64, "nobody can choose a digest"),
    ],
)
def test_a_target_that_is_none(built: Project, target: str, word: str) -> None:
    done = built.run("lock", "vendor", target)
    assert (done.code, word in done.err) == (2, True), done.err


def test_an_image_is_no_artifact(built: Project) -> None:
    done = built.run("fetch", "--from", "oci:base")
    assert (done.code, "nothing that `lock vendor` has made" in done.err) == (2, True), done.err


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
