"""From a base image's reference to its lock, through a real image layout."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprobuild.errors import ContentError, LockError, ReprobuildError
from reprobuild.lock_reader import parse_base_lock
from reprobuild.lock_writer import write_base_lock
from reprobuild.lockfile import BaseImage, Libc
from reprobuild.oci.reference import parse_reference
from reprobuild.oci.source import Source
from reprobuild.oci.types import CONFIG, INDEX, MANIFEST, Descriptor, Index, Platform
from reprobuild.progress import Silent
from reprobuild.resolver.base_image import resolve_base
from reprobuild.store import Store
from reprobuild.workspace.types import BaseSpec
from tests.images import AMD64, ARM64, add_document
from tests.resolver.base_images import (
    ENV,
    Files,
    Image,
    debian,
    distribution,
    file,
    image,
    index,
    layer,
    link,
    packed,
    python_org,
    source,
    tar,
)

pytestmark = pytest.mark.anyio

BOTH = (AMD64, ARM64)


class _Watched(Silent):
    """A progress that remembers its warnings and tasks."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.labels: list[str] = []

    def task(self, label: str, total: int | None = None, *, unit: str = "bytes") -> "_Watched":
        self.labels.append(label)
        return self

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class _World:
    """A place to publish images from, and a store of the one who resolves them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.published = Store(folder / "published")
        self.store = Store(folder / "store")
        self.progress = _Watched()

    def publish(self, *images: Image) -> Source:
        return self.open(index(*images, store=self.published))

    def open(self, root: Descriptor) -> Source:
        return source(root, self.folder, self.published)

    async def resolve(self, published: Source, platforms: Sequence[Platform] = BOTH, **options: Any) -> BaseImage:
        spec = BaseSpec(
            name="python",
            image=parse_reference("oci:layout:base"),
            timezone=options.pop("timezone", None),
            where="reprobuild.toml: base.python",
        )
        options = {"known": None} | options
        return await resolve_base(
            spec, tuple(platforms), source=published, store=self.store, progress=self.progress, **options
        )

    async def refusal(self, published: Source, platforms: Sequence[Platform] = BOTH, **options: Any) -> ReprobuildError:
        with pytest.raises(ReprobuildError) as error:
            await self.resolve(published, platforms, **options)
        assert error.value.where is not None
        return error.value


@pytest.fixture
def world(tmp_path: Path) -> _World:
    return _World(tmp_path)


def _pair(files: Mapping[Platform, Files] | None = None, env: Sequence[str] = ENV) -> list[Image]:
    return [image((files or {}).get(p, python_org(platform=p)), platform=p, env=env) for p in BOTH]


async def test_an_index_becomes_a_base_for_every_platform(world: _World) -> None:
    base = await world.resolve(world.publish(*_pair()))
    assert (base.name, base.image, base.python, base.pip) == ("python", "oci:layout:base", "3.11.9", "24.0")
    assert base.libc == Libc(family="glibc", major=2, minor=36)
    assert list(base.platforms) == [AMD64, ARM64]
    assert base.pip_wheel is None
    locked = base.platforms[ARM64]
    assert locked.size == world.store.path(locked.manifest).stat().st_size
    assert locked.config in world.store
    assert locked.links == {"/lib": "usr/lib"}
    assert [item.name for item in locked.distributions] == ["pip"]
    assert world.progress.warnings == []
    assert parse_base_lock(write_base_lock({"python": base}), where="lock") == {"python": base}


async def test_variables_are_not_believed(world: _World) -> None:
    env = [*ENV, "PYTHON_VERSION=3.9.18", "PYTHON_PIP_VERSION=22.0.4"]
    base = await world.resolve(world.publish(*_pair(env=env)))
    assert (base.python, base.pip) == ("3.11.9", "24.0")
    assert world.progress.warnings == [
        f"oci:layout:base ({platform}): {claim}; the files are believed"
        for platform in BOTH
        for claim in (
            "PYTHON_VERSION says 3.9.18, its files have 3.11.9",
            "PYTHON_PIP_VERSION says 22.0.4, its files have 24.0",
        )
    ]


async def test_a_part_of_the_version_is_no_lie(world: _World) -> None:
    await world.resolve(world.publish(*_pair(env=[*ENV, "PYTHON_VERSION=3.11", "PYTHON_PIP_VERSION=24.0"])))
    assert world.progress.warnings == []


async def test_what_is_known_is_not_read_again(world: _World) -> None:
    published = world.publish(*_pair())
    base = await world.resolve(published)
    world.progress.labels.clear()
    assert await world.resolve(published, known=base) == base
    assert world.progress.labels == []
    assert await world.resolve(published, known=base, reread=True) == base
    assert [label.partition(" ")[0] for label in world.progress.labels] == ["reading", "reading"]
    other = replace(base, image="oci:elsewhere")
    assert await world.resolve(published, known=other) == base
    assert await world.resolve(published, [AMD64], known=base) == replace(
        base, platforms={AMD64: base.platforms[AMD64]}
    )


async def test_a_moved_tag_shows_in_the_index(world: _World) -> None:
    old = await world.resolve(world.publish(*_pair()))
    moved = {platform: python_org("3.11.10", platform=platform) for platform in BOTH}
    new = await world.resolve(world.publish(*_pair(moved)), known=old)
    assert new.index != old.index
    assert (old.python, new.python) == ("3.11.9", "3.11.10")


async def test_a_missing_platform_is_named_with_what_there_is(world: _World) -> None:
    error = await world.refusal(world.publish(image(python_org())))
    assert isinstance(error, LockError)
    assert error.message == "oci:layout:base has no image for linux/arm64; it has linux/amd64"
    assert error.where == "reprobuild.toml: base.python"


async def test_one_architectures_digest_will_not_do_for_two(world: _World) -> None:
    error = await world.refusal(world.open(image(python_org()).add(world.published)))
    assert error.message == "oci:layout:base is one image, for linux/amd64; needed: linux/amd64 and linux/arm64"
    assert error.hint == "pin the index digest, not one architecture's"


async def test_one_image_will_do_for_one_platform(world: _World) -> None:
    manifest = image(python_org()).add(world.published)
    base = await world.resolve(world.open(manifest), [AMD64])
    assert base.index == manifest.digest == base.platforms[AMD64].manifest
    error = await world.refusal(world.open(manifest), [ARM64])
    assert error.message == "oci:layout:base is one image, for linux/amd64; needed: linux/arm64"


async def test_variants_attestations_and_silent_descriptors_are_understood(world: _World) -> None:
    attestation = Image(layers=[], platform=Platform(os="unknown", architecture="unknown")).add(world.published)
    note = add_document({"a": 1}, "application/json", world.published)
    silent = replace(image(python_org(platform=ARM64), platform=ARM64).add(world.published), platform=None)
    v8 = replace(image(python_org()).add(world.published), platform=AMD64)
    artifact = Image(layers=[], config_type="application/vnd.example.config+json").add(world.published)
    manifests = (attestation, replace(artifact, platform=None), note, silent, v8)
    base = await world.resolve(world.open(add_document(Index(manifests=manifests).to_json(), INDEX, world.published)))
    assert base.platforms[ARM64].manifest == silent.digest
    arm = Platform(os="linux", architecture="arm64", variant="v8")
    again = await world.resolve(world.publish(image(python_org(platform=ARM64), platform=arm)), [ARM64])
    assert list(again.platforms) == [ARM64]


async def test_dockers_media_types_are_read(world: _World) -> None:
    docker = "application/vnd.docker"
    packed_layer = replace(layer(python_org()), media_type=f"{docker}.image.rootfs.diff.tar.gzip")
    one = Image(
        layers=[packed_layer],
        manifest_type=f"{docker}.distribution.manifest.v2+json",
        config_type=f"{docker}.container.image.v1+json",
    ).add(world.published)
    value = Index(manifests=(one,)).to_json() | {"mediaType": f"{docker}.distribution.manifest.list.v2+json"}
    root = add_document(value, value["mediaType"], world.published)
    assert (await world.resolve(world.open(root), [AMD64])).python == "3.11.9"


async def test_something_else_is_refused(world: _World) -> None:
    root = add_document({"a": 1}, "application/json", world.published)
    assert "is not an image but 'application/json'" in (await world.refusal(world.open(root))).message


async def test_a_config_for_another_platform_is_refused(world: _World) -> None:
    liar = replace(image(python_org()), platform=ARM64, config_platform=AMD64)
    error = await world.refusal(world.publish(image(python_org()), liar))
    assert error.message == "its config says linux/amd64, not linux/arm64"


async def test_bytes_for_another_machine_are_refused(world: _World) -> None:
    error = await world.refusal(world.publish(*_pair({ARM64: python_org(platform=AMD64)})))
    assert "for another machine" in error.message
    assert error.where == "oci:layout:base (linux/arm64)"


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (python_org("3.11.10", platform=ARM64), "Python is 3.11.9 on linux/amd64, 3.11.10 on linux/arm64"),
        (python_org(platform=ARM64, pip=None), "pip is 24.0 on linux/amd64, missing on linux/arm64"),
        ([*python_org(platform=ARM64), *debian("3.11.9", platform=ARM64)], None),
        (
            [
                *[(entry, data) for entry, data in python_org(platform=ARM64) if "usr/local/bin" not in entry.path],
                *debian("3.11.9", platform=ARM64),
                *distribution("usr/local/lib/python3.11/dist-packages", "pip", "24.0", files={}),
            ],
            "path of executable is /usr/local/bin/python3.11 on linux/amd64, /usr/bin/python3.11 on linux/arm64",
        ),
    ],
)
async def test_platforms_of_different_kinds_are_refused(world: _World, other: Files, what: str | None) -> None:
    published = world.publish(*_pair({ARM64: other}))
    if what is None:
        await world.resolve(published)
        return
    error = await world.refusal(published)
    assert error.message == f"oci:layout:base: its {what}"
    assert error.where == "reprobuild.toml: base.python"


async def test_a_python_hidden_by_a_whiteout_is_not_found(world: _World) -> None:
    hidden = image(debian(), python_org("3.12.1"), [file("usr/local/bin/.wh..wh..opq")])
    assert (await world.resolve(world.publish(hidden), [AMD64])).python == "3.11.2"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (packed(tar(python_org()), claimed=b"other"), "the config says"),
        (replace(layer(python_org()), data=layer(python_org()).data[:-30]), "it ends too early"),
        (layer([file("a/../b")]), "unsafe path"),
        (layer([link("x", "y")]), None),
    ],
)
async def test_a_broken_layer_is_named(world: _World, *, broken: Any, why: str | None) -> None:
    published = world.publish(Image(layers=[layer(python_org()), broken]))
    if why is None:
        await world.resolve(published, [AMD64])
        return
    error = await world.refusal(published, [AMD64])
    assert isinstance(error, ContentError)
    assert why in error.message
    assert str(error.where).startswith("oci:layout:base (linux/amd64), layer 2 (sha256:")


async def test_layers_and_diff_ids_must_match(world: _World) -> None:
    value = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
    config = add_document(value, CONFIG, world.published)
    blob = layer(python_org())
    described = Descriptor(media_type=blob.media_type, digest=world.published.add(blob.data), size=len(blob.data))
    manifest = {"schemaVersion": 2, "config": config.to_json(), "layers": [described.to_json()]}
    root = add_document(manifest, MANIFEST, world.published)
    error = await world.refusal(world.open(root), [AMD64])
    assert error.message == "the manifest has 1 layers, the config 0"


async def test_a_timezone_is_looked_for(world: _World) -> None:
    zone = [file("usr/share/zoneinfo/Asia/Tokyo")]
    published = world.publish(image(python_org(), zone))
    base = await world.resolve(published, [AMD64], timezone="Asia/Tokyo")
    error = await world.refusal(published, [AMD64], timezone="Asia/Tokio", known=base)
    assert "the timezone 'Asia/Tokio'" in error.message
    assert error.where == "reprobuild.toml: base.python"
    assert await world.resolve(published, [AMD64], timezone="UTC", known=base) == replace(base, timezone="UTC")


async def test_a_layer_that_stands_twice_is_read_twice(world: _World) -> None:
    one, again = layer(python_org()), layer([file("a")])
    base = await world.resolve(world.publish(Image(layers=[one, again, again])), [AMD64])
    assert base.python == "3.11.9"
