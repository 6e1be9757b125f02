"""A full disk: exit 3 with the next step, nothing half-written, and after space was freed the command succeeds."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.project import Done
from tests.endtoend.workspace import CONNECTOR, Built, Workspace, check_blobs, leftovers

MEGABYTE = 1024 * 1024


@pytest.fixture
def disk(root: None, tmp_path: Path) -> Iterator[Path]:
    """A small disk of the test's own."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={128 * MEGABYTE}", "reprobuild-tests", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@contextmanager
def filled(disk: Path, free: int) -> Iterator[None]:
    """Leave *free* bytes on *disk* while the block lasts."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        left = shutil.disk_usage(disk).free - free
        while left > 0:
            left -= file.write(bytes(min(left, MEGABYTE)))
    assert abs(shutil.disk_usage(disk).free - free) < 16 * 1024
    yield
    ballast.unlink()


def check_refused(done: Done) -> None:
    assert done.code == 3, done.err
    assert "No space left on device" in done.err
    assert "hint: free some space" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("free", [0, 20_000, MEGABYTE, 3 * MEGABYTE])
def test_a_build_into_a_full_store(free: int, disk: Path, workspace: Workspace, built: Built, tmp_path: Path) -> None:
    copy = workspace.copy(tmp_path / "copy")
    copy = replace(copy, environ={**copy.environ, "REPROBUILD_STORE": str(disk / "store")})
    with filled(disk, free):
        check_refused(copy.run("build", CONNECTOR, "--offline"))
        check_blobs(copy.store)
        assert leftovers(disk) == []
    assert copy.build("--offline") == built
    copy.must("store", "verify")


def test_a_fetch_into_a_full_store(disk: Path, workspace: Workspace, built: Built, tmp_path: Path) -> None:
    copy = workspace.copy(tmp_path / "copy")
    copy = replace(copy, environ={**copy.environ, "REPROBUILD_STORE": str(disk / "store")})
    with filled(disk, 30 * MEGABYTE):  # One of the two base layers fits.
        check_refused(copy.run("fetch"))
        check_blobs(copy.store)
        assert leftovers(disk) == []
    copy.must("fetch")
    assert copy.build("--offline") == built


def test_an_update_of_locks_on_a_full_disk(disk: Path, workspace: Workspace, tmp_path: Path) -> None:
    elsewhere = workspace.copy(tmp_path / "elsewhere", store=workspace.store)
    copy = replace(workspace.copy(disk / "copy"), environ=elsewhere.environ)
    path = copy.root / "connectors" / CONNECTOR / "pyproject.toml"
    path.write_text(path.read_text().replace('"greeting"', '"greeting<1.1"'))
    before = copy.locks()
    with filled(disk, 0):
        check_refused(copy.run("lock", "update"))
        assert copy.locks() == before
        assert leftovers(disk) == []
    copy.must("lock", "update")
    assert copy.locks() != before
    copy.must("lock", "update", "--check")


@pytest.mark.parametrize("output", ["oci:{}/images", "oci-archive:{}/images.tar"])
def test_images_written_to_a_full_disk(
    output: str, disk: Path, workspace: Workspace, built: Built, tmp_path: Path
) -> None:
    copy = workspace.copy(tmp_path / "copy", store=workspace.store)
    command = ("build", CONNECTOR, "--offline", "--output", output.format(disk))
    with filled(disk, 30 * MEGABYTE):
        check_refused(copy.run(*command))
        assert not (disk / "images" / "index.json").exists()
        assert not (disk / "images.tar").exists()
        check_blobs(disk / "images")
        assert leftovers(disk) == []
    copy.must(*command)
    check_blobs(disk / "images")
    assert copy.build("--offline") == built


@pytest.mark.parametrize("forgotten", [False, True], ids=["roots known", "nothing needed"])
def test_garbage_is_collected_on_a_full_disk(
    forgotten: bool, disk: Path, workspace: Workspace, built: Built, tmp_path: Path
) -> None:
    copy = workspace.copy(tmp_path / "copy")
    copy = replace(copy, environ={**copy.environ, "REPROBUILD_STORE": str(disk / "store")})
    assert copy.build("--offline") == built
    if forgotten:
        shutil.rmtree(copy.store / "roots")
    else:
        (copy.store / "blobs" / "sha256" / "00").mkdir(exist_ok=True)
        (copy.store / "tmp").mkdir(exist_ok=True)
        (copy.store / "tmp" / ".tmp-left").write_bytes(bytes(MEGABYTE))
    with filled(disk, 0):
        done = copy.must("store", "gc", "--keep-days", "0", "--json")
        assert done.json["freed"] > 0
        assert leftovers(disk) == []
        copy.must("store", "verify")
        copy.must("store", "info")
    assert copy.build("--offline") == built
