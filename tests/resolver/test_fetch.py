"""Wheels of an existing lock, found again: in the store, in lock/wheels, on the index."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from uv import find_uv_bin

from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError, LockError
from reprobuild.lock_files import Found
from reprobuild.lockfile import BaseImage, Lock
from reprobuild.oci.layout import write_layout
from reprobuild.oci.types import parse_index
from reprobuild.resolver.base_fetch import fetch_base
from reprobuild.resolver.fetch import fetch as fetch_all
from reprobuild.resolver.needed_wheels import needed_wheels
from reprobuild.resolver.placing import WHEELS, place
from reprobuild.resolver.update import Wishes, update
from reprobuild.resolver.wheel_fetch import fetch_wheels
from reprobuild.resolver.writing import write
from reprobuild.store import Store
from reprobuild.workspace import Workspace
from tests.images import add_index
from tests.resolver.loopback_index import LoopbackIndex
from tests.resolver.worlds import AMD64, Heard, base_image, connector, workspace

pytestmark = pytest.mark.anyio

X86 = "cp311-cp311-manylinux_2_17_x86_64"
ARM = "cp311-cp311-manylinux_2_17_aarch64"
NAMES = ("source-a", "source-b")


@pytest.fixture
def world(index: LoopbackIndex, root: Path) -> Workspace:
    for tag in (X86, ARM):
        index.wheel("alpha", "1.0", tag=tag)
    for version in ("1.0", "2.0"):
        index.wheel("beta", version)
    one = connector("source-a", "alpha", "beta<2")
    return workspace(root, one, connector("source-b", "alpha", "beta"))


@pytest.fixture
async def lock(world: Workspace, tmp_path: Path) -> Lock:
    """A lock of both connectors, made with a store that is gone."""
    found = Found(lock=Lock(bases={"py": base_image()}, connectors={}))
    made = await update(world, found, Wishes(), store=Store(tmp_path / "gone"), progress=Heard())
    write(world.root, made)
    return made.lock


def in_store(lock: Lock, store: Store) -> bool:
    wheels = [wheel for one in lock.connectors.values() for package in one.packages for wheel in package.wheels]
    return all(store.has(wheel.digest, wheel.size) for wheel in wheels)


async def test_wheels_are_found_again_and_shared(
    world: Workspace, lock: Lock, store: Store, index: LoopbackIndex
) -> None:
    index.requests.clear()
    needed = needed_wheels(world, lock, NAMES, store)
    await fetch_wheels(needed, world.root, store, progress=Heard())
    assert in_store(lock, store)
    assert sorted(index.downloads()) == sorted(one.wheel.file for one in needed)
    index.requests.clear()
    await fetch_wheels(needed, world.root, store, progress=Heard())
    assert index.requests == []


async def test_a_wheel_that_the_index_no_longer_has(
    world: Workspace, lock: Lock, store: Store, index: LoopbackIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    del index.files[f"alpha-1.0-{ARM}.whl"]
    index.wheel("alpha", "1.0")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    with pytest.raises(LockError, match="does not have this wheel any more") as caught:
        await fetch_wheels(needed_wheels(world, lock, NAMES, store), world.root, store, progress=Heard())
    assert caught.value.where == f"alpha-1.0-{ARM}.whl"


async def test_a_version_that_the_index_no_longer_has(
    world: Workspace, lock: Lock, store: Store, index: LoopbackIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    del index.files["beta-1.0-py3-none-any.whl"]
    monkeypatch.setenv("UV_NO_CACHE", "1")
    with pytest.raises(LockError, match=r"beta==1\.0"):
        await fetch_wheels(needed_wheels(world, lock, NAMES, store), world.root, store, progress=Heard())


async def test_a_wheel_that_the_index_has_with_another_hash(
    world: Workspace, lock: Lock, store: Store, index: LoopbackIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.files["beta-1.0-py3-none-any.whl"] = index.files["beta-2.0-py3-none-any.whl"]
    monkeypatch.setenv("UV_NO_CACHE", "1")
    with pytest.raises(ContentError, match="the lock as sha256:") as caught:
        await fetch_wheels(needed_wheels(world, lock, NAMES, store), world.root, store, progress=Heard())
    assert caught.value.where == "beta-1.0-py3-none-any.whl"


async def test_wheels_that_users_bring_need_no_network(
    world: Workspace, lock: Lock, store: Store, index: LoopbackIndex
) -> None:
    folder = world.root / WHEELS
    folder.mkdir(parents=True)
    for file, data in index.files.items():
        (folder / file).write_bytes(data)
    index.requests.clear()
    await fetch_wheels(needed_wheels(world, lock, NAMES, store), world.root, store, progress=Heard(), offline=True)
    assert in_store(lock, store)
    assert index.requests == []


async def test_wrong_wheels_that_users_bring_are_told_and_not_taken(world: Workspace, lock: Lock, store: Store) -> None:
    folder, heard = world.root / WHEELS, Heard()
    folder.mkdir(parents=True)
    (folder / "beta-1.0-py3-none-any.whl").write_bytes(b"another")
    needed = needed_wheels(world, lock, NAMES, store)
    with pytest.raises(LockError, match="4 wheels are not in the store") as caught:
        await fetch_wheels(needed, world.root, store, progress=heard, offline=True)
    assert "reprobuild fetch" in str(caught.value.hint)
    assert heard.warnings == ["lock/wheels/beta-1.0-py3-none-any.whl is not the wheel that is locked, and is not used"]


async def test_placed_wheels_are_left_alone_unless_they_are_wrong(world: Workspace, lock: Lock, store: Store) -> None:
    needed = needed_wheels(world, lock, NAMES, store)
    await fetch_wheels(needed, world.root, store, progress=Heard())
    wheels = [one.wheel for one in needed]
    place(wheels, world.root, store)
    first, second = (world.root / WHEELS / wheel.file for wheel in wheels[:2])
    before = first.stat().st_ino
    second.write_bytes(b"x" * wheels[1].size)
    place(wheels, world.root, store)
    assert first.stat().st_ino == before
    assert digest_of(second.read_bytes()) == wheels[1].digest
    assert sorted(path.name for path in (world.root / WHEELS).iterdir()) == sorted(wheel.file for wheel in wheels)


async def test_two_locks_that_mean_different_wheels(world: Workspace, lock: Lock, store: Store) -> None:
    one = lock.connectors["source-a"]
    alpha = one.packages[0]
    forged = tuple(replace(wheel, digest=digest_of(b"")) for wheel in alpha.wheels)
    packages = (replace(alpha, wheels=forged), *one.packages[1:])
    connectors = {**lock.connectors, "source-a": replace(one, packages=packages)}
    with pytest.raises(LockError, match="different hashes"):
        needed_wheels(world, replace(lock, connectors=connectors), NAMES, store)


async def test_uv_installs_offline_from_the_lock_after_a_fetch(
    world: Workspace, lock: Lock, layout_base: BaseImage, store: Store, tmp_path: Path, index: LoopbackIndex
) -> None:
    await fetch_all(world, replace(lock, bases={"py": layout_base}), NAMES, store, progress=Heard())
    assert "path = " in (world.root / "lock/pylock.source-a.toml").read_text()
    index.requests.clear()
    where = ["--target", str(tmp_path / "site"), "--python-platform", "aarch64-manylinux_2_36", "--python-version"]
    install = [find_uv_bin(), "pip", "install", "--offline", "--no-index", "-q", *where, "3.11", "-r"]
    environ: Mapping[str, str] = {**os.environ, "UV_CACHE_DIR": str(tmp_path / "fresh-cache")}
    path = world.root / "lock/pylock.source-a.toml"
    done = await anyio.run_process([*install, str(path)], env=environ, check=False)
    assert (done.returncode, index.requests) == (0, []), done.stderr
    assert {"alpha", "beta"} <= {entry.name for entry in (tmp_path / "site").iterdir()}


async def test_a_base_is_fetched_once(root: Path, layout_base: BaseImage, world: Workspace, store: Store) -> None:
    elsewhere = replace(layout_base, image="registry.example/base:1")
    with pytest.raises(LockError, match="is not in the store") as caught:
        await fetch_base(world, elsewhere, store, progress=Heard(), offline=True)
    assert "reprobuild fetch" in str(caught.value.hint)
    heard = Heard()
    await fetch_base(world, layout_base, store, progress=heard, offline=True)  # A disk is no network.
    assert heard.advanced
    (root / "base").rename(root / "gone")
    await fetch_base(world, layout_base, store, progress=heard, offline=True)


@pytest.fixture
def layout_base(root: Path, tmp_path: Path) -> BaseImage:
    """A base image for both platforms in an image layout of the workspace."""
    source = Store(tmp_path / "layout-store")
    descriptor = add_index(source)
    write_layout(root / "base", entries=[(descriptor, "latest")], store=source)
    manifests = parse_index(source.read(descriptor.digest)).manifests
    some = base_image().platforms[AMD64]
    platforms = {
        one.platform: replace(some, manifest=one.digest, size=one.size) for one in manifests if one.platform is not None
    }
    return base_image(image="oci:base:latest", index=descriptor.digest, platforms=platforms)
