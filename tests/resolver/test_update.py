"""Locks made, changed as little as asked for, and written; with a locked base, so that no image is read."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError, LockError, SpecificationError
from reprobuild.lock_files import Found, find_lock, read_lock
from reprobuild.lock_writer import write_base_lock
from reprobuild.lockfile import BASE_LOCK, Lock, Output
from reprobuild.resolver.freshness import stale
from reprobuild.resolver.pin_files import load_pins
from reprobuild.resolver.update import Update, Wishes, outdated, update
from reprobuild.resolver.writing import write
from reprobuild.store import Store
from reprobuild.workspace import ConnectorSpec
from tests.resolver.loopback_index import LoopbackIndex
from tests.resolver.worlds import AMD64, ARM64, Heard, base_image, base_spec, connector, workspace

pytestmark = pytest.mark.anyio

Relock = Callable[..., Awaitable[tuple[Update, tuple[str, ...]]]]
LOCK_A = "lock/pylock.source-a.toml"


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def relock(root: Path, store: Store, heard: Heard) -> Relock:
    """Update the lock of the workspace from its files, write it, and return what changed and what was written."""
    (root / BASE_LOCK).write_text(write_base_lock({"py": base_image()}))

    async def relock_(*connectors: ConnectorSpec, **wishes: Any) -> tuple[Update, tuple[str, ...]]:
        made = workspace(root, *connectors)
        result = await update(made, find_lock(root), Wishes(**wishes), store=store, progress=heard)
        written = write(root, result)
        names = list(made.connectors)
        if wishes.get("names") is None:
            assert stale(made, find_lock(root).lock, load_pins(made, names, store)) == ()
        return result, written

    return relock_


def versions(made: Update, name: str = "source-a") -> dict[str, str]:
    return {package.name: package.version for package in made.lock.connectors[name].packages}


def lines(made: Update) -> list[str]:
    return [str(change) for change in made.changes]


@pytest.fixture
def three(index: LoopbackIndex) -> LoopbackIndex:
    for version in ("1.0", "1.1"):
        index.wheel("alpha", version, requires=["beta"])
        index.wheel("beta", version)
    index.wheel("gamma", "1.0")
    return index


async def test_a_first_lock_and_an_update_that_changes_nothing(
    three: LoopbackIndex, relock: Relock, root: Path
) -> None:
    made, written = await relock(connector("source-a", "alpha"))
    assert versions(made) == {"alpha": "1.1", "beta": "1.1"}
    assert written == (LOCK_A,)
    before = (root / LOCK_A).stat()
    again, written = await relock(connector("source-a", "alpha"))
    assert (again.changes, written) == ((), ())
    assert (root / LOCK_A).stat().st_mtime_ns == before.st_mtime_ns
    text = (root / LOCK_A).read_text()
    assert three.url not in text
    assert "127.0.0.1" not in text
    assert read_lock(root, ["source-a"]) == made.lock


async def test_new_versions_move_nothing_unless_asked_for(three: LoopbackIndex, relock: Relock) -> None:
    await relock(connector("source-a", "alpha"))
    for name in ("alpha", "beta"):
        three.wheel(name, "2.0", requires=["beta"] if name == "alpha" else [])
    made, _ = await relock(connector("source-a", "alpha", "gamma"))
    assert lines(made) == ["source-a: gamma 1.0 added"]
    made, _ = await relock(connector("source-a", "alpha", "gamma"), packages=["Beta"])
    assert lines(made) == ["source-a: beta 1.1 → 2.0"]
    made, _ = await relock(connector("source-a", "alpha", "gamma"), upgrade=True)
    assert lines(made) == ["source-a: alpha 1.1 → 2.0"]
    made, _ = await relock(connector("source-a", "gamma"))
    assert lines(made) == ["source-a: alpha 2.0 removed", "source-a: beta 2.0 removed"]


async def test_outdated_says_what_an_upgrade_would_change(
    three: LoopbackIndex, relock: Relock, root: Path, store: Store, heard: Heard
) -> None:
    await relock(connector("source-a", "alpha"))
    three.wheel("beta", "2.0")
    made = workspace(root, connector("source-a", "alpha"))
    before = (root / LOCK_A).read_bytes()
    changes = await outdated(made, find_lock(root), None, store=store, progress=heard)
    assert [str(change) for change in changes] == ["source-a: beta 1.1 → 2.0"]
    assert (root / LOCK_A).read_bytes() == before


async def test_a_wish_that_changes_nothing_is_said(three: LoopbackIndex, relock: Relock, heard: Heard) -> None:
    await relock(connector("source-a", "alpha"), packages=["alphq"])
    assert heard.warnings == ["nothing requires alphq"]


async def test_outputs_stay_while_platforms_do(three: LoopbackIndex, relock: Relock, root: Path) -> None:
    made, _ = await relock(connector("source-a", "alpha"))
    output = Output(derivation=digest_of(b"d"), manifest=digest_of(b"m"))
    lock = replace(made.lock.connectors["source-a"], outputs={AMD64: output, ARM64: output})
    write(root, replace(made, lock=replace(made.lock, connectors={"source-a": lock})))
    kept, written = await relock(connector("source-a", "alpha"))
    assert kept.lock.connectors["source-a"].outputs == {AMD64: output, ARM64: output}
    assert written == ()


async def test_only_the_named_connectors_are_touched(three: LoopbackIndex, relock: Relock, root: Path) -> None:
    one, two = connector("source-a", "alpha"), connector("source-b", "alpha")
    await relock(one, two)
    three.wheel("alpha", "2.0")
    made, written = await relock(one, two, names=["source-b"], upgrade=True)
    assert written == ("lock/pylock.source-b.toml",)
    assert (versions(made)["alpha"], versions(made, "source-b")["alpha"]) == ("1.1", "2.0")
    _, written = await relock(one, names=["source-a"])
    assert (root / "lock/pylock.source-b.toml").exists()


async def test_connectors_share_downloads(three: LoopbackIndex, relock: Relock) -> None:
    three.requests.clear()
    await relock(connector("source-a", "alpha"), connector("source-b", "alpha", "gamma"))
    assert sorted(three.downloads()) == [f"{name}-py3-none-any.whl" for name in ("alpha-1.1", "beta-1.1", "gamma-1.0")]


async def test_locks_of_connectors_that_are_gone_go(three: LoopbackIndex, relock: Relock, root: Path) -> None:
    await relock(connector("source-a", "alpha"), connector("source-b", "alpha"))
    made, written = await relock(connector("source-a", "alpha"))
    assert made.removed == ("source-b",)
    assert lines(made) == ["source-b: lock lock/pylock.source-b.toml removed"]
    assert written == ("lock/pylock.source-b.toml",)
    assert not (root / "lock/pylock.source-b.toml").exists()


@pytest.mark.parametrize("damage", ["conflict", "cut", "nonsense"])
async def test_a_damaged_lock_is_replaced_and_its_versions_are_kept(
    three: LoopbackIndex, relock: Relock, root: Path, heard: Heard, damage: str
) -> None:
    await relock(connector("source-a", "alpha==1.0", "beta"))
    await relock(connector("source-a", "alpha"))
    whole = (root / LOCK_A).read_text()
    three.wheel("alpha", "2.0", requires=["beta"])
    damaged = {
        "conflict": whole.replace('version = "1.1"', '<<<<<<< a\nversion = "1.1"\n=======\nversion = "2.0"\n>>>>>>> b'),
        "cut": whole[: whole.rindex("hashes")],
        "nonsense": "not a lock",
    }
    (root / LOCK_A).write_text(damaged[damage])
    made, _ = await relock(connector("source-a", "alpha"))
    assert versions(made)["alpha"] == ("2.0" if damage == "nonsense" else "1.0")
    assert len(heard.warnings) == 1
    assert heard.warnings[0].startswith(f"{LOCK_A} is made anew: ")


async def test_pins_of_the_connector_hold(three: LoopbackIndex, relock: Relock, root: Path, heard: Heard) -> None:
    path = root / "connectors" / "a" / "requirements.txt"
    path.parent.mkdir(parents=True)
    path.write_text("alpha==1.0\n")
    pinned = connector("source-a", "alpha", pins=(path,))
    made, _ = await relock(pinned)
    assert versions(made)["alpha"] == "1.0"
    made, _ = await relock(pinned, upgrade=True)
    assert versions(made)["alpha"] == "1.0"
    await relock(pinned, packages=["alpha"])
    assert heard.warnings == ["source-a: alpha stays at 1.0, which connectors/a/requirements.txt pins"]
    path.write_text("alpha==1.1\n")
    found = stale(workspace(root, pinned), made.lock, load_pins(workspace(root, pinned), ["source-a"], Store(root)))
    assert [str(reason) for reason in found] == [
        "source-a: connectors/a/requirements.txt has alpha 1.1, the lock has 1.0"
    ]


async def test_a_pin_file_that_cannot_be_read(relock: Relock, root: Path) -> None:
    (root / "poetry.lock").write_text("[[")
    with pytest.raises(SpecificationError) as caught:
        await relock(connector("source-a", "alpha", pins=(root / "poetry.lock",)))
    assert caught.value.where == "poetry.lock"


async def test_a_python_that_does_not_fit_names_both(three: LoopbackIndex, relock: Relock) -> None:
    with pytest.raises(LockError, match=r"requires Python >=3\.12, and the base image py has Python 3\.11\.2"):
        await relock(connector("source-a", "alpha", python=">=3.12"))


async def test_wheels_that_collide_are_named_and_nothing_is_written(
    index: LoopbackIndex, relock: Relock, root: Path
) -> None:
    index.wheel("alpha", "1.0", files={"shared/x.py": b"1", "shared/y.py": b""})
    index.wheel("beta", "1.0", files={"shared/x.py": b"2", "shared/y.py": b""})
    with pytest.raises(LockError, match=r"shared/x\.py: alpha-1\.0-py3-none-any\.whl and beta-1\.0"):
        await relock(connector("source-a", "alpha", "beta"))
    assert not (root / "lock").exists()


async def test_sizes_that_an_index_does_not_tell(three: LoopbackIndex, relock: Relock) -> None:
    three.sizes = False
    made, _ = await relock(connector("source-a", "gamma"))
    (package,) = made.lock.connectors["source-a"].packages
    assert package.wheels[0].size == len(three.files[package.wheels[0].file])


async def test_the_pip_of_a_base(three: LoopbackIndex, root: Path, store: Store, heard: Heard) -> None:
    three.wheel("pip", "25.3", requires=["nothing-of-the-kind"])
    three.wheel("pip", "26.0")
    spec = workspace(root, connector("source-a", "gamma"), bases=(base_spec(pip="25.3"),))
    found = Found(lock=Lock(bases={"py": base_image()}, connectors={}))
    made = await update(spec, found, Wishes(), store=store, progress=heard)
    pip = made.lock.bases["py"].pip_wheel
    assert pip is not None
    assert pip.file == "pip-25.3-py3-none-any.whl"
    assert "py: pip 25.3 added" in lines(made)
    write(root, made)
    three.requests.clear()
    again = await update(spec, find_lock(root), Wishes(), store=store, progress=heard)
    assert again.changes == ()
    assert not any("/pip/" in path for path in three.requests)


async def test_a_broken_wheel_is_an_error_and_nothing_is_written(
    index: LoopbackIndex, relock: Relock, root: Path
) -> None:
    file = index.wheel("alpha", "1.0")
    index.files[file] = index.files[file].replace(b"__init__.py,sha256", b"__init__.PY,sha256")
    with pytest.raises(ContentError, match="RECORD") as caught:
        await relock(connector("source-a", "alpha"))
    assert caught.value.where == file
    assert not (root / "lock").exists()
