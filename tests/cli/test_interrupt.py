"""Ctrl-C, SIGTERM and kill -9 while a command works: nothing half-written, and the exit code says so."""

import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.cli.project import Project


@pytest.fixture
def stalled(fresh: Project) -> Iterator[Project]:
    """A project whose index does not answer for one wheel until the test has ended."""
    over = threading.Event()

    def stall(_request: BaseHTTPRequestHandler, _body: bytes) -> bool:
        over.wait(30)
        return False

    for file in fresh.index.files:
        fresh.index.faults[file] = stall
    yield fresh
    over.set()


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_interrupted_leaves_with_130_and_nothing_half_written(
    stalled: Project, number: signal.Signals
) -> None:
    before = _files(stalled.root)
    process = stalled.start("lock", "update")
    assert process.stderr is not None
    assert "connectors: started" in process.stderr.readline()
    process.send_signal(number)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted: what is finished is kept, nothing is half-written"
    assert "Traceback" not in err
    assert _files(stalled.root) == before
    assert list((stalled.store.root / "tmp").glob("*")) == []


def test_a_download_that_is_interrupted_leaves_nothing_in_the_store(stalled: Project) -> None:
    process = stalled.start("lock", "update")
    assert process.stderr is not None
    while "fetching" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    assert [path for path in stalled.store.root.rglob("*") if path.is_file() and "blobs" in path.parts] == []
    assert list((stalled.store.root / "tmp").glob("*")) == []


def test_a_command_that_is_killed_can_be_run_again(stalled: Project) -> None:
    process = stalled.start("lock", "update")
    assert process.stderr is not None
    process.stderr.readline()
    process.kill()
    process.communicate()
    stalled.index.faults.clear()
    assert stalled.run("lock", "update").code == 0
    assert stalled.run("build", "--all").code == 0
    assert stalled.run("store", "verify").code == 0
