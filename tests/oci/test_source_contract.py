"""What every source promises, asked of every source there is, the real Distribution registry included."""

import gzip
import hashlib
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from reprobuild.canonical import Digest, digest_of
from reprobuild.errors import ContentError, SpecificationError
from reprobuild.oci.archive import write_archive
from reprobuild.oci.layout import write_layout
from reprobuild.oci.open import copy_blob, open_source
from reprobuild.oci.reference import parse_reference
from reprobuild.oci.source import Source, read
from reprobuild.oci.types import Descriptor, parse_config, parse_manifest
from reprobuild.store import Store
from tests.conftest import Run
from tests.images import add_image
from tests.servers import RunningRegistry

pytestmark = pytest.mark.anyio

Open = Callable[[str], Source]
"""Opens the source that holds an image with a tag, for the tag given."""

FILES = ({"etc/greeting": b"hello\n"}, {"usr/share/large": bytes(range(256)) * 20_000})


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Store, Descriptor]:
    """A folder with the image ``test:1`` as ``layout`` and ``archive.tar``, its store and its manifest."""
    folder = tmp_path_factory.mktemp("image")
    store = Store(folder / "store")
    manifest = add_image(store, files=FILES)
    write_layout(folder / "layout", entries=[(manifest, "test:1")], store=store)
    write_archive(folder / "archive.tar", entries=[(manifest, "test:1")], store=store)
    return folder, store, manifest


def _files(folder: Path, transport: str) -> Open:
    return lambda tag: open_source(parse_reference(f"{transport}:{tag}"), root=folder, environ={})


@pytest.fixture(
    params=[
        "layout",
        "oci-archive",
        "docker-archive",
        "docker-archive of skopeo",
        "registry",
        "registry_basic",
        "registry_token",
    ]
)
def open_(request: pytest.FixtureRequest, image: tuple[Path, Store, Descriptor], tmp_path: Path, run: Run) -> Open:
    folder = image[0]
    match request.param:
        case "layout":
            return _files(folder, "oci:layout")
        case "oci-archive" | "docker-archive":
            return _files(folder, f"{request.param}:archive.tar")
        case "docker-archive of skopeo":
            run(
                "skopeo",
                "copy",
                "-q",
                f"oci:{folder}/layout:test:1",
                f"docker-archive:{tmp_path}/saved.tar:test:1",
            )
            return _files(tmp_path, "docker-archive:saved.tar")
        case name:
            registry: RunningRegistry = request.getfixturevalue(name)
            push = request.getfixturevalue("push_layout")
            push(
                f"{folder}/layout:test:1",
                f"{registry.host}/a/test:1",
                user=registry.user,
                password=registry.password,
            )
            environ = registry.login(tmp_path / "docker") if registry.user else {}
            return lambda tag: open_source(parse_reference(f"{registry.host}/a/{tag}"), root=tmp_path, environ=environ)


async def test_everything_below_the_reference_can_be_read(open_: Open) -> None:
    source = open_("test:1")
    manifest = parse_manifest(await read(source, await source.resolve()))
    config = parse_config(await read(source, manifest.config))
    layers = [await read(source, layer, limit=10**8) for layer in manifest.layers]
    await source.close()
    assert config.config["Cmd"] == ["/bin/true"]
    assert [digest_of(layer) for layer in layers] == [layer.digest for layer in manifest.layers]
    tars = [gzip.decompress(layer) if layer.startswith(b"\x1f\x8b") else layer for layer in layers]
    assert tuple(map(digest_of, tars)) == config.diff_ids


async def test_a_tag_that_is_not_there(open_: Open) -> None:
    source = open_("test:2")
    with pytest.raises(SpecificationError) as caught:
        await source.resolve()
    assert "test:2" in str(caught.value)
    assert caught.value.hint
    await source.close()


async def test_a_blob_that_is_not_there(open_: Open) -> None:
    source = open_("test:1")
    absent = Descriptor(media_type="x", digest=digest_of(b"absent"), size=6)
    with pytest.raises(ContentError, match=absent.digest.removeprefix("sha256:")):
        await read(source, absent)
    await source.close()


@pytest.mark.parametrize("difference", [-1, 1])
async def test_a_size_that_is_wrong(open_: Open, difference: int) -> None:
    source = open_("test:1")
    manifest = parse_manifest(await read(source, await source.resolve()))
    wrong = Descriptor(media_type="x", digest=manifest.layers[1].digest, size=manifest.layers[1].size + difference)
    with pytest.raises(ContentError):
        await read(source, wrong)
    await source.close()


async def test_copying_into_a_store(open_: Open, tmp_path: Path) -> None:
    source, store = open_("test:1"), Store(tmp_path / "copies")
    manifest = parse_manifest(await read(source, await source.resolve()))
    blobs = [manifest.config, *manifest.layers]
    async with anyio.create_task_group() as group:
        for blob in blobs * 2:
            group.start_soon(copy_blob, source, blob, store)
    await source.close()
    for blob in blobs:
        assert digest_of(store.read(blob.digest)) == blob.digest
        # What is there is not asked for again, not even of a source that is closed.
        await copy_blob(source, blob, store)


async def test_leaving_early(open_: Open) -> None:
    source = open_("test:1")
    manifest = parse_manifest(await read(source, await source.resolve()))
    large = manifest.layers[1]
    async with aclosing(source.stream(large)) as chunks:  # type: ignore[type-var]
        async for _ in chunks:
            break
    assert len(await read(source, large, limit=10**8)) == large.size
    await source.close()


async def test_the_digest_of_what_was_pushed_comes_back(
    registry: RunningRegistry, image: tuple[Path, Store, Descriptor], push_layout: Callable[..., None]
) -> None:
    folder, store, manifest = image
    push_layout(f"{folder}/layout:test:1", f"{registry.host}/b/test:1")
    for suffix in (":1", f"@{manifest.digest}", f":gone@{manifest.digest}"):
        source = open_source(parse_reference(f"{registry.host}/b/test{suffix}"), root=folder, environ={})
        found = await source.resolve()
        assert (found.digest, found.size, found.media_type) == (
            manifest.digest,
            manifest.size,
            manifest.media_type,
        )
        assert await read(source, found) == store.read(manifest.digest)
        await source.close()


async def test_a_source_that_lies_does_not_reach_the_store(tmp_path: Path, store: Store) -> None:
    manifest = add_image(store)
    write_layout(tmp_path / "layout", entries=[(manifest, None)], store=store)
    blob = parse_manifest(store.read(manifest.digest)).layers[0]
    path = tmp_path / "layout" / "blobs" / "sha256" / blob.digest.removeprefix("sha256:")
    path.write_bytes(bytes(blob.size))
    source = open_source(parse_reference("oci:layout"), root=tmp_path, environ={})
    other = Store(tmp_path / "other")
    with pytest.raises(ContentError, match=f"not {blob.digest}"):
        await copy_blob(source, blob, other)
    assert blob.digest not in other
    assert Digest(f"sha256:{hashlib.sha256(bytes(blob.size)).hexdigest()}") not in other
