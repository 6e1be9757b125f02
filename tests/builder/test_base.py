"""A locked base's manifest and config: by digest, from anywhere, or from the store alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from reprobuild.builder.base import manifest_and_config, stored_manifest
from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError, LockError
from reprobuild.lockfile import BaseImage, BasePlatform, Interpreter, Libc
from reprobuild.oci.types import parse_manifest
from reprobuild.store import Store
from tests.images import AMD64, ARM64, add_image, add_index
from tests.resolver.base_images import source

pytestmark = pytest.mark.anyio


@pytest.fixture
def published(tmp_path: Path) -> Store:
    return Store(tmp_path / "published")


@pytest.fixture
def base(published: Store) -> BaseImage:
    descriptor = add_image(published)
    locked = BasePlatform(
        manifest=descriptor.digest,
        config=parse_manifest(published.read(descriptor.digest)).config.digest,
        size=descriptor.size,
        links={},
        directories=(),
        distributions=(),
    )
    return BaseImage(
        name="python",
        image="oci:layout:base",
        index=descriptor.digest,
        python="3.11.2",
        pip=None,
        libc=Libc(family="glibc", major=2, minor=36),
        interpreter=Interpreter(executable="/p", purelib="/l", platlib="/l", scripts="/b", include="/i", data="/"),
        platforms={AMD64: locked},
    )


async def test_they_come_by_digest_and_stay(base: BaseImage, published: Store, store: Store, tmp_path: Path) -> None:
    manifest, config = await manifest_and_config(base, AMD64, source(add_image(published), tmp_path, published), store)
    assert len(manifest.layers) == len(config.diff_ids) == 2
    assert stored_manifest(base, AMD64, store) == (manifest, config)
    assert manifest.layers[0].digest not in store


def test_without_them_the_next_step_is_named(base: BaseImage, store: Store, published: Store) -> None:
    with pytest.raises(LockError, match="is not in the store") as error:
        stored_manifest(base, AMD64, store)
    assert error.value.hint == "run `reprobuild fetch`"
    store.add(published.read(base.platforms[AMD64].manifest))
    with pytest.raises(LockError, match=f"{base.platforms[AMD64].config} is not in the store"):
        stored_manifest(base, AMD64, store)


async def test_a_platform_that_is_not_locked_is_named(base: BaseImage, store: Store) -> None:
    with pytest.raises(LockError, match="locked for linux/amd64, not linux/arm64"):
        stored_manifest(base, ARM64, store)


async def test_a_lock_that_was_edited_is_named(base: BaseImage, published: Store, store: Store, tmp_path: Path) -> None:
    edited = replace(base.platforms[AMD64], config=digest_of(b"other"))
    with pytest.raises(LockError, match="the lock says"):
        await manifest_and_config(
            replace(base, platforms={AMD64: edited}), AMD64, source(add_image(published), tmp_path, published), store
        )
    size = replace(base.platforms[AMD64], size=10_000_000)
    with pytest.raises(ContentError, match="has 10000000 bytes"):
        await manifest_and_config(
            replace(base, platforms={AMD64: size}), AMD64, source(add_image(published), tmp_path, published), store
        )


async def test_a_base_that_vanished_is_named(base: BaseImage, published: Store, store: Store, tmp_path: Path) -> None:
    elsewhere = source(add_index(published), tmp_path, published)
    with pytest.raises(ContentError, match="there is no blobs"):
        await manifest_and_config(base, AMD64, elsewhere, store)


def test_another_platform_in_the_config_is_refused(base: BaseImage, published: Store) -> None:
    locked = {ARM64: base.platforms[AMD64]}
    with pytest.raises(LockError, match="its config says linux/amd64, not linux/arm64"):
        stored_manifest(replace(base, platforms=locked), ARM64, published)


def test_a_damaged_blob_is_taken_out(base: BaseImage, published: Store) -> None:
    config = base.platforms[AMD64].config
    published.path(config).write_bytes(b"{}")
    with pytest.raises(ContentError, match="was damaged"):
        stored_manifest(base, AMD64, published)
    assert config not in published
