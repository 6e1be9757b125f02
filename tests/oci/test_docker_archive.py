import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprobuild.errors import ContentError, ReprobuildError, SpecificationError
from reprobuild.oci.archive import write_archive
from reprobuild.oci.docker_archive import DockerArchive
from reprobuild.oci.members import Members
from reprobuild.oci.source import DOCUMENT_LIMIT, read
from reprobuild.oci.types import LAYER_GZIP, LAYER_TAR, LAYER_ZSTD, parse_manifest
from reprobuild.store import Store
from tests.images import add_image

pytestmark = pytest.mark.anyio

LAYER = b"not looked into: " * 100
CONFIG: dict[str, Any] = {
    "os": "linux",
    "architecture": "amd64",
    "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(LAYER).hexdigest()}"] * 2},
}
IMAGE: dict[str, Any] = {"Config": "c.json", "RepoTags": ["name:1"], "Layers": ["a/layer.tar", "b/layer.tar"]}

Saved = Callable[..., Path]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """Write an archive as old versions of `docker save` do: the second layer is a link to the first."""

    def write(images: object = (IMAGE,), config: object = CONFIG, layer: bytes = LAYER) -> Path:
        def text(value: object) -> bytes:
            return value if isinstance(value, bytes) else json.dumps(value).encode()

        with tarfile.open(tmp_path / "saved.tar", "w:") as file:
            for name, data in {
                "manifest.json": text(list(images) if isinstance(images, tuple) else images),
                "c.json": text(config),
                "a/layer.tar": layer,
            }.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                file.addfile(info, io.BytesIO(data))
            link = tarfile.TarInfo("b/layer.tar")
            link.type, link.linkname = tarfile.SYMTYPE, "../a/layer.tar"
            file.addfile(link)
        return tmp_path / "saved.tar"

    return write


def _source(path: Path, tag: str | None = None) -> DockerArchive:
    return DockerArchive(Members(path, where=path.name), tag, where=path.name)


async def test_a_manifest_is_made(saved: Saved) -> None:
    source = _source(saved())
    manifest = parse_manifest(await read(source, await source.resolve()))
    assert [(layer.media_type, layer.size) for layer in manifest.layers] == [(LAYER_TAR, len(LAYER))] * 2
    assert await read(source, manifest.layers[1]) == LAYER
    assert json.loads(await read(source, manifest.config)) == CONFIG
    await source.close()


async def test_streaming_needs_no_resolve_before(saved: Saved) -> None:
    first = _source(saved())
    descriptor = await first.resolve()
    second = _source(saved())
    assert await read(second, descriptor) == await read(first, descriptor)
    await first.close()
    await second.close()


@pytest.mark.parametrize("tag", [None, "name:1", "docker.io/library/name:1"])
async def test_names_long_and_short(saved: Saved, tag: str | None) -> None:
    source = _source(saved(), tag)
    assert (await source.resolve()).size > 0
    await source.close()


@pytest.mark.parametrize(("compression", "media_type"), [("gzip", LAYER_GZIP), ("zstd", LAYER_ZSTD)])
async def test_compressed_layers_keep_their_bytes(
    tmp_path: Path, store: Store, compression: Any, media_type: str
) -> None:
    image = add_image(store, compression=compression)
    write_archive(tmp_path / "a.tar", entries=[(image, "name:1")], store=store)
    source = _source(tmp_path / "a.tar")
    found = await source.resolve()
    # Even the manifest comes out the same: it was canonical.
    assert found.digest == image.digest
    assert {layer.media_type for layer in parse_manifest(await read(source, found)).layers} == {media_type}
    await source.close()


@pytest.mark.parametrize(
    ("images", "tag", "match"),
    [
        ((IMAGE,), "name:2", "no image 'name:2'; it holds name:1"),
        ((), None, "it holds nothing"),
        ((IMAGE, IMAGE | {"RepoTags": None}), None, r"several images; it holds \(no tag\), name:1"),
    ],
)
async def test_what_is_there_is_listed(saved: Saved, images: object, tag: str | None, match: str) -> None:
    source = _source(saved(images), tag)
    with pytest.raises(SpecificationError, match=match):
        await source.resolve()
    await source.close()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"images": b"["}, "manifest.json is not JSON"),
        ({"images": {}}, "not a list of images"),
        ({"images": [{"RepoTags": "name:1"}]}, "not a list of images"),
        ({"images": bytes(DOCUMENT_LIMIT + 1)}, "are not read"),
        ({"images": (IMAGE | {"Config": "other.json"},)}, "the config 'other.json' is missing"),
        ({"images": (IMAGE | {"Config": None},)}, "the config 'None' is missing"),
        ({"images": (IMAGE | {"Layers": "a"},)}, "not a list of names"),
        ({"images": (IMAGE | {"Layers": ["a/layer.tar"]},)}, "1 layers, but the config has 2"),
        ({"images": (IMAGE | {"Layers": ["a/layer.tar", "../x"]},)}, r"the layer '../x' is missing"),
        ({"config": b"{"}, "not a JSON document"),
        ({"layer": b"other"}, "which the config lists"),
        ({"layer": b"\x1f\x8b" + b"broken" * 10}, "cannot be decompressed"),
        ({"layer": b"\x28\xb5\x2f\xfd" + b"broken" * 10}, "cannot be decompressed"),
    ],
)
async def test_archives_that_do_not_hold_what_they_say(saved: Saved, changes: dict[str, Any], match: str) -> None:
    source = _source(saved(**changes))
    with pytest.raises(ContentError, match=match) as caught:
        await source.resolve()
    assert caught.value.where == "saved.tar"
    await source.close()


async def test_an_oci_archive_is_told_apart(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w:") as file:
        file.addfile(tarfile.TarInfo("index.json"))
    source = _source(tmp_path / "x.tar")
    with pytest.raises(ReprobuildError, match=r"it has no manifest.json") as caught:
        await source.resolve()
    assert "oci-archive" in (caught.value.hint or "")
    await source.close()
