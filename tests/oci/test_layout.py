import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from reprobuild.canonical import hex_of
from reprobuild.errors import ContentError, MachineError, ReprobuildError, SpecificationError
from reprobuild.oci.layout import Folder, Layout, write_layout
from reprobuild.oci.source import DOCUMENT_LIMIT, read
from reprobuild.oci.types import Descriptor, parse_manifest
from reprobuild.store import Store
from tests.conftest import Run
from tests.images import add_image, add_index

pytestmark = pytest.mark.anyio


def _source(path: Path, tag: str | None = None) -> Layout:
    return Layout(Folder(path), tag, where=f"oci:{path.name}")


def _listed(path: Path) -> list[tuple[str | None, str]]:
    index = json.loads((path / "index.json").read_bytes())
    return [
        ((item.get("annotations") or {}).get("org.opencontainers.image.ref.name"), item["digest"])
        for item in index["manifests"]
    ]


def _blob(path: Path, descriptor: Descriptor) -> Path:
    return path / "blobs" / "sha256" / hex_of(descriptor.digest)


def _tree(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.fixture
def images(store: Store) -> tuple[Descriptor, Descriptor]:
    """An image for one platform and one for two."""
    return add_image(store), add_index(store)


@pytest.fixture
def path(tmp_path: Path, images: tuple[Descriptor, Descriptor], store: Store) -> Path:
    """A layout with the tags ``one`` and ``two``."""
    write_layout(tmp_path / "layout", entries=[(images[0], "one"), (images[1], "two")], store=store)
    return tmp_path / "layout"


async def test_a_tag_chooses(path: Path, images: tuple[Descriptor, Descriptor]) -> None:
    assert (await _source(path, "one").resolve()).digest == images[0].digest
    assert (await _source(path, "two").resolve()).digest == images[1].digest


async def test_the_only_image_needs_no_tag(tmp_path: Path, images: tuple[Descriptor, Descriptor], store: Store) -> None:
    write_layout(tmp_path / "layout", entries=[(images[0], None)], store=store)
    assert (await _source(tmp_path / "layout").resolve()).digest == images[0].digest
    # Under two names it is still one image.
    write_layout(tmp_path / "layout", entries=[(images[0], "a"), (images[0], "b")], store=store)
    assert (await _source(tmp_path / "layout").resolve()).digest == images[0].digest


@pytest.mark.parametrize(
    ("tag", "match"),
    [
        (None, "several images; it holds one, two"),
        ("three", "no image 'three'; it holds one, two"),
    ],
)
async def test_what_is_there_is_listed(path: Path, tag: str | None, match: str) -> None:
    with pytest.raises(SpecificationError, match=match) as caught:
        await _source(path, tag).resolve()
    assert caught.value.where == "oci:layout"


async def test_one_tag_for_two_images_chooses_none(path: Path) -> None:
    index = json.loads((path / "index.json").read_bytes())
    for item in index["manifests"]:
        item["annotations"] = {"org.opencontainers.image.ref.name": "same"}
    (path / "index.json").write_text(json.dumps(index))
    with pytest.raises(SpecificationError, match="several images 'same'"):
        await _source(path, "same").resolve()


@pytest.mark.parametrize(
    ("name", "content", "kind", "match"),
    [
        ("oci-layout", None, SpecificationError, "it has no oci-layout"),
        ("index.json", None, SpecificationError, "it has no index.json"),
        ("oci-layout", b"{}", ContentError, "unsupported imageLayoutVersion"),
        (
            "oci-layout",
            b'{"imageLayoutVersion":"2.0.0"}',
            ContentError,
            "unsupported imageLayoutVersion '2.0.0'",
        ),
        ("oci-layout", b"\xff", ContentError, "not a JSON document"),
        ("index.json", b"", ContentError, "not a JSON document"),
        ("index.json", b'{"schemaVersion":2,"manifests":[{}]}', ContentError, "a descriptor needs"),
        ("index.json", b'{"schemaVersion":2,"manifests":[]}', SpecificationError, "it holds nothing"),
        ("index.json", bytes(DOCUMENT_LIMIT + 1), ContentError, "are not read"),
    ],
)
async def test_folders_that_are_no_layout(
    path: Path, name: str, content: bytes | None, kind: type[ReprobuildError], match: str
) -> None:
    (path / name).unlink()
    if content is not None:
        (path / name).write_bytes(content)
    with pytest.raises(kind, match=match) as caught:
        await _source(path, "one").resolve()
    assert "layout" in (caught.value.where or "")


@pytest.mark.parametrize("damage", ["missing", "short", "other", "folder", "pipe"])
async def test_blobs_that_are_not_what_they_should_be(
    path: Path, images: tuple[Descriptor, Descriptor], damage: str
) -> None:
    blob = _blob(path, images[0])
    data = blob.read_bytes()
    blob.unlink()
    match damage:
        case "short":
            blob.write_bytes(data[:-1])
        case "other":
            blob.write_bytes(data[:-1] + b"?")
        case "folder":
            blob.mkdir()
        case "pipe":
            os.mkfifo(blob)
    source = _source(path, "one")
    with pytest.raises(ContentError):
        await read(source, await source.resolve())


def test_other_images_stay_and_the_same_tag_is_replaced(
    path: Path, images: tuple[Descriptor, Descriptor], store: Store
) -> None:
    other = add_image(store, files=[{"etc/other": b"other"}])
    write_layout(path, entries=[(other, "one"), (other, "zero")], store=store)
    assert _listed(path) == [("one", other.digest), ("two", images[1].digest), ("zero", other.digest)]


def test_what_others_wrote_about_their_images_stays(
    path: Path, images: tuple[Descriptor, Descriptor], store: Store
) -> None:
    index = json.loads((path / "index.json").read_bytes())
    foreign = index["manifests"][1] | {"artifactType": "application/x", "data": "e30="}
    index["manifests"][1] = foreign
    (path / "index.json").write_text(json.dumps(index))
    write_layout(path, entries=[(images[0], "one")], store=store)
    assert json.loads((path / "index.json").read_bytes())["manifests"][1] == foreign


def test_a_tag_for_an_image_that_had_none(tmp_path: Path, images: tuple[Descriptor, Descriptor], store: Store) -> None:
    write_layout(tmp_path / "layout", entries=[(images[0], None)], store=store)
    write_layout(tmp_path / "layout", entries=[(images[0], "named")], store=store)
    assert _listed(tmp_path / "layout") == [("named", images[0].digest)]


def test_the_same_images_are_the_same_bytes(
    path: Path, images: tuple[Descriptor, Descriptor], store: Store, tmp_path: Path
) -> None:
    previous = os.umask(0o077)
    try:
        write_layout(tmp_path / "other", entries=[(images[1], "two")], store=store)
        write_layout(tmp_path / "other", entries=[(images[0], "one")], store=store)
    finally:
        os.umask(previous)
    assert _tree(tmp_path / "other") == _tree(path)
    assert {file.stat().st_mode & 0o777 for file in path.rglob("*") if file.is_file()} == {0o644}


def test_right_blobs_are_left_alone_and_wrong_ones_replaced(
    path: Path, images: tuple[Descriptor, Descriptor], store: Store
) -> None:
    manifest = parse_manifest(store.read(images[0].digest))
    right, wrong, short = (_blob(path, item) for item in (manifest.config, *manifest.layers))
    wrong.write_bytes(bytes(wrong.stat().st_size))
    short.write_bytes(b"")
    before = (right.stat().st_ino, (path / "index.json").stat().st_ino)
    write_layout(path, entries=[(images[0], "one")], store=store)
    assert (right.stat().st_ino, (path / "index.json").stat().st_ino) == before
    assert wrong.read_bytes() == store.read(manifest.layers[0].digest)
    assert short.read_bytes() == store.read(manifest.layers[1].digest)


@pytest.mark.parametrize("lost", ["layer", "manifest"])
def test_an_incomplete_store_writes_nothing(
    tmp_path: Path, images: tuple[Descriptor, Descriptor], store: Store, lost: str
) -> None:
    manifest = parse_manifest(store.read(images[0].digest))
    store.discard((manifest.layers[0] if lost == "layer" else images[0]).digest)
    with pytest.raises(ContentError, match="is not in the store") as caught:
        write_layout(tmp_path / "layout", entries=[(images[0], "one")], store=store)
    assert caught.value.hint
    assert not (tmp_path / "layout").exists()


def test_a_damaged_store_does_not_reach_the_index(path: Path, store: Store) -> None:
    other = add_image(store, files=[{"etc/other": b"other"}])
    layer = parse_manifest(store.read(other.digest)).layers[0]
    store.path(layer.digest).write_bytes(bytes(layer.size))
    before = (path / "index.json").read_bytes()
    with pytest.raises(ContentError, match="was damaged"):
        write_layout(path, entries=[(other, "one")], store=store)
    assert (path / "index.json").read_bytes() == before
    assert not _blob(path, layer).exists()
    assert not list(path.rglob(".tmp-*"))


def test_places_that_are_something_else(tmp_path: Path, images: tuple[Descriptor, Descriptor], store: Store) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SpecificationError, match="there is a file"):
        write_layout(tmp_path / "file", entries=[(images[0], "one")], store=store)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    with pytest.raises(SpecificationError, match="not empty and not an image layout"):
        write_layout(tmp_path / "folder", entries=[(images[0], "one")], store=store)
    with pytest.raises(MachineError):
        write_layout(tmp_path / "file" / "below", entries=[(images[0], "one")], store=store)
    assert [item.name for item in (tmp_path / "folder").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(("name", "content"), [("index.json", b"{"), ("oci-layout", b'{"imageLayoutVersion":"9"}')])
def test_a_damaged_layout_is_not_written_to(
    path: Path, images: tuple[Descriptor, Descriptor], store: Store, name: str, content: bytes
) -> None:
    (path / name).write_bytes(content)
    before = _tree(path)
    with pytest.raises(ContentError):
        write_layout(path, entries=[(images[0], "one")], store=store)
    assert _tree(path) == before


def test_an_interrupted_first_write_is_taken_up(
    tmp_path: Path, images: tuple[Descriptor, Descriptor], store: Store
) -> None:
    (tmp_path / "layout" / "blobs" / "sha256").mkdir(parents=True)
    (tmp_path / "layout" / ".tmp-left").write_bytes(b"half")
    write_layout(tmp_path / "layout", entries=[(images[0], "one")], store=store)
    assert _listed(tmp_path / "layout") == [("one", images[0].digest)]


def test_two_writers_lose_nothing(tmp_path: Path, images: tuple[Descriptor, Descriptor], store: Store) -> None:
    def write(number: int) -> None:
        write_layout(tmp_path / "layout", entries=[(images[number % 2], f"tag{number}")], store=store)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [tag for tag, _ in _listed(tmp_path / "layout")] == [f"tag{number}" for number in range(8)]


def test_skopeo_reads_and_copies_it(path: Path, run: Run, images: tuple[Descriptor, Descriptor]) -> None:
    said: dict[str, Any] = json.loads(run("skopeo", "inspect", f"oci:{path}:one"))
    assert said["Digest"] == images[0].digest
    raw = json.loads(run("skopeo", "inspect", "--raw", f"oci:{path}:two"))
    assert [item["platform"]["architecture"] for item in raw["manifests"]] == ["amd64", "arm64"]
    run("skopeo", "copy", "--all", "--preserve-digests", f"oci:{path}:two", f"oci:{path.parent}/copy:two")


async def test_what_skopeo_writes_is_read(
    path: Path, run: Run, images: tuple[Descriptor, Descriptor], store: Store
) -> None:
    copy = path.parent / "copy"
    run("skopeo", "copy", "--all", f"oci:{path}:two", f"oci:{copy}:two")
    found = await _source(copy, "two").resolve()
    assert await read(_source(copy), found) == store.read(images[1].digest)
    write_layout(copy, entries=[(images[0], "one")], store=store)
    assert [tag for tag, _ in _listed(copy)] == ["one", "two"]


def test_umoci_unpacks_it(path: Path, run: Run, tmp_path: Path) -> None:
    run("umoci", "unpack", "--rootless", "--image", f"{path}:one", tmp_path / "bundle")
    assert (tmp_path / "bundle" / "rootfs" / "etc" / "greeting").read_bytes() == b"hello\n"
    assert (tmp_path / "bundle" / "rootfs" / "usr" / "share" / "more").read_bytes() == b"more\n"


def test_an_image_is_listed_once(path: Path, images: tuple[Descriptor, Descriptor], store: Store) -> None:
    write_layout(path, entries=[(images[0], "one"), (images[0], "one")], store=store)
    assert _listed(path) == [("one", images[0].digest), ("two", images[1].digest)]
