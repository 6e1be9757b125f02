"""Completion in the shell."""

from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.project import Project


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed(command: Command, shell: str) -> None:
    # Which shell it is for is otherwise told by the processes above, which differ from machine to machine.
    done = command("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.code == 0
    assert "_REPROBUILD_COMPLETE=complete_" in done.out


def test_the_script_is_installed_for_the_shell_of_the_user(command: Command, tmp_path: Path) -> None:
    done = command("--install-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.code == 0
    assert "_REPROBUILD_COMPLETE" in (tmp_path / "home" / ".bash_completions" / "reprobuild.sh").read_text()


def _completed(project: Project, words: str, **environ: str) -> list[str]:
    process = project.start(
        _REPROBUILD_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1), **environ
    )
    out, err = process.communicate()
    assert err == ""
    return out.split()


def test_commands_are_completed(built: Project) -> None:
    assert _completed(built, "reprobuild st") == ["store"]
    assert _completed(built, "reprobuild lock o") == ["outdated"]


@pytest.mark.parametrize("words", ["build", "fetch", "lock update", "lock outdated"])
def test_connectors_are_completed(built: Project, words: str) -> None:
    assert _completed(built, f"reprobuild {words} source-") == ["source-one", "source-two"]


def test_platforms_are_completed(built: Project) -> None:
    assert _completed(built, "reprobuild build --platform linux/ar") == ["linux/arm64"]


def test_the_directory_counts(built: Project) -> None:
    assert _completed(built, f"reprobuild -C {built.root} build source-t") == ["source-two"]
    assert _completed(built, "reprobuild -C / build source-t") == []
