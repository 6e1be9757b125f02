"""The options for every command, and what becomes of what goes wrong."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import reprobuild
from reprobuild.cli.failure import report
from reprobuild.cli.settings import Color, Settings
from reprobuild.errors import AuthenticationError, ContentError, LockError, MachineError, NetworkError
from tests.cli.conftest import Command
from tests.cli.project import Project, environment

COMMANDS = (
    (),
    ("init",),
    ("lock",),
    ("lock", "update"),
    ("lock", "outdated"),
    ("fetch",),
    ("build",),
    ("store",),
    ("store", "info"),
    ("store", "path"),
    ("store", "verify"),
    ("doctor",),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_of_every_command_says_what_it_does(command: Command, words: tuple[str, ...]) -> None:
    done = command(*words, "--help")
    assert done.code == 0
    assert done.out.startswith(f"Usage: {' '.join(('reprobuild', *words))} ")
    assert "--help" in done.out
    assert done.err == ""


def test_help_without_a_command_is_a_usage_error(command: Command) -> None:
    done = command()
    assert done.code == 2
    assert all(word in done.out for word in ("init", "lock", "fetch", "build", "store", "doctor"))


def test_version(command: Command) -> None:
    assert command("--version").out == f"reprobuild {reprobuild.__version__}\n"


def test_commands_of_later_are_not_there(command: Command) -> None:
    for word in ("check", "verify", "diff", "push", "pull", "analyze"):
        assert command(word).code == 2


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["buidl"], "no such command 'buidl'. Did you mean 'build'?", "see `reprobuild --help`"),
        (["lock"], "missing command", "see `reprobuild lock --help`"),
        (["build", "--nope"], "no such option: --nope", "see `reprobuild build --help`"),
        (["build", "-v"], "no such option: -v", "options for every command go before it: reprobuild -v …"),
        (["--color", "blue", "doctor"], "'blue' is not one of", "see `reprobuild --help`"),
        (["-C", "nowhere", "build"], "there is no folder 'nowhere'", "see `reprobuild --help`"),
        (["build", "--all", "one"], "it is every connector already", "see `reprobuild build --help`"),
        (["lock", "update", "--check", "-U"], "it resolves nothing", "see `reprobuild lock update --help`"),
    ],
)
def test_usage_errors_name_the_fault_and_the_next_step(
    command: Command, arguments: list[str], message: str, hint: str
) -> None:
    done = command(*arguments)
    assert (done.code, done.out) == (2, "")
    first, second = done.err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert second == f"hint: {hint}"


def test_no_workspace_is_an_error_with_a_hint(command: Command) -> None:
    done = command("build")
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert "hint: " in done.err


def test_directory_is_where_a_command_works(built: Project, tmp_path: Path) -> None:
    for options, environ in ((["-C", str(built.root)], {}), ([], {"REPROBUILD_DIRECTORY": str(built.root)})):
        done = built.run(*options, "lock", "update", "--check", cwd=tmp_path, **environ)
        assert (done.code, done.out) == (0, "the locks fit the specification\n")


def test_a_workspace_is_found_from_below(built: Project) -> None:
    assert built.run("lock", "update", "--check", cwd=built.root / "lock").code == 0


@pytest.mark.parametrize(
    ("options", "environ", "colored"),
    [
        ([], {}, False),
        (["--color", "always"], {}, True),
        ([], {"REPROBUILD_COLOR": "always"}, True),
        ([], {"REPROBUILD_COLOR": "always", "NO_COLOR": "1"}, True),
        (["--color", "never"], {"REPROBUILD_COLOR": "always"}, False),
    ],
)
def test_color(built: Project, options: list[str], environ: dict[str, str], colored: bool) -> None:
    done = built.run(*options, "build", "source-one", **environ)
    assert done.code == 0
    assert ("\x1b[32mverified\x1b[0m" in done.out) is colored
    assert ("\x1b" in done.out) is colored


def test_a_faulty_variable_is_named(command: Command) -> None:
    assert "REPROBUILD_COLOR" in command("doctor", REPROBUILD_COLOR="blue").err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (LockError("stale", where="a.toml", hint="lock it"), 2, "error: a.toml: stale\nhint: lock it\n"),
        (ContentError("other bytes"), 1, "error: other bytes\n"),
        (NetworkError("gone"), 3, "error: gone\n"),
        (AuthenticationError("who?"), 4, "error: who?\n"),
        (MachineError("full"), 3, "error: full\n"),
        (KeyboardInterrupt(), 130, "interrupted: what is finished is kept, nothing is half-written\n"),
        (BrokenPipeError(), 141, ""),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 3, "error: /x: No space left on device\nhint: free"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 3, "error: /x: Permission denied\nhint: check"),
        (MemoryError(), 3, "error: there is not enough memory\n"),
        (ZeroDivisionError("oops"), 2, "error: ZeroDivisionError: oops\nhint: this is a fault of reprobuild's"),
        (ContentError("an \x1b[2J escape"), 1, "error: an \\x1b[2J escape\n"),
    ],
)
def test_errors_become_words_and_exit_codes(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error, Settings()) == code
    assert capsys.readouterr().err.startswith(words)


def test_errors_of_tasks_side_by_side_are_told_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    inner = ExceptionGroup("", [NetworkError("one"), LockError("two", hint="do")])
    assert report(ExceptionGroup("", [NetworkError("one"), inner]), Settings()) == 3
    assert capsys.readouterr().err == "error: one\nerror: two\nhint: do\n"


def test_an_interrupt_among_errors_is_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(BaseExceptionGroup("", [NetworkError("one"), KeyboardInterrupt()]), Settings()) == 130
    assert "one" not in capsys.readouterr().err


def test_verbose_says_where_an_error_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise NetworkError("one") from OSError("the cause")
    except NetworkError as error:
        report(error, Settings(verbose=True, color=Color.ALWAYS))
    told = capsys.readouterr().err
    assert "\x1b[1;31merror:\x1b[0m one" in told
    assert "OSError: the cause" in told
    assert "Traceback" in told


@pytest.fixture
def to(tmp_path: Path) -> Callable[[int], subprocess.CompletedProcess[bytes]]:
    """Run a command that prints a line, with stdout going to a file descriptor."""
    (tmp_path / "home").mkdir()
    arguments = [sys.executable, "-m", "reprobuild", "store", "path"]
    return lambda stdout: subprocess.run(
        arguments, env=environment(tmp_path), stdout=stdout, stderr=subprocess.PIPE, check=False
    )


def test_a_reader_that_stops_is_no_error(to: Callable[[int], subprocess.CompletedProcess[bytes]]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = to(writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_results_that_cannot_be_written_are_an_error(to: Callable[[int], subprocess.CompletedProcess[bytes]]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = to(full.fileno())
    assert done.returncode == 3
    assert b"No space left on device" in done.stderr


def test_a_process_without_stdout_works(tmp_path: Path) -> None:
    command = ["sh", "-c", 'exec "$0" -m reprobuild store path >&- 2>&-', sys.executable]
    assert subprocess.run(command, env=environment(tmp_path), check=False).returncode == 0
