"""This repository's own connectors, from their locks into the real registry, and out of it with every client."""

import json
import os
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reprobuild.oci.types import parse_index, parse_manifest
from tests.conftest import Run
from tests.endtoend.workspace import REPOSITORY, check_blobs
from tests.servers import RunningRegistry, docker_registry


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The connectors in a registry: the digest of each one's index, and where it is with its tag."""

    registry: RunningRegistry
    digests: Mapping[str, str]
    places: Mapping[str, str]


def reprobuild(*arguments: str) -> str:
    """Run ``reprobuild`` in this repository, with the store that the machine has."""
    command = [sys.executable, "-m", "reprobuild", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout


def said(*arguments: str) -> dict[str, Any]:
    """Return what a command says as JSON."""
    value: dict[str, Any] = json.loads(reprobuild(*arguments, "--json"))
    return value


def blobs(layout: Path, digest: str) -> dict[str, int]:
    """Return the blobs that the index *digest* of an image layout leads to, with their sizes."""

    def document(name: str) -> bytes:
        return (layout / "blobs/sha256" / name.removeprefix("sha256:")).read_bytes()

    manifests = [parse_manifest(document(one.digest)) for one in parse_index(document(digest)).manifests]
    return {blob.digest: blob.size for one in manifests for blob in (one.config, *one.layers)}


@pytest.fixture(scope="module")
def layout(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All images as they are built here, in a layout."""
    path = tmp_path_factory.mktemp("own") / "built"
    connectors = said("build", "--all", "-o", f"oci:{path}")["connectors"]
    assert len(connectors) >= 10
    assert {image["outcome"] for one in connectors for image in one["images"]} == {"verified"}
    return path


@pytest.fixture(scope="module")
def fleet(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """All connectors pushed, one after another, each with no more than is new, by the registry's own log."""
    listed = json.loads((layout / "index.json").read_text())["manifests"]
    digests = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in listed}
    places, known = dict[str, str](), dict[str, int]()
    with docker_registry(tmp_path_factory.mktemp("own-registry")) as registry:
        for name, digest in sorted(digests.items()):
            (pushed,) = said("push", name, f"{registry.host}/own/")["pushed"]
            assert pushed["index"]["digest"] == digest
            own = blobs(layout, digest)
            targets = registry.asked("PUT", f"/own/{name}/blobs/uploads/")
            sent = {urllib.parse.parse_qs(urllib.parse.urlsplit(one).query)["digest"][0] for one in targets}
            assert sent == own.keys() - known.keys()
            assert pushed["uploaded"] == sum(own[one] for one in sent)
            assert pushed["mounted"] == sum(size for one, size in own.items() if one in known)
            known |= own
            places[name] = f"{pushed['repository']}:{next(iter(pushed['tags']))}"
        yield Fleet(registry=registry, digests=digests, places=places)


def test_every_connector_comes_back_with_its_digest(fleet: Fleet, layout: Path, tmp_path: Path) -> None:
    for name, place in fleet.places.items():
        assert said("pull", place, f"oci:{tmp_path}/pulled:{name}")["image"]["digest"] == fleet.digests[name]
    check_blobs(tmp_path / "pulled")
    names = [{path.name for path in (one / "blobs/sha256").iterdir()} for one in (layout, tmp_path / "pulled")]
    assert names[0] == names[1]


def test_skopeo_copies_every_connector(fleet: Fleet, run: Run, tmp_path: Path) -> None:
    for name, place in fleet.places.items():
        copy = f"oci:{tmp_path}/copied:{name}"
        run("skopeo", "copy", "--quiet", "--all", "--src-tls-verify=false", f"docker://{place}", copy)
        assert run("skopeo", "inspect", "--format", "{{.Digest}}", copy).strip() == fleet.digests[name]


def test_docker_pulls_every_connector(fleet: Fleet, docker: Callable[..., str]) -> None:
    for name, place in fleet.places.items():
        assert f"Digest: {fleet.digests[name]}" in docker("pull", "--platform=linux/amd64", place), name
