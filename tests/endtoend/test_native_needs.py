"""This repository's own connectors and base: nothing is missing, until a library is taken away."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from reprobuild.lock_files import find_lock
from reprobuild.oci.layout import write_layout
from reprobuild.oci.open import copy_blob, open_source
from reprobuild.oci.reference import parse_reference
from reprobuild.oci.source import read
from reprobuild.oci.types import (
    CONFIG,
    INDEX,
    MANIFEST,
    Descriptor,
    Index,
    parse_config,
    parse_index,
    parse_manifest,
)
from reprobuild.progress import Silent
from reprobuild.resolver.native_needs import check_needs
from reprobuild.store import Store, default_root
from reprobuild.workspace import read_workspace
from tests.endtoend.workspace import REPOSITORY
from tests.images import add_document, layer

TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
SPECIFICATION = """\
[tool.reprobuild]
platforms = ["linux/amd64", "linux/arm64"]

[tool.reprobuild.base."python-3.11"]
image = "oci:lean:python-3.11"

[tool.reprobuild.connector.source-faker]
requirements = ["airbyte-source-faker==7.2.1"]
"""


def reprobuild(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in *root* with the user's own store, as the wheels of real connectors are many MB."""
    command = [sys.executable, "-m", "reprobuild", *arguments]
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path, base: Path) -> Path:
    """This repository's own workspace in another folder, its wheels in the user's own store."""
    root = tmp_path / "repository"
    (root / "build").mkdir(parents=True)
    (root / "build" / "base").symlink_to(base)
    (root / "build" / "base-build").symlink_to(REPOSITORY / "build" / "base-build")
    for name in ("pyproject.toml", "base-images.lock.toml", "connectors"):
        (root / name).symlink_to(REPOSITORY / name)
    # A copy, because wheels are put beside the locks.
    (root / "lock").mkdir()
    for lock in (REPOSITORY / "lock").glob("*.toml"):
        (root / "lock" / lock.name).write_bytes(lock.read_bytes())
    return root


@pytest.fixture
def lean(tmp_path: Path, base: Path) -> Path:
    """A workspace with source-faker alone, its versions locked, on the base without libstdc++6."""
    root = tmp_path / "workspace"
    (root / "lock").mkdir(parents=True)
    (root / "pyproject.toml").write_text(SPECIFICATION)
    lock = "lock/pylock.source-faker.toml"
    (root / lock).write_bytes((REPOSITORY / lock).read_bytes())
    anyio.run(_without_libstdcxx, base, root / "lean", Store(tmp_path / "images"))
    return root


async def _without_libstdcxx(base: Path, layout: Path, store: Store) -> None:
    """Write *base* to *layout* with a layer more on each platform, which hides the library."""
    source = open_source(parse_reference(f"oci:{base.name}:python-3.11"), root=base.parent, environ={})
    images: list[Descriptor] = []
    for image in parse_index(await read(source, await source.resolve()), where="base").manifests:
        assert image.platform is not None
        manifest = parse_manifest(await read(source, image), where="base")
        config = parse_config(await read(source, manifest.config), where="base")
        for blob in manifest.layers:
            await copy_blob(source, blob, store)
        triplet = TRIPLETS[image.platform.architecture]
        names = ("libstdc++.so.6", "libstdc++.so.6.0.30")
        more, diff_id = layer({f"usr/lib/{triplet}/.wh.{name}": b"" for name in names}, store)
        config = replace(config, diff_ids=(*config.diff_ids, diff_id), history=())
        document = add_document(config.to_json(), CONFIG, store)
        made = replace(manifest, config=document, layers=(*manifest.layers, more))
        images.append(add_document(made.to_json(), MANIFEST, store, platform=image.platform))
    await source.close()
    write_layout(
        layout,
        entries=[(add_document(Index(manifests=tuple(images)).to_json(), INDEX, store), "python-3.11")],
        store=store,
    )


def test_source_faker_is_refused_without_libstdcxx(lean: Path) -> None:
    before = (lean / "lock/pylock.source-faker.toml").read_bytes()
    done = reprobuild(lean, "lock", "update")
    assert done.returncode == 2, done.stderr
    assert "libstdc++.so.6 on linux/amd64 and linux/arm64, for wheels of " in done.stderr
    assert "(Debian's package libstdc++6)" in done.stderr
    assert "pandas 2." in done.stderr
    assert "hint: install Debian's package libstdc++6 in the base image" in done.stderr
    assert (lean / "lock/pylock.source-faker.toml").read_bytes() == before
    assert not (lean / "base-images.lock.toml").exists()


def test_the_base_has_what_all_connectors_of_the_repository_need(repository: Path) -> None:
    done = reprobuild(repository, "fetch")
    assert done.returncode == 0, done.stderr
    made, lock, store = read_workspace(repository), find_lock(repository).lock, Store(default_root(os.environ))

    async def check() -> None:
        await check_needs(made, lock.connectors, lock.bases, store, progress=Silent())

    anyio.run(check)
