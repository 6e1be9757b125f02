"""One update over many connectors: what the index is asked, and what becomes of the others when some fail."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reprobuild.errors import LockError, ReprobuildError
from reprobuild.lock_files import find_lock
from reprobuild.lock_writer import write_base_lock
from reprobuild.lockfile import BASE_LOCK, lock_path
from reprobuild.progress import Silent
from reprobuild.resolver.update import Update, Wishes, update
from reprobuild.resolver.writing import write
from reprobuild.store import Store
from reprobuild.workspace import ConnectorSpec
from tests.resolver.loopback_index import LoopbackIndex
from tests.resolver.worlds import base_image, connector, workspace

pytestmark = pytest.mark.anyio

SHARED = [f"shared-{number}" for number in range(6)]
OWN = [f"own-{number}" for number in range(10)]


@pytest.fixture
def fleet(index: LoopbackIndex, root: Path) -> Iterator[list[ConnectorSpec]]:
    """Ten connectors: each needs one distribution of its own, and that needs all that they share."""
    (root / BASE_LOCK).write_text(write_base_lock({"py": base_image()}))
    index.max_age = 600
    for name in SHARED:
        index.wheel(name, "1.0")
    for name in OWN:
        index.wheel(name, "1.0", requires=SHARED)
    yield [connector(f"source-{name}", name) for name in OWN]


async def _update(root: Path, store: Store, specs: list[ConnectorSpec], **wishes: Any) -> Update:
    made = await update(
        workspace(root, *specs), find_lock(root), Wishes(**wishes), store=store, progress=Silent(), jobs=4
    )
    write(root, made)
    return made


async def test_the_index_is_asked_once_for_each_distribution(
    fleet: list[ConnectorSpec], index: LoopbackIndex, root: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await _update(root, store, fleet)
    assert len(made.lock.connectors) == 10
    assert set(Counter(index.asked()).values()) == {1}
    monkeypatch.setenv("UV_CACHE_DIR", str(root.parent / "another-cache"))
    index.requests.clear()
    assert (await _update(root, store, fleet)).changes == ()
    assert Counter(index.asked()) == Counter([*SHARED, *OWN])


@pytest.mark.parametrize("wishes", [{"upgrade": True}, {"packages": SHARED}])
async def test_what_may_move_is_asked_for_anew_once(
    fleet: list[ConnectorSpec], index: LoopbackIndex, root: Path, store: Store, wishes: dict[str, Any]
) -> None:
    await _update(root, store, fleet)
    for name in SHARED:
        index.wheel(name, "2.0", requires=["late"])
    index.wheel("late", "1.0")
    index.requests.clear()
    made = await _update(root, store, fleet, **wishes)
    for lock in made.lock.connectors.values():
        assert {one.version for one in lock.packages if one.name in SHARED} == {"2.0"}
        assert "late" in {one.name for one in lock.packages}
    asked = Counter(index.asked())
    assert {asked[name] for name in SHARED} == {1}
    # What is come upon is asked for when it is met, and anew for each platform.
    assert max(asked.values()) <= 3


async def test_a_connector_that_cannot_be_resolved_keeps_its_lock(
    fleet: list[ConnectorSpec], root: Path, store: Store
) -> None:
    await _update(root, store, fleet)
    before = (root / lock_path("source-own-0")).read_bytes()
    specs = [connector("source-own-0", "own-0>=5"), *fleet[1:], connector("source-new", "shared-1")]
    with pytest.raises(LockError):
        await update(workspace(root, *specs), find_lock(root), Wishes(), store=store, progress=Silent())
    failures: dict[str, ReprobuildError] = {}
    made = await update(
        workspace(root, *specs), find_lock(root), Wishes(), store=store, progress=Silent(), failures=failures
    )
    assert set(failures) == {"source-own-0"}
    assert write(root, made) == (lock_path("source-new"),)
    assert (root / lock_path("source-own-0")).read_bytes() == before


async def test_what_collides_fails_alone(
    fleet: list[ConnectorSpec], index: LoopbackIndex, root: Path, store: Store
) -> None:
    index.wheel("first", "1.0", files={"same.py": b"1"})
    index.wheel("second", "1.0", files={"same.py": b"2"})
    specs = [*fleet, connector("source-bad", "first", "second")]
    failures: dict[str, ReprobuildError] = {}
    made = await update(
        workspace(root, *specs), find_lock(root), Wishes(), store=store, progress=Silent(), failures=failures
    )
    assert set(failures) == {"source-bad"}
    assert len(made.names) == 10


async def test_the_lock_of_a_broken_connector_is_not_taken_for_one_that_is_gone(
    fleet: list[ConnectorSpec], root: Path, store: Store
) -> None:
    await _update(root, store, fleet)
    failures: dict[str, ReprobuildError] = {"source-own-0": LockError("broken")}
    made = await update(
        workspace(root, *fleet[1:]), find_lock(root), Wishes(), store=store, progress=Silent(), failures=failures
    )
    assert made.removed == ()
    assert write(root, made) == ()
