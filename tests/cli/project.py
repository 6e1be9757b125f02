"""A small workspace with a base image on disk and a package index on loopback, and the command line in it."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from reprobuild.cli import run
from reprobuild.lock_writer import write_base_lock
from reprobuild.lockfile import BaseImage, BasePlatform, Interpreter, Libc
from reprobuild.oci.layout import write_layout
from reprobuild.oci.types import parse_index, parse_manifest
from reprobuild.store import Store
from tests.images import add_index
from tests.resolver.loopback_index import LoopbackIndex, serving

SPECIFICATION = """\
[tool.reprobuild]
platforms = ["linux/amd64", "linux/arm64"]

[tool.reprobuild.base."python-3.11"]
image = "oci:base:python-3.11"

[tool.reprobuild.connector.source-one]
requirements = ["alpha"]
base = "python-3.11"
entrypoint = ["source-one"]

[tool.reprobuild.connector.source-two]
requirements = ["beam"]
base = "python-3.11"
entrypoint = ["source-two"]
"""
_PYTHON = Interpreter(
    executable="/usr/bin/python3.11",
    purelib="/usr/lib/python3/dist-packages",
    platlib="/usr/lib/python3/dist-packages",
    scripts="/usr/bin",
    include="/usr/include/python3.11",
    data="/usr",
)


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, kw_only=True)
class Project:
    """A workspace on disk; its commands run in a process of their own, with an environment of their own."""

    root: Path
    environ: Mapping[str, str]
    index: LoopbackIndex

    @property
    def store(self) -> Store:
        return Store(Path(self.environ["REPROBUILD_STORE"]))

    def run(self, *arguments: str, cwd: Path | None = None, **environ: str) -> Done:
        """Run ``reprobuild`` with *arguments* in this process."""
        return run_here(*arguments, cwd=cwd or self.root, environ={**self.environ, **environ})

    def start(self, *arguments: str, stderr: int = subprocess.PIPE, **environ: str) -> subprocess.Popen[str]:
        """Start ``reprobuild`` with *arguments* in a process of its own."""
        return start(*arguments, cwd=self.root, environ={**self.environ, **environ}, stderr=stderr)

    def specify(self, text: str) -> None:
        (self.root / "pyproject.toml").write_text(text, encoding="utf-8")


def run_here(*arguments: str, cwd: Path, environ: Mapping[str, str]) -> Done:
    """Run ``reprobuild`` in this process, as if it had been started in *cwd* with *environ*."""
    out, err = io.StringIO(), io.StringIO()
    before = Path.cwd()
    os.chdir(cwd)
    try:
        with mock.patch.dict(os.environ, environ, clear=True), redirect_stdout(out), redirect_stderr(err):
            code = run(arguments)
    finally:
        os.chdir(before)
    return Done(code=code, out=out.getvalue(), err=err.getvalue())


def start(
    *arguments: str, cwd: Path, environ: Mapping[str, str], stderr: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """Start ``reprobuild`` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "reprobuild", *arguments],
        cwd=cwd,
        env=dict(environ),
        stdout=subprocess.PIPE,
        stderr=stderr,
        encoding="utf-8",
    )


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return a whole environment for a command: nothing of the user's but the path to programs."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "HOME": str(folder / "home"),
        "REPROBUILD_STORE": str(folder / "store"),
        "UV_CACHE_DIR": str(folder / "uv"),
        **more,
    }


@contextmanager
def project(folder: Path, *, like: Path | None = None) -> Iterator[Project]:
    """Make a project in *folder*: its base image is locked, its connectors are not.

    With *like*, the folder of another project, workspace and store are copies of that one's.
    """
    root = folder / "workspace"
    if like is None:
        root.mkdir()
        _add_base(root, Store(folder / "made"))
        (root / "pyproject.toml").write_text(SPECIFICATION, encoding="utf-8")
    else:
        shutil.copytree(like / "workspace", root)
        shutil.copytree(like / "store", folder / "store")
    (folder / "home").mkdir()
    with serving() as index:
        for name, version in (("alpha", "1.0"), ("alpha", "1.1"), ("beam", "2.0")):
            # By their names they share a layer: together in one, a folder and a file.
            index.wheel(name, version, files=_files(name, version))
        environ = environment(folder, UV_DEFAULT_INDEX=f"{index.url}/simple")
        yield Project(root=root, environ=environ, index=index)


def _files(name: str, version: str) -> dict[str, bytes]:
    return {f"{name}/__init__.py": f"VERSION = {version!r}\n".encode(), "shared/words/same.txt": b"the same"}


def _add_base(root: Path, store: Store) -> None:
    """Put an image for two platforms into a layout, and a lock of it that says what its files do not."""
    index = add_index(store)
    write_layout(root / "base", entries=[(index, "python-3.11")], store=store)
    platforms = {}
    for manifest in parse_index(store.read(index.digest)).manifests:
        assert manifest.platform is not None
        config = parse_manifest(store.read(manifest.digest)).config
        platforms[manifest.platform] = BasePlatform(
            manifest=manifest.digest,
            config=config.digest,
            size=manifest.size,
            links={},
            directories=(),
            distributions=(),
        )
    base = BaseImage(
        name="python-3.11",
        image="oci:base:python-3.11",
        index=index.digest,
        python="3.11.2",
        pip=None,
        libc=Libc(family="glibc", major=2, minor=36),
        interpreter=_PYTHON,
        platforms=platforms,
    )
    (root / "base-images.lock.toml").write_text(write_base_lock({base.name: base}), encoding="utf-8")
