"""Ctrl-C, kill -9 and two runs at once: nothing half-written, and the next run ends well with the same digest."""

import itertools
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.endtoend.workspace import CONNECTOR, Built, Workspace, check_blobs, leftovers, wheels
from tests.resolver.loopback_index import LoopbackIndex

CRASH = Path(__file__).parent / "crash"
SIGNALS = {"kill": (signal.SIGKILL, -signal.SIGKILL), "ctrl-c": (signal.SIGINT, 130)}
"""How a command is ended, and the exit code that this gives."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command that changes something, and what is *emptied* first so that it has all to do."""

    command: tuple[str, ...]
    emptied: tuple[str, ...] = ()


CASES = {
    "lock update": Case(command=("lock", "update")),
    "fetch": Case(command=("fetch",), emptied=("store", "workspace/lock/wheels")),
    "build": Case(command=("build", CONNECTOR, "--output", "oci:../images", "--offline"), emptied=("store",)),
}


@pytest.fixture(scope="module")
def states(workspace: Workspace, built: Built, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    """The lock files' bytes before and after `lock update`, which changes both of them."""
    copy = prepared(CASES["lock update"], workspace, tmp_path_factory.mktemp("updated"))
    copy.must("lock", "update")
    states = [workspace.locks(), copy.locks()]
    assert len(states[0]) == 2
    assert all(states[0][name] != states[1][name] for name in states[0])
    return states


def prepared(case: Case, workspace: Workspace, folder: Path) -> Workspace:
    """Return a copy of *workspace* in *folder* in which the command of *case* has everything to do."""
    copy = workspace.copy(folder, store=workspace.store)
    for name in case.emptied:
        shutil.rmtree(folder / name)
    if case.command[0] == "lock":
        for name, old, new in (
            ("pyproject.toml", 'pip = "25.3"', 'pip = "25.4"'),
            (f"connectors/{CONNECTOR}/pyproject.toml", '"greeting"', '"greeting<1.1"'),
        ):
            text = (copy.root / name).read_text()
            assert old in text
            copy.write({name: text.replace(old, new)})
    return copy


def check_whole(copy: Workspace, states: list[dict[str, bytes]]) -> None:
    """Fail if there is a part of anything: a lock file, a blob of the store or of a layout, a wheel."""
    for name, data in copy.locks().items():
        assert any(data == state[name] for state in states), f"{name} is neither the old one nor the new one"
    check_blobs(copy.store)
    check_blobs(copy.folder / "images")
    known = wheels()
    for path in (copy.root / "lock" / "wheels").glob("*.whl"):
        assert path.read_bytes() == known[path.name]


def check_end(case: Case, copy: Workspace, states: list[dict[str, bytes]], built: Built) -> None:
    """Fail unless the command of *case*, run again, ends as if nothing had happened before."""
    copy.must(*case.command)
    check_whole(copy, states)
    if case.command[0] == "lock":
        assert copy.locks() == states[1]
        assert copy.build("--offline").outcomes == {"new"}
    else:
        assert copy.locks() == states[0]
        assert copy.build("--offline") == built


def crashing(number: signal.Signals, rename: int) -> dict[str, str]:
    """Return the environment for a signal right before a rename; see tests/endtoend/crash."""
    path = os.pathsep.join([str(CRASH), str(CRASH.parents[2])])
    return {"PYTHONPATH": path, "ENDTOEND_SIGNAL": str(int(number)), "ENDTOEND_RENAME": str(rename)}


@pytest.mark.parametrize("name", CASES)
def test_a_command_killed_again_and_again_ends_well(
    name: str, workspace: Workspace, built: Built, states: list[dict[str, bytes]], tmp_path: Path
) -> None:
    """Each run is killed at a later commit than the one before, until one has fewer than that."""
    case = CASES[name]
    copy = prepared(case, workspace, tmp_path)
    killed = 0
    for rename in itertools.count(1, 2):
        done = copy.run(*case.command, environ=crashing(signal.SIGKILL, rename))
        check_whole(copy, states)
        if done.code == 0:
            break
        assert done.code == -signal.SIGKILL, done.err
        killed += 1
    assert killed >= 2
    copy.must("store", "verify")
    check_end(case, copy, states, built)


@pytest.mark.parametrize("rename", [1, 4])
@pytest.mark.parametrize("name", CASES)
def test_a_command_that_is_interrupted_cleans_up(
    name: str, rename: int, workspace: Workspace, built: Built, states: list[dict[str, bytes]], tmp_path: Path
) -> None:
    case = CASES[name]
    copy = prepared(case, workspace, tmp_path)
    done = copy.run(*case.command, environ=crashing(signal.SIGINT, rename))
    assert (done.code, done.out) == (130, "")
    assert done.err.splitlines()[-1] == "interrupted: what is finished is kept, nothing is half-written"
    assert "Traceback" not in done.err
    assert leftovers(copy.folder) == []
    check_whole(copy, states)
    check_end(case, copy, states, built)


@pytest.fixture
def stalled(index: LoopbackIndex) -> Iterator[None]:
    """The index does not answer for the last of its wheels until the test has ended."""
    over = threading.Event()

    def stall(_request: BaseHTTPRequestHandler, _data: bytes) -> bool:
        over.wait(60)
        return False

    index.faults.update(dict.fromkeys(index.files, stall))
    yield
    over.set()
    index.faults.clear()


MOMENTS = {
    "lock update, while wheels come": (("lock", "update"), "fetching 1 wheels: started"),
    "fetch, while wheels come": (("fetch",), "fetching 5 wheels: started"),
    "build, while wheels come": (("build", CONNECTOR), "fetching 5 wheels: started"),
}


@pytest.mark.parametrize("how", SIGNALS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_while_the_index_is_silent(
    moment: str,
    how: str,
    stalled: None,
    index: LoopbackIndex,
    workspace: Workspace,
    built: Built,
    states: list[dict[str, bytes]],
    tmp_path: Path,
) -> None:
    (command, line), (number, code) = MOMENTS[moment], SIGNALS[how]
    case = Case(command=command, emptied=("store", "workspace/lock/wheels") if command != ("lock", "update") else ())
    copy = prepared(case, workspace, tmp_path)
    end_at(copy, command, line, number, code)
    check_whole(copy, states)
    index.faults.clear()
    check_end(case, copy, states, built)


WORKING = {
    "fetch, while the base comes": (CASES["fetch"], "fetching python-3.11: started"),
    "build, while layers are made": (CASES["build"], "wheel layers: started"),
    "build, while the base comes": (CASES["build"], "fetching python-3.11: started"),
}


@pytest.mark.parametrize("how", SIGNALS)
@pytest.mark.parametrize("moment", WORKING)
def test_a_signal_in_the_middle_of_work(
    moment: str, how: str, workspace: Workspace, built: Built, states: list[dict[str, bytes]], tmp_path: Path
) -> None:
    (case, line), (number, code) = WORKING[moment], SIGNALS[how]
    copy = prepared(case, workspace, tmp_path)
    end_at(copy, case.command, line, number, code)
    check_whole(copy, states)
    check_end(case, copy, states, built)


def end_at(copy: Workspace, command: tuple[str, ...], line: str, number: signal.Signals, code: int) -> None:
    """Start *command* and end it with the signal *number* when it says *line*."""
    with copy.start(*command) as process:
        assert process.stderr is not None
        said: list[str] = []
        for text in process.stderr:
            said.append(text)
            if text.startswith(line):
                break
        process.send_signal(number)
        out, err = process.communicate()
    assert process.returncode == code, "".join([*said, err])
    assert out == ""
    if number is signal.SIGINT:
        assert leftovers(copy.folder) == []


@pytest.mark.parametrize("name", ["fetch", "build"])
def test_runs_at_once_share_an_empty_store(
    name: str, workspace: Workspace, built: Built, states: list[dict[str, bytes]], tmp_path: Path
) -> None:
    """Three runs: two in one workspace, one in another."""
    case = CASES[name]
    one, other = (prepared(case, workspace, tmp_path / name) for name in ("one", "other"))
    store = {"REPROBUILD_STORE": str(one.store)}
    runs = [copy.start(*case.command, environ=store) for copy in (one, one, other)]
    ends = [(run.communicate(), run.returncode) for run in runs]
    assert [code for _, code in ends] == [0, 0, 0], ends
    assert len({out for (out, _), _ in ends}) == 1
    for copy in (one, other):
        check_whole(copy, states)
        assert leftovers(copy.folder) == []
        assert copy.build("--offline", environ=store) == built
    one.must("store", "verify")
