"""Two commands build, one collects garbage, one of them is killed, a hundred times over: the store stays right."""

import json
import multiprocessing
import random
import shutil
import signal
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import Project, project
from tests.endtoend.forked import command
from tests.endtoend.workspace import check_blobs

ROUNDS = 100
_PATIENCE = 300
BUILD = ("build", "--all", "--offline", "--json")
COLLECT = ("store", "gc", "--keep-days", "0")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose locks record no outputs, so that a collection takes the images; its wheels are in lock/wheels."""
    with project(tmp_path_factory.mktemp("shared")) as made:
        for arguments in (("lock", "update"), ("fetch",)):
            done = made.run(*arguments)
            assert done.code == 0, done.err
        yield made


class Commands:
    """Commands in the project, each in a process of its own, with what they said."""

    def __init__(self, made: Project, folder: Path) -> None:
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["tests.endtoend.forked"])
        self._project, self._folder, self._count = made, folder, 0

    def start(self, *arguments: str) -> tuple[ForkServerProcess, Path]:
        self._count += 1
        output = self._folder / f"{self._count}.txt"
        values = (list(arguments), dict(self._project.environ), self._project.root, output)
        process = self._processes.Process(target=command, args=values)
        process.start()
        return process, output

    def must(self, *arguments: str) -> str:
        process, output = self.start(*arguments)
        process.join(_PATIENCE)
        assert process.exitcode == 0, output.read_text()
        return output.read_text()


@pytest.fixture
def commands(shared: Project, tmp_path: Path) -> Commands:
    return Commands(shared, tmp_path)


def digests(output: str) -> Any:
    """Return the digests in what a build said, whatever it had to do for them."""
    return [
        (one["name"], one["index"], [(image["platform"], image["manifest"]) for image in one["images"]])
        for one in json.loads(output[output.index("{") :])["connectors"]
    ]


def test_a_hundred_rounds_of_building_collecting_and_killing(shared: Project, commands: Commands) -> None:
    expected = digests(commands.must(*BUILD))
    chance, killed, longest = random.Random(5), 0, 0.5
    for number in range(ROUNDS):
        if number % 3 == 0:
            # Then nothing is needed: base images and wheels go, too, and come back from where the lock found them.
            shutil.rmtree(shared.store.root / "roots", ignore_errors=True)
        running = [commands.start(*arguments) for arguments in chance.sample([BUILD, BUILD, COLLECT], 3)]
        victim = chance.randrange(3)
        running[victim][0].join(chance.uniform(0, longest))
        running[victim][0].kill()
        for place, (process, output) in enumerate(running):
            process.join(_PATIENCE)
            said = output.read_text() if output.exists() else ""
            if place != victim:
                assert process.exitcode == 0, f"round {number}: {said}"
            if process.exitcode == 0 and said.startswith("{"):
                assert digests(said) == expected, f"round {number}"
        check_blobs(shared.store.root)
        # Anywhere in a command, on a machine of any speed and load: two victims of three are still at work.
        was_killed = running[victim][0].exitcode == -signal.SIGKILL
        killed, longest = killed + was_killed, longest * (1.2 if was_killed else 0.7)
    assert killed >= ROUNDS // 4, "most commands had ended before they could be killed"
    commands.must("store", "verify")
    assert digests(commands.must(*BUILD)) == expected
    commands.must(*COLLECT)
    commands.must("store", "verify")
    assert digests(commands.must(*BUILD)) == expected
    assert json.loads(commands.must("store", "info", "--json"))["leftovers"] == 0
