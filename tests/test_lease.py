"""Who is in a store: many at once, or a collector alone; a lock ends with its process."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reprobuild import lease
from reprobuild.errors import MachineError

_HOLD = "import sys; from pathlib import Path; from reprobuild.lease import enter; enter(Path(sys.argv[1]));"
_WAIT = "print('in', flush=True); sys.stdin.read()"


@pytest.fixture(autouse=True)
def _left() -> Iterator[None]:
    yield
    lease.leave()


@contextmanager
def somebody(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that uses the store *root*."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD + _WAIT, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    with process:
        yield process
        process.kill()


def is_in(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == "in\n"


def test_many_use_a_store_and_a_collector_says_who(tmp_path: Path) -> None:
    with somebody(tmp_path) as one, somebody(tmp_path) as other:
        assert is_in(one)
        assert is_in(other)
        with (
            pytest.raises(MachineError, match="the store is in use by process") as caught,
            lease.alone(tmp_path, wait=0),
        ):
            pass
        assert str(one.pid) in caught.value.message
        assert str(other.pid) in caught.value.message
        assert "--wait" in str(caught.value.hint)


def test_whoever_is_killed_is_not_in_any_more(tmp_path: Path) -> None:
    with somebody(tmp_path) as process:
        assert is_in(process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with lease.alone(tmp_path, wait=0):
            assert lease.users(tmp_path) == [one for one in lease.users(tmp_path) if str(os.getpid()) in one]


def test_whoever_comes_waits_for_a_collector_that_is_alone(tmp_path: Path) -> None:
    with lease.alone(tmp_path, wait=0):
        coming = threading.Thread(target=lease.enter, args=(tmp_path,))
        coming.start()
        coming.join(0.05)
        assert coming.is_alive()
    coming.join(10)
    assert not coming.is_alive()
    with pytest.raises(MachineError), lease.alone(tmp_path, wait=0):
        pass
    lease.leave()
    with lease.alone(tmp_path, wait=0):
        pass


def test_a_waiting_collector_holds_nobody_up_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_SPELL", 0.1)
    monkeypatch.setattr(lease, "_PAUSE", 0.3)
    refused: list[MachineError] = []

    def collect() -> None:
        try:
            with lease.alone(tmp_path, wait=3):
                pass
        except MachineError as error:
            refused.append(error)

    with somebody(tmp_path) as first:
        assert is_in(first)
        collecting = threading.Thread(target=collect)
        collecting.start()
        started = time.monotonic()
        with somebody(tmp_path) as second:
            assert is_in(second)
            assert time.monotonic() - started < 2.5
            assert collecting.is_alive()
        # As soon as everybody has left, it is the collector's turn.
        first.kill()
        first.wait()
        collecting.join(10)
    assert refused == []


def test_two_collectors_take_turns(tmp_path: Path) -> None:
    with (
        lease.alone(tmp_path, wait=0),
        pytest.raises(MachineError, match="the store is in use"),
        lease.alone(tmp_path, wait=0.05),
    ):
        pass
    with lease.alone(tmp_path, wait=0):
        pass


def test_a_store_that_cannot_be_written_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    lease.enter(tmp_path / "file" / "store")


def test_to_enter_twice_is_to_be_in_once(tmp_path: Path) -> None:
    lease.enter(tmp_path)
    lease.enter(tmp_path)
    lease.leave()
    with lease.alone(tmp_path, wait=0):
        pass
