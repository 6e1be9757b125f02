import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from reprobuild.builder.compress import Compression
from reprobuild.canonical import hex_of
from reprobuild.errors import ContentError
from reprobuild.oci.archive import write_archive
from reprobuild.oci.layout import Layout
from reprobuild.oci.members import Members
from reprobuild.oci.source import read
from reprobuild.oci.types import INDEX, Index, parse_manifest
from reprobuild.store import Store
from tests.conftest import Run
from tests.images import add_document, add_image, add_index

pytestmark = pytest.mark.anyio


def _names(path: Path) -> list[str]:
    with tarfile.open(path, "r:") as file:
        return file.getnames()


def _json(path: Path, name: str) -> Any:
    with tarfile.open(path, "r:") as file:
        member = file.extractfile(name)
        assert member is not None
        return json.loads(member.read())


def test_the_same_image_is_the_same_bytes(tmp_path: Path, store: Store) -> None:
    image = add_image(store)
    write_archive(tmp_path / "a.tar", entries=[(image, "name:1")], store=store)
    previous = os.umask(0o077)
    try:
        write_archive(tmp_path / "deeper" / "b.tar", entries=[(image, "name:1")], store=store)
    finally:
        os.umask(previous)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "deeper" / "b.tar").read_bytes()
    assert (tmp_path / "a.tar").stat().st_mode & 0o777 == 0o644


def test_members_are_in_order_and_each_stands_once(tmp_path: Path, store: Store) -> None:
    write_archive(tmp_path / "a.tar", entries=[(add_index(store), "x"), (add_image(store), "y")], store=store)
    names = _names(tmp_path / "a.tar")
    assert names == sorted(set(names))


def test_docker_finds_config_layers_and_name(tmp_path: Path, store: Store) -> None:
    image = add_image(store)
    write_archive(tmp_path / "a.tar", entries=[(image, "team/name:1")], store=store)
    manifest = parse_manifest(store.read(image.digest))
    assert _json(tmp_path / "a.tar", "manifest.json") == [
        {
            "Config": f"blobs/sha256/{hex_of(manifest.config.digest)}",
            "RepoTags": ["team/name:1"],
            "Layers": [f"blobs/sha256/{hex_of(layer.digest)}" for layer in manifest.layers],
        }
    ]


@pytest.mark.parametrize("tag", [None, "latest", "host:5000/name"])
def test_what_docker_would_not_take_as_a_name(tmp_path: Path, store: Store, tag: str | None) -> None:
    write_archive(tmp_path / "a.tar", entries=[(add_image(store), tag)], store=store)
    assert [image["RepoTags"] for image in _json(tmp_path / "a.tar", "manifest.json")] == [[]]


def test_docker_gets_one_platform_or_nothing(tmp_path: Path, store: Store) -> None:
    write_archive(tmp_path / "two.tar", entries=[(add_index(store), "x")], store=store)
    assert "manifest.json" not in _names(tmp_path / "two.tar")
    only = add_document(Index(manifests=(add_image(store),)).to_json(), INDEX, store)
    write_archive(tmp_path / "one.tar", entries=[(only, "x")], store=store)
    assert "manifest.json" in _names(tmp_path / "one.tar")


def test_a_failure_leaves_the_old_archive(tmp_path: Path, store: Store) -> None:
    image = add_image(store)
    write_archive(tmp_path / "a.tar", entries=[(image, "x")], store=store)
    before = (tmp_path / "a.tar").read_bytes()
    layer = parse_manifest(store.read(image.digest)).layers[0]
    store.path(layer.digest).write_bytes(bytes(layer.size))
    with pytest.raises(ContentError, match="was damaged"):
        write_archive(tmp_path / "a.tar", entries=[(image, "x")], store=store)
    assert (tmp_path / "a.tar").read_bytes() == before
    with pytest.raises(ContentError, match="is not in the store"):
        write_archive(tmp_path / "b.tar", entries=[(image, "x")], store=store)
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["a.tar"]


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_skopeo_and_umoci_read_it(tmp_path: Path, store: Store, run: Run, transport: str) -> None:
    write_archive(tmp_path / "a.tar", entries=[(add_image(store), "name:1")], store=store)
    run("skopeo", "copy", "-q", f"{transport}:{tmp_path}/a.tar:name:1", f"oci:{tmp_path}/layout:1")
    run("umoci", "unpack", "--rootless", "--image", f"{tmp_path}/layout:1", tmp_path / "bundle")
    assert (tmp_path / "bundle" / "rootfs" / "etc" / "greeting").read_bytes() == b"hello\n"


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_the_digest_is_the_images(tmp_path: Path, store: Store, run: Run, compression: Compression) -> None:
    image = add_image(store, compression=compression)
    write_archive(tmp_path / "a.tar", entries=[(image, "name:1")], store=store)
    said = json.loads(run("skopeo", "inspect", f"oci-archive:{tmp_path}/a.tar:name:1"))
    assert said["Digest"] == image.digest
    run("skopeo", "inspect", f"docker-archive:{tmp_path}/a.tar:name:1")


async def test_what_skopeo_writes_is_read(tmp_path: Path, store: Store, run: Run) -> None:
    index = add_index(store)
    write_archive(tmp_path / "a.tar", entries=[(index, "name:1")], store=store)
    run(
        "skopeo",
        "copy",
        "-q",
        "--all",
        f"oci-archive:{tmp_path}/a.tar:name:1",
        f"oci-archive:{tmp_path}/b.tar:name:1",
    )
    source = Layout(Members(tmp_path / "b.tar", where="b"), "name:1", where="b")
    assert await read(source, await source.resolve()) == store.read(index.digest)
    await source.close()
