"""What operations make of a container's settings."""

import pytest

from reprobuild.hooks.container import (
    Answer,
    ContainerConfig,
    Question,
    absolute,
    apply_setting,
    argv_of,
    setting_answer,
)
from reprobuild.hooks.operations import Exec, SetEntrypoint, SetLabel, Setting, SetUser, SetVariable, SetWorkdir

START = ContainerConfig(
    env={"PATH": "/bin", "A": "1"}, workdir="/w", user="airbyte", labels={"a": "b"}, entrypoint=("python", "main.py")
)


@pytest.mark.parametrize(
    ("setting", "member", "value"),
    [
        (SetVariable(name="B", value="$A"), "env", {"PATH": "/bin", "A": "1", "B": "$A"}),
        (SetVariable(name="A", value="2"), "env", {"PATH": "/bin", "A": "2"}),
        (SetVariable(name="A", value=None), "env", {"PATH": "/bin"}),
        (SetVariable(name="NONE", value=None), "env", dict(START.env)),
        (
            SetVariable(name="PATH", value="/x:${PATH}:$A-$NONE-$$-100$", expand=True),
            "env",
            {"PATH": "/x:/bin:1--$$-100$", "A": "1"},
        ),
        (SetLabel(name="c", value="d"), "labels", {"a": "b", "c": "d"}),
        (SetLabel(name="a", value=None), "labels", {}),
        (SetUser(name="1000:1000"), "user", "1000:1000"),
        (SetUser(name=None), "user", ""),
        (SetWorkdir(path="/x/../y"), "workdir", "/y"),
        (SetWorkdir(path="sub"), "workdir", "/w/sub"),
        (SetWorkdir(path=None), "workdir", "/"),
        (SetEntrypoint(args=("a",)), "entrypoint", ("a",)),
        (SetEntrypoint(args=None), "entrypoint", ()),
    ],
)
def test_settings_change_one_member(setting: Setting, member: str, value: object) -> None:
    changed = apply_setting(START, setting)
    assert getattr(changed, member) == value
    others = {"env", "workdir", "user", "labels", "entrypoint"} - {member}
    assert all(getattr(changed, other) == getattr(START, other) for other in others)


def test_variables_keep_their_order() -> None:
    assert [*apply_setting(START, SetVariable(name="PATH", value="x")).env] == ["PATH", "A"]


@pytest.mark.parametrize(
    ("workdir", "path", "expected"),
    [
        ("/w", "a", "/w/a"),
        ("/w", "/a/", "/a"),
        ("/w", "../../..", "/"),
        ("", "a", "/a"),
        ("/", "//a", "/a"),
        ("/w", ".", "/w"),
    ],
)
def test_paths_are_seen_from_the_working_directory(workdir: str, path: str, expected: str) -> None:
    assert absolute(ContainerConfig(workdir=workdir), path) == expected


def test_the_entrypoint_stands_before_a_program_that_asks_for_it() -> None:
    assert argv_of(START, Exec(args=("spec",), use_entrypoint=True)) == ("python", "main.py", "spec")
    assert argv_of(START, Exec(args=("id",))) == ("id",)
    assert argv_of(ContainerConfig(), Exec(args=("id",), use_entrypoint=True)) == ("id",)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (Question(kind="variable", name="A"), "1"),
        (Question(kind="variable", name="B"), None),
        (Question(kind="variables"), START.env),
        (Question(kind="label", name="a"), "b"),
        (Question(kind="labels"), START.labels),
        (Question(kind="workdir"), "/w"),
        (Question(kind="user"), "airbyte"),
        (Question(kind="entrypoint"), ("python", "main.py")),
    ],
)
def test_settings_answer(question: Question, answer: Answer) -> None:
    assert setting_answer(START, question) == answer


def test_files_and_programs_do_not_answer_here() -> None:
    with pytest.raises(KeyError):
        setting_answer(START, Question(kind="contents", name="/a"))
