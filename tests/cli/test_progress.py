"""Progress on a terminal, elsewhere, and not at all."""

import os
import pty
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reprobuild.cli.bars import Bars
from reprobuild.cli.output import duration, plain, size
from reprobuild.cli.progress import amount, open_display
from reprobuild.cli.settings import Settings
from tests.cli.project import Project


def test_elsewhere_a_step_is_a_line_at_its_start_and_one_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    with open_display(Settings()) as display:
        task = display.task("fetching wheels", 2_000_000)
        task.advance(1_500_000)
        task.advance(-500_000)
        task.finish()
        display.task("thinking", unit="thoughts").finish("gave up")
        display.note("a note")
        display.warn("look here")
    out, err = capsys.readouterr()
    assert out == ""
    assert "\r" not in err
    assert "\x1b" not in err
    lines = err.splitlines()
    assert lines[0] == "fetching wheels: started, 2.0 MB"
    assert lines[1].startswith("fetching wheels: done, 1.0 MB in ")
    assert lines[2] == "thinking: started"
    assert lines[3].startswith("thinking: gave up in ")
    assert lines[4:] == ["a note", "warning: look here"]


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with open_display(Settings(quiet=True)) as display:
        display.task("x", 1).finish()
        display.note("x")
        display.warn("x")
    assert capsys.readouterr() == ("", "")


def test_quiet_leaves_results(built: Project) -> None:
    done = built.run("--quiet", "build", "source-one")
    assert done.out.count("verified") == 2
    assert done.err == ""
    assert built.run("store", "verify", REPROBUILD_QUIET="1").err == ""


def test_threads_may_share_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    with open_display(Settings()) as display:
        task = display.task("x", unit="steps")
        threads = [threading.Thread(target=lambda: [task.advance(1) for _ in range(1000)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        task.finish()
    assert "8000 steps" in capsys.readouterr().err


@contextmanager
def _terminal() -> Iterator[tuple[int, list[bytes]]]:
    """Yield a terminal to write to, and what has been written when the block has ended."""
    master, slave = pty.openpty()
    written: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(master, 65536):
                written.append(data)
        except OSError:
            return  # How Linux says that nobody has the terminal open any more.

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield slave, written
    finally:
        os.close(slave)
        reader.join()
        os.close(master)


def test_on_a_terminal_there_are_bars_on_stderr_only(locked: Project) -> None:
    with _terminal() as (terminal, written):
        process = locked.start("build", "--all", stderr=terminal, TERM="xterm-256color")
        out, _ = process.communicate()
    told = b"".join(written).decode()
    assert process.returncode == 0
    assert "wheel layers: done, 2 wheels in " in told
    assert told.count("\x1b[?25l") == told.count("\x1b[?25h") > 0  # The cursor was hidden and came back.
    assert out.count("new  ") == 4
    assert "\x1b" not in out


def test_a_dumb_terminal_gets_lines(locked: Project) -> None:
    with _terminal() as (terminal, written):
        process = locked.start("build", "--all", stderr=terminal, TERM="dumb")
        process.communicate()
    assert process.returncode == 0
    assert b"wheel layers: started" in b"".join(written)
    assert b"\x1b" not in b"".join(written)


def test_bars_may_overlap_end_and_begin_again(capsys: pytest.CaptureFixture[str]) -> None:
    bars = Bars(Settings())
    one, two = bars.task("one", 10), bars.task("two", None, unit="steps")
    one.advance(10)
    bars.note("note")
    one.finish()
    one.finish()
    two.advance(3)
    two.finish("enough")
    bars.task("three").finish()
    bars.task("never ends")
    bars.close()
    bars.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert "one: done, 10 B in " in err
    assert "two: enough, 3 steps in " in err
    assert "three: done in " in err
    assert err.count("\x1b[?25l") == err.count("\x1b[?25h") > 0


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (41_300_000, "41.3 MB"),
        (999_960, "1.0 MB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert size(count) == text


def test_other_words_for_people() -> None:
    assert [duration(seconds) for seconds in (0, 59.94, 59.96, 125.2)] == [
        "0.0 s",
        "59.9 s",
        "1 min 00 s",
        "2 min 05 s",
    ]
    assert amount(3, "wheels") == "3 wheels"
    assert plain("a\x1b[31m\r\n\tb\u202e") == "a\\x1b[31m\\r\n\tb\\u202e"


def test_output_to_a_pipe_has_no_carriage_returns(locked: Project) -> None:
    process = locked.start("build", "--all", stderr=subprocess.PIPE)
    _, err = process.communicate()
    assert "wheel layers: started, 2 wheels" in err.splitlines()
    assert "\r" not in err
