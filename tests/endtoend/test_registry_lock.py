"""Locks of a base image in the real Distribution registry: who may read it, and a tag that moves."""

import json
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprobuild.canonical import canonical_json, digest_of, hex_of
from tests import servers
from tests.endtoend.workspace import Workspace, make_workspace
from tests.resolver.loopback_index import LoopbackIndex

TAG = "python-3.11"
Make = Callable[[str], Workspace]
Push = Callable[..., None]


@pytest.fixture
def make(index: LoopbackIndex, tmp_path: Path) -> Make:
    """Return a new workspace whose base image has the reference that is given; nothing is locked or stored."""
    return lambda image: make_workspace(tmp_path, image, UV_DEFAULT_INDEX=f"{index.url}/simple")


def manifests(layout: Path) -> dict[str, str]:
    """Return the digests of the images in *layout* by platform, and of their index."""
    (listed,) = json.loads((layout / "index.json").read_text())["manifests"]
    images = json.loads(_blob(layout, listed["digest"]).read_text())["manifests"]
    found = {f"{one['platform']['os']}/{one['platform']['architecture']}": one["digest"] for one in images}
    return found | {"index": listed["digest"]}


def locked(workspace: Workspace) -> dict[str, Any]:
    """Return what the lock says of the base image."""
    (base,) = tomllib.loads((workspace.root / "base-images.lock.toml").read_text())["base"]
    return dict(base)


def check_locked(workspace: Workspace, image: str, layout: Path) -> None:
    """Fail unless the lock has the image in *layout*, as *image*."""
    expected, base = manifests(layout), locked(workspace)
    assert (base["image"], base["index"], base["python"]) == (image, expected.pop("index"), "3.11.2")
    assert {platform: one["manifest"] for platform, one in base["platforms"].items()} == expected


def test_without_credentials(registry: servers.RunningRegistry, push_layout: Push, base: Path, make: Make) -> None:
    image = f"{registry.host}/open/base:{TAG}"
    push_layout(f"{base}:{TAG}", image)
    workspace = make(image)
    workspace.must("lock", "update")
    check_locked(workspace, image, base)
    workspace.must("fetch")
    assert workspace.build("--offline", "--output", f"oci:{workspace.folder}/images").outcomes == {"new"}


def test_basic_authentication(
    registry_basic: servers.RunningRegistry, push_layout: Push, base: Path, make: Make
) -> None:
    who = {"user": registry_basic.user, "password": registry_basic.password}
    image = f"{registry_basic.host}/closed/base:{TAG}"
    push_layout(f"{base}:{TAG}", image, **who)
    check_login(make(image), image, base, registry_basic)


def test_token_authentication(
    registry_with_tokens: tuple[servers.RunningRegistry, servers.TokenService],
    push_layout: Push,
    base: Path,
    make: Make,
) -> None:
    registry, service = registry_with_tokens
    image = f"{registry.host}/closed/base:{TAG}"
    push_layout(f"{base}:{TAG}", image, user=registry.user, password=registry.password)
    given = service.given
    check_login(make(image), image, base, registry)
    assert service.given > given


def test_token_authentication_of_nobody(
    registry_token: servers.RunningRegistry, push_layout: Push, base: Path, make: Make
) -> None:
    image = f"{registry_token.host}/public/base:{TAG}"
    push_layout(f"{base}:{TAG}", image, user=registry_token.user, password=registry_token.password)
    workspace = make(image)
    workspace.must("lock", "update")
    check_locked(workspace, image, base)


def check_login(workspace: Workspace, image: str, base: Path, registry: servers.RunningRegistry) -> None:
    """Fail unless *image* is locked with Docker's configuration and refused without, or with a wrong password."""
    wrong = servers.RunningRegistry(host=registry.host, user=registry.user, password="wrong")
    for environ in ({}, wrong.login(workspace.folder / "wrong")):
        done = workspace.run("lock", "update", environ=environ)
        assert done.code == 4, done.err
        assert f"run `docker login {registry.host}`" in done.err
        assert workspace.locks() == {}
    login = registry.login(workspace.folder / "docker")
    workspace.must("lock", "update", environ=login)
    check_locked(workspace, image, base)
    assert workspace.build(environ=login).outcomes == {"new"}


