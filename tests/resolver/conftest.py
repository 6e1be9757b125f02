"""Fixtures of the resolver's suite."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.resolver.loopback_index import LoopbackIndex, serving


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which uv knows this Python already, and nothing else: finding out takes most of a small answer."""
    cache = tmp_path_factory.mktemp("uv-cache")
    command = [find_uv_bin(), "pip", "compile", "-", "--no-index", "--python", sys.executable]
    subprocess.run(command, input=b"", env={**os.environ, "UV_CACHE_DIR": str(cache)}, capture_output=True, check=True)
    return cache


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uv_cache: Path) -> Iterator[LoopbackIndex]:
    """An empty package index on loopback, the only one that uv knows."""
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_")):
            monkeypatch.delenv(name)
    shutil.copytree(uv_cache, tmp_path / "uv-cache")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving() as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.url}/simple")
        yield index


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a workspace, empty."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder
