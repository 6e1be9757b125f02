"""Bytecode through the command line, on Debian's base image and the real engine."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from reprobuild.builder.bytecode import DRIVER
from tests.builder.test_bytecode_driver import MODULES, OPTIONS
from tests.builder.wheels import make_wheel
from tests.conftest import Run
from tests.endtoend.workspace import CONNECTOR, Built, Workspace

SITE = "usr/local/lib/python3.11/dist-packages"
GOLDEN = "sha256:b35d4523e6f44eb7d89f7d7bb9bddd8012200c1a91ce49aa876c8b7d829998fe"
"""Of greeting's one .pyc file, as Debian 12's Python 3.11.2 compiles it on whatever platform."""


@pytest.fixture
def compiling(workspace: Workspace, tmp_path: Path) -> Workspace:
    """The workspace with bytecode, and a store that has wheels and bases."""
    found = workspace.copy(tmp_path / "copy", store=workspace.store)
    path = found.root / "pyproject.toml"
    path.write_text(path.read_text().replace("[tool.reprobuild]\n", '[tool.reprobuild]\nbytecode = "unchecked-hash"\n'))
    return found


def modules(workspace: Workspace, built: Built) -> dict[str, dict[str, bytes]]:
    """Return the .pyc files below the site, by platform and path."""
    found: dict[str, dict[str, bytes]] = {}
    for platform, manifest in built.manifests.items():
        found[platform] = {}
        for layer in json.loads(workspace.blob(manifest))["layers"]:
            if not holds(workspace, layer["digest"]):
                continue  # The base's own.
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(workspace.blob(layer["digest"])))) as tar:
                for member in tar:
                    if member.name.startswith(SITE) and member.name.endswith(".pyc"):
                        content = tar.extractfile(member)
                        assert content is not None
                        found[platform][member.name.removeprefix(f"{SITE}/")] = content.read()
    return found


def holds(workspace: Workspace, digest: str) -> bool:
    name = digest.removeprefix("sha256:")
    return (workspace.store / "blobs" / "sha256" / name[:2] / name).exists()


def test_both_platforms_get_what_was_compiled_once(
    compiling: Workspace, workspace: Workspace, built: Built, tmp_path: Path
) -> None:
    done = compiling.must("build", CONNECTOR)
    assert done.err.count("compiling ") == 2, "started and done, once for both platforms"
    made = compiling.build()
    assert made.outcomes == {"new"}
    assert made.derivations.keys() == built.derivations.keys()
    assert not set(made.derivations.values()) & set(built.derivations.values())
    found = modules(compiling, made)
    greeting = "greeting/__pycache__/__init__.cpython-311.pyc"
    for platform in built.manifests:
        assert {greeting, "speed/__pycache__/__init__.cpython-311.pyc"} <= found[platform].keys()
        assert "sha256:" + hashlib.sha256(found[platform][greeting]).hexdigest() == GOLDEN
    again = workspace.copy(tmp_path / "again", store=workspace.store)
    (again.root / "pyproject.toml").write_bytes((compiling.root / "pyproject.toml").read_bytes())
    assert again.build(umask=0o077) == made
    (compiling.root / "pyproject.toml").write_bytes((workspace.root / "pyproject.toml").read_bytes())
    assert compiling.build() == built


def test_a_rebuild_from_nothing_compiles_anew_and_gives_the_same(compiling: Workspace) -> None:
    compiling.must("build", CONNECTOR, "--record")
    done = compiling.must("check", CONNECTOR)
    assert "same" in done.out


def test_another_processor_compiles_the_same_bytes(base: Path, tmp_path: Path, run: Run) -> None:
    answers = []
    for architecture, emulator in (("amd64", "qemu-x86_64-static"), ("arm64", "qemu-aarch64-static")):
        run(emulator, "--version")
        root = tmp_path / architecture
        unpack(base, architecture, root)
        library = (root / "usr/lib/python3.11").iterdir()
        real = {f"real/{path.name}": path.read_bytes() for path in library if path.name in {"argparse.py", "enum.py"}}
        assert len(real) == 2
        wheel, out = tmp_path / "demo-1.0-py3-none-any.whl", root / "out"
        wheel.write_bytes(make_wheel({**MODULES, **real}))
        files = [[name, f"/site/{name}"] for name in sorted({**MODULES, **real})]
        subprocess.run(
            [emulator, "-L", root, root / "usr/bin/python3.11", *OPTIONS, DRIVER],
            input=json.dumps([{"wheel": str(wheel), "out": str(out), "files": files}]).encode(),
            env={"PYTHONHASHSEED": "0"},
            check=True,
        )
        answers.append(out.read_bytes())
    assert answers[0].startswith(b'{"magic": "a70d0d0a", "python": "3.11.2", "tag": "cpython-311"}\n')
    assert answers[0] == answers[1]


def unpack(base: Path, architecture: str, folder: Path) -> None:
    """Unpack the layers of the base image for *architecture*, without owners."""

    def document(digest: str) -> dict[str, Any]:
        return dict(json.loads((base / "blobs" / digest.replace(":", "/")).read_bytes()))

    index = document(json.loads((base / "index.json").read_bytes())["manifests"][0]["digest"])
    (wanted,) = [one for one in index["manifests"] if one["platform"]["architecture"] == architecture]
    for layer in document(wanted["digest"])["layers"]:
        with tarfile.open(base / "blobs" / layer["digest"].replace(":", "/")) as tar:
            # Debian 12's own Python has no filters yet, and newer ones want one.
            tar.extraction_filter = getattr(tarfile, "tar_filter", None)
            tar.extractall(folder)