@pytest.fixture(scope="module")
def other_base(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image layout with the base image after a change: its images have one label more."""
    layout = tmp_path_factory.mktemp("other") / "base"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    for blob in (base / "blobs" / "sha256").iterdir():
        os.link(blob, layout / "blobs" / "sha256" / blob.name)
    (layout / "oci-layout").write_bytes((base / "oci-layout").read_bytes())
    top = json.loads((base / "index.json").read_text())
    index = json.loads(_blob(base, top["manifests"][0]["digest"]).read_text())
    index["manifests"] = [one | _changed(layout, one["digest"]) for one in index["manifests"]]
    top["manifests"][0] |= _add(layout, index)
    (layout / "index.json").write_text(json.dumps(top))
    return layout


def _changed(layout: Path, digest: str) -> dict[str, Any]:
    """Add the image *digest* with one label more to *layout* and return what a descriptor says of its bytes."""
    manifest = json.loads(_blob(layout, digest).read_text())
    config = json.loads(_blob(layout, manifest["config"]["digest"]).read_text())
    config.setdefault("config", {}).setdefault("Labels", {})["changed"] = "yes"
    manifest["config"] |= _add(layout, config)
    return _add(layout, manifest)


def _add(layout: Path, document: object) -> dict[str, Any]:
    """Add *document* to the blobs and return what a descriptor says of its bytes."""
    data = canonical_json(document)
    _blob(layout, digest_of(data)).write_bytes(data)
    return {"digest": digest_of(data), "size": len(data)}


def _blob(layout: Path, digest: Any) -> Path:
    return layout / "blobs" / "sha256" / hex_of(digest)


def test_a_tag_that_moves(
    registry: servers.RunningRegistry, push_layout: Push, base: Path, other_base: Path, make: Make
) -> None:
    """The lock stays and builds go on with it, until it is asked to move."""
    image = f"{registry.host}/moving/base:{TAG}"
    push_layout(f"{base}:{TAG}", image)
    workspace = make(image)
    workspace.must("lock", "update")
    before = workspace.build("--record")
    push_layout(f"{other_base}:{TAG}", image)
    old, new = manifests(base), manifests(other_base)
    moved = f"{old['index']} → {new['index']}"
    assert all(old[key] != new[key] for key in old)

    # The lock holds, also where nothing has been fetched yet: the old image is read by its digest.
    locks = workspace.locks()
    done = workspace.must("lock", "update")
    assert f"the tag of base image {TAG} has moved: {moved}\n" in done.err
    assert workspace.locks() == locks
    empty = {"REPROBUILD_STORE": str(workspace.folder / "empty")}
    again = workspace.build(environ=empty)
    assert again.manifests == before.manifests
    assert again.outcomes == {"verified"}

    # Whoever asks is told.
    assert f"{TAG}: index {moved}\n" in workspace.must("lock", "outdated").out
    assert workspace.locks() == locks

    # Another timezone has to be looked for in the base's files: those of the locked image, not of the tag's.
    specification = workspace.root / "pyproject.toml"
    text = specification.read_text()
    specification.write_text(text.replace('timezone = "UTC"', 'timezone = "Europe/Paris"'))
    workspace.must("lock", "update")
    check_locked(workspace, image, base)
    assert locked(workspace)["timezone"] == "Europe/Paris"
    specification.write_text(text)

    done = workspace.must("lock", "update", "--bases")
    assert f"{TAG}: index {moved}\n" in done.out
    assert f"{TAG}: linux/amd64 {old['linux/amd64']} → {new['linux/amd64']}\n" in done.out
    check_locked(workspace, image, other_base)
    after = workspace.build()
    assert after.outcomes == {"new"}
    assert not set(after.manifests.values()) & set(before.manifests.values())
