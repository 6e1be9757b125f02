"""The lock's files, read strictly for builds and as far as possible for updates."""

from pathlib import Path

import pytest

from reprobuild.canonical import digest_of
from reprobuild.errors import LockError, ReprobuildError
from reprobuild.lock_files import find_lock, locked_connectors, read_lock
from reprobuild.lock_writer import write_base_lock, write_connector_lock
from reprobuild.lockfile import BASE_LOCK, ConnectorLock, Package, Wheel, lock_path
from tests.resolver.worlds import AMD64, base_image, target

WHEEL = Wheel(file="idna-3.10-py3-none-any.whl", size=1, digest=digest_of(b"x"))
LOCK = ConnectorLock(
    name="source-a",
    base="py",
    python="==3.11.*",
    requirements=("idna",),
    environments=(target(AMD64).marker,),
    packages=(Package(name="idna", version="3.10", wheels=(WHEEL,)),),
)
PATH = lock_path("source-a")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "lock").mkdir()
    (tmp_path / BASE_LOCK).write_text(write_base_lock({"py": base_image()}))
    (tmp_path / PATH).write_text(write_connector_lock(LOCK))
    return tmp_path


def test_reads_what_was_written(root: Path) -> None:
    lock = read_lock(root, ["source-a"])
    assert lock.connectors == {"source-a": LOCK}
    assert lock.bases == {"py": base_image()}
    assert find_lock(root).lock == lock
    assert locked_connectors(root) == ("source-a",)


@pytest.mark.parametrize("path", [BASE_LOCK, PATH])
def test_a_missing_file_says_what_to_do(root: Path, path: str) -> None:
    (root / path).unlink()
    with pytest.raises(LockError, match="there is no lock yet") as caught:
        read_lock(root, ["source-a"])
    assert caught.value.where == path
    assert "reprobuild lock update" in str(caught.value.hint)


def test_nothing_at_all_can_be_found(tmp_path: Path) -> None:
    found = find_lock(tmp_path)
    assert (found.lock.bases, found.lock.connectors, found.damaged) == ({}, {}, {})


@pytest.mark.parametrize("data", [b"", b"\xff", b"[[", b"<<<<<<< a\n", b"lock-version = '1.0'"])
def test_a_damaged_file_is_told_apart_from_the_rest(root: Path, data: bytes) -> None:
    (root / PATH).write_bytes(data)
    found = find_lock(root)
    assert found.lock.bases
    assert list(found.damaged) == [PATH]
    with pytest.raises(LockError) as caught:
        read_lock(root, ["source-a"])
    assert caught.value.where == PATH
    assert caught.value.hint


def test_a_lock_of_a_newer_format_is_not_replaced(root: Path) -> None:
    (root / PATH).write_text((root / PATH).read_text().replace("format = 3", "format = 4"))
    with pytest.raises(LockError, match="newer"):
        find_lock(root)


def test_a_file_that_cannot_be_read_is_not_damage(root: Path) -> None:
    (root / PATH).unlink()
    (root / PATH).mkdir()
    with pytest.raises(ReprobuildError) as caught:
        find_lock(root)
    assert caught.value.where == PATH
