"""Hooks run in a process of their own: what they make of a container, what they see, how they fail."""

import os
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from reprobuild.canonical import digest_of
from reprobuild.engines.execution import ExecutionError
from reprobuild.errors import ContentError, MachineError, SpecificationError
from reprobuild.hooks.container import Answer, Question
from reprobuild.hooks.customization import HookFunction, customize
from reprobuild.hooks.operations import (
    CopyDirectory,
    CopyFile,
    Exec,
    NewFile,
    Operation,
    RemoveDirectory,
    RemoveFile,
    SetEntrypoint,
    SetLabel,
    SetUser,
    SetVariable,
    SetWorkdir,
    Source,
)

pytestmark = pytest.mark.anyio

Operations = tuple[Operation, ...]


@dataclass
class Hook:
    """A hook's file, what its questions are answered with, and what was seen."""

    script: Path
    answers: dict[str, Answer | Exception | Callable[[], Answer]] = field(default_factory=dict)
    asked: list[tuple[Operations, Question]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    async def answer(self, operations: Operations, question: Question) -> Answer:
        self.asked.append((operations, question))
        answer = self.answers[question.kind]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    async def run(self, function: HookFunction = "pre_connector_install", *, seconds: float = 30) -> Operations:
        return await customize(
            self.script, function, self.answer, what="source-x: hook", timeout=seconds, listener=self.heard.append
        )


@pytest.fixture
def hook(tmp_path: Path) -> Callable[..., Hook]:
    def made(body: str, **answers: Answer | Exception) -> Hook:
        script = tmp_path / "build_customization.py"
        script.write_text(textwrap.dedent(body))
        return Hook(script, dict(answers))

    return made


@pytest.fixture
def does(hook: Callable[..., Hook]) -> Callable[..., Hook]:
    """Make a hook of a line or several, in an async function where the container is ``c``."""

    def made(body: str, **answers: Answer | Exception) -> Hook:
        inner = textwrap.indent(textwrap.dedent(body), "    ")
        return hook("async def pre_connector_install(c):\n" + inner, **answers)

    return made


def failure(*, code: int | None = 3) -> ExecutionError:
    ends = {"output": "both\n", "stdout": " sought\n", "stderr": "no such thing\n"}
    return ExecutionError("exit code 3", where="source-x: step", hint=None, code=code, **ends)


# Operations


@pytest.mark.parametrize(
    ("calls", "operations"),
    [
        ('with_exec(["a", "b"])', [Exec(args=("a", "b"))]),
        ('with_exec(("a",), skip_entrypoint=True)', [Exec(args=("a",))]),
        ('with_exec(["a"], skip_entrypoint=False)', [Exec(args=("a",), use_entrypoint=True)]),
        ('with_exec(["a"], use_entrypoint=True)', [Exec(args=("a",), use_entrypoint=True)]),
        ('with_exec(["a"], stdin="x\\0", expand=False, no_init=True)', [Exec(args=("a",), stdin="x\0")]),
        ('with_env_variable("A", "é=1")', [SetVariable(name="A", value="é=1")]),
        ('with_env_variable("A", "$B", True)', [SetVariable(name="A", value="$B", expand=True)]),
        ('without_env_variable("A")', [SetVariable(name="A", value=None)]),
        ('with_label("a", "")', [SetLabel(name="a", value="")]),
        ('without_label("a")', [SetLabel(name="a", value=None)]),
        ('with_user("1000:1000")', [SetUser(name="1000:1000")]),
        ("without_user()", [SetUser(name=None)]),
        ('with_workdir("a/b")', [SetWorkdir(path="a/b")]),
        ("without_workdir()", [SetWorkdir(path=None)]),
        ('with_entrypoint(["a"], keep_default_args=True)', [SetEntrypoint(args=("a",))]),
        ("without_entrypoint().without_default_args()", [SetEntrypoint(args=None)]),
        ('with_new_file("/a")', [NewFile(path="/a", contents="")]),
        (
            'with_new_file("/a", contents="x\\n", permissions=0o755, owner="a:b")',
            [NewFile(path="/a", contents="x\n", permissions=0o755, owner="a:b")],
        ),
        ('without_file("/a").without_directory("/b")', [RemoveFile(path="/a"), RemoveDirectory(path="/b")]),
        ('without_files(["/a", "/b"])', [RemoveFile(path="/a"), RemoveFile(path="/b")]),
        (
            'with_file("/a", c.file("/b"), owner="")',
            [CopyFile(path="/a", source=Source(operations=(), path="/b"))],
        ),
        (
            'with_files("/a", [c.directory("/b").file("x"), c.rootfs().file("/y")])',
            [
                CopyFile(path="/a/", source=Source(operations=(), path="/b/x")),
                CopyFile(path="/a/", source=Source(operations=(), path="/y")),
            ],
        ),
        (
            'with_directory("/a", directory=c.with_exec(["m"]).directory("/b").directory("d"), exclude=["*.pyc"])',
            [CopyDirectory(path="/a", source=Source(operations=(Exec(args=("m",)),), path="/b/d"), exclude=("*.pyc",))],
        ),
        ("with_(lambda c: c.without_user())", [SetUser(name=None)]),
    ],
)
async def test_calls_become_operations(does: Callable[..., Hook], calls: str, operations: list[Operation]) -> None:
    assert await does(f"return c.{calls}").run() == tuple(operations)


async def test_operations_know_their_line(does: Callable[..., Hook]) -> None:
    made = await does('c = c.with_user("a")\n\nreturn c.with_exec(["b"])').run()
    assert [operation.line for operation in made] == [2, 4]


async def test_a_container_is_a_value(does: Callable[..., Hook]) -> None:
    assert await does('c.with_user("a")\nc.with_exec(["b"])\nreturn c').run() == ()


@pytest.mark.parametrize(
    "body",
    [
        "MAIN_FILE_NAME = 'other.py'",
        "def post_connector_install(c): return c.with_user('a')",
        "def pre_connector_install(c): return c",
        """
        import dagger
        from dagger import Container, Service
        async def pre_connector_install(c: dagger.Container) -> Container:
            x: Service
            return c
        """,
    ],
)
async def test_a_hook_that_changes_nothing(hook: Callable[..., Hook], body: str) -> None:
    assert await hook(body).run() == ()


async def test_each_function_is_run_alone(hook: Callable[..., Hook]) -> None:
    both = hook("""
        async def pre_connector_install(c): return c.with_user("a")
        async def post_connector_install(c): return c.with_user("b")
    """)
    assert await both.run("post_connector_install") == (SetUser(name="b"),)


async def test_hooks_may_gather_with_asyncio(hook: Callable[..., Hook]) -> None:
    made = hook(
        """
        import asyncio
        async def pre_connector_install(c):
            await asyncio.sleep(0)
            one, two = await asyncio.gather(c.user(), c.workdir())
            return c.with_label(one, two)
        """,
        user="a",
        workdir="/b",
    )
    assert await made.run() == (SetLabel(name="a", value="/b"),)


# Questions


async def test_an_early_await_decides_what_follows(does: Callable[..., Hook]) -> None:
    made = does('me = (await c.with_exec(["whoami"]).stdout()).strip()\nreturn c.with_user(me)', stdout="airbyte\n")
    assert await made.run() == (SetUser(name="airbyte"),)
    assert made.asked == [((Exec(args=("whoami",)),), Question(kind="stdout"))]


@pytest.mark.parametrize(
    ("expression", "question", "answer", "label"),
    [
        ('await c.with_exec(["a"]).stderr()', Question(kind="stderr"), "é\n", "é\n"),
        ('str(await c.with_exec(["a"]).exit_code())', Question(kind="sync"), None, "0"),
        ('await c.file("/a").contents()', Question(kind="contents", name="/a"), "x" * 300_000, "x" * 300_000),
        ('await c.directory("a").file("b").contents()', Question(kind="contents", name="a/b"), "x", "x"),
        ('" ".join(await c.directory("/a").entries("b"))', Question(kind="entries", name="/a/b"), ("c/", "d"), "c/ d"),
        ('str(await c.env_variable("A"))', Question(kind="variable", name="A"), None, "None"),
        (
            '" ".join([await one.name() + await one.value() for one in await c.env_variables()])',
            Question(kind="variables"),
            {"B": "2", "A": "1"},
            "A1 B2",
        ),
        ('await c.label("a")', Question(kind="label", name="a"), "b", "b"),
        ("str(len(await c.labels()))", Question(kind="labels"), {"a": "b"}, "1"),
        ("await c.workdir()", Question(kind="workdir"), "/w", "/w"),
        ("await c.user()", Question(kind="user"), "", ""),
        ('" ".join(await c.entrypoint())', Question(kind="entrypoint"), ("a", "b"), "a b"),
        ("await c.platform()", Question(kind="platform"), "linux/arm64", "linux/arm64"),
        ("await (await c).sync() and 'done'", Question(kind="sync"), None, "done"),
        ('await (await c.file("/a/b")).name()', Question(kind="sync"), None, "b"),
    ],
)
async def test_questions_are_answered(
    does: Callable[..., Hook], expression: str, question: Question, answer: Answer, label: str
) -> None:
    made = does(f'return c.with_label("x", {expression})', **{question.kind: answer})
    assert await made.run() == (SetLabel(name="x", value=label),)
    assert {asked for _, asked in made.asked} == {question}


async def test_a_program_that_fails_can_be_caught(hook: Callable[..., Hook]) -> None:
    made = hook(
        """
        import dagger
        async def pre_connector_install(c):
            try:
                await c.with_exec(["which", "gcc"])
            except dagger.ExecError as error:
                said = f"{error.stdout}, {error.stderr} {error.message}"
                return c.with_label(" ".join(error.command), f"{error.exit_code} {said}")
        """,
        sync=failure(),
    )
    assert await made.run() == (
        SetLabel(name="which gcc", value="3 sought, no such thing source-x: step: exit code 3"),
    )


async def test_a_program_that_fails_and_is_not_caught_is_the_error(does: Callable[..., Hook]) -> None:
    error = failure()
    with pytest.raises(ExecutionError) as raised:
        await does('return await c.with_exec(["false"])', sync=error).run()
    assert raised.value is error


async def test_what_has_no_answer_is_a_query_error(hook: Callable[..., Hook]) -> None:
    text = """
        from dagger import QueryError
        async def pre_connector_install(c):
            try:
                await c.file("/none").contents()
                await c.stdout()
            except QueryError as error:
                return c.with_label("a", str(error))
    """
    assert await hook(text, contents=SpecificationError("no such file")).run() == (
        SetLabel(name="a", value="no such file"),
    )
    made = await hook(text, contents="x").run()
    assert "no program was run" in str(made)


@pytest.mark.parametrize("error", [MachineError("no space"), ContentError("a damaged layer")])
async def test_a_fault_that_is_not_the_hooks_ends_it(does: Callable[..., Hook], error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        await does("try:\n  await c\nexcept Exception:\n  pass\nreturn c", sync=error).run()


# What is not supported, by name


@pytest.mark.parametrize(
    ("call", "name", "hint"),
    [
        ('c.with_mounted_secret("/a", None)', "Container.with_mounted_secret", "tool.reprobuild.secret"),
        ('c.with_secret_variable("A", None)', "Container.with_secret_variable", "tool.reprobuild.secret"),
        ('c.with_mounted_cache("/a", None)', "Container.with_mounted_cache", "copy"),
        ('c.with_service_binding("a", None)', "Container.with_service_binding", "network"),
        ("c.with_exposed_port(1)", "Container.with_exposed_port", "leave it out"),
        ('c.from_("docker.io/library/python")', "Container.from_", "base image"),
        ('await c.publish("a")', "Container.publish", "build -o"),
        ('await c.export("a")', "Container.export", "build"),
        ('c.with_default_args(["a"])', "Container.with_default_args", "with_entrypoint"),
        ("c.with_new_thing()", "Container.with_new_thing", "hooks.md"),
        ('c.with_exec(["a"], redirect_stdout="/b")', "Container.with_exec(redirect_stdout=…)", "shell"),
        ('c.with_exec(["a"], insecure_root_capabilities=True)', "insecure_root_capabilities", "hooks.md"),
        ('c.without_file("/tmp/*.txt")', "patterns in Container.without_file", "rm"),
        ('c.directory("/a").with_new_file("b", "c")', "Directory.with_new_file", "hooks.md"),
        ('c.file("/a").with_timestamps(1)', "File.with_timestamps", "epoch"),
        ('__import__("dagger").dag.http("https://example.com/a")', "dag.http", "tool.reprobuild.input"),
        ('__import__("dagger").dag.set_secret("a", "b")', "dag.set_secret", "tool.reprobuild.secret"),
        ('__import__("dagger").dag.container()', "dag.container", "base"),
        ('__import__("dagger").Connection()', "dagger.Connection", "no engine"),
        ('__import__("dagger").ReturnType.ANY', "dagger.ReturnType.ANY", "hooks.md"),
        ('__import__("dagger").Container()', "dagger.Container", "given"),
    ],
)
@pytest.mark.parametrize("caught", [False, True])
async def test_what_is_not_supported_fails_by_name(
    does: Callable[..., Hook], call: str, name: str, hint: str, *, caught: bool
) -> None:
    body = f"try:\n  {call}\nexcept Exception:\n  pass\nreturn c" if caught else f"return {call}"
    made = does(body)
    with pytest.raises(SpecificationError) as error:
        await made.run()
    assert name in error.value.message
    assert error.value.where == f"{made.script}:{3 if caught else 2}"
    assert hint in (error.value.hint or "")


async def test_an_attribute_that_is_none_is_named(does: Callable[..., Hook]) -> None:
    with pytest.raises(SpecificationError, match=r"Container\.frobnicate"):
        await does("return c.frobnicate()").run()


async def test_copies_of_copies_end(does: Callable[..., Hook]) -> None:
    made = does('for n in range(64):\n  c = c.with_file("/a", c.file("/a"))\nreturn c')
    with pytest.raises(SpecificationError, match="more than 1000 operations"):
        await made.run()


# Mistakes


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        ("return", 2, r"is to return a Container, not None \(is a `return` missing\?\)"),
        ("return 'c'", 2, "is to return a Container, not str"),
        ("return c.stdout()", 2, r"not coroutine \(is an `await` missing\?\)"),
        ("return c.with_user(c.user())", 2, r"with_user: name is to be a str, not coroutine \(is an `await` missing"),
        ("return c.with_exec('ls')", 2, "args is to be a list of str"),
        ("return c.with_exec([])", 2, "args is empty"),
        ("return c.with_exec(['a'], True, use_entrypoint=True)", 2, "contradict"),
        ("return c.with_env_variable('A=B', 'c')", 2, "not a name of a variable"),
        ("return c.with_env_variable('A', 'a\\0b')", 2, "cannot be written"),
        ("return c.with_new_file('/a', 'b', permissions=1 << 20)", 2, "permissions cannot be"),
        ("return c.with_new_file('/a', 'b', permissions='755')", 2, "permissions is to be an int"),
        ("return c.with_workdir('')", 2, "path is empty"),
        ("return c.with_file('/a', '/b')", 2, "source is to be a File, not str"),
        ("return c.directory('/a').file('../b')", 2, "leads out of the directory"),
        ("raise ValueError('so it is')", 2, r"raised ValueError: so it is\n  line 2, in pre_connector_install: raise"),
        ("def f():\n  1 / 0\nf()", 3, r"raised ZeroDivisionError.*\n  line 4, in pre_con.*\n  line 3, in f: 1 / 0"),
        ("import sys\nsys.exit(3)", 3, "raised SystemExit: 3"),
        ("import requests", 2, "imports requests, which is not there"),
        ("import reprobuild", 2, "imports reprobuild, which is not there"),
        ("import anyio.abc", 2, "imports anyio, which is not there"),
        ("def f(): f()\nf()", 2, "raised RecursionError"),
    ],
)
@pytest.mark.filterwarnings("default")
async def test_mistakes_are_told_with_their_line(does: Callable[..., Hook], body: str, line: int, message: str) -> None:
    made = does(body)
    with pytest.raises(SpecificationError, match=message) as error:
        await made.run()
    assert error.value.where is not None
    assert error.value.where.startswith(str(made.script))
    assert error.value.hint
    # What a hook returns is looked at after it has ended: that has no line.
    assert error.value.where.endswith(f":{line}") or "is to return" in error.value.message


@pytest.mark.parametrize(
    ("body", "where", "message"),
    [
        ("def pre_connector_install(c:\n", ":1", "is not Python"),
        ("\n\nimport numpy\n", ":3", "imports numpy"),
        ("from dagger.mod import x", ":1", r"imports dagger\.mod"),
        ("pre_connector_install = 3", "", "is not a function"),
        ("x = '\0'", "", "null bytes"),
        ("# coding: nonsense\n", "", "unknown encoding"),
    ],
)
async def test_files_that_cannot_be_run(hook: Callable[..., Hook], body: str, where: str, message: str) -> None:
    made = hook(body)
    with pytest.raises(SpecificationError, match=message) as error:
        await made.run()
    assert error.value.where is not None
    assert error.value.where.startswith(f"{made.script}{where}")


async def test_a_file_that_is_another_now(hook: Callable[..., Hook]) -> None:
    made = hook("")
    arguments = {"what": "x", "timeout": 30, "listener": made.heard.append}
    digest = digest_of(b"")
    assert await customize(made.script, "pre_connector_install", made.answer, digest=digest, **arguments) == ()
    made.script.write_text("import os")
    with pytest.raises(SpecificationError, match="was changed"):
        await customize(made.script, "pre_connector_install", made.answer, digest=digest, **arguments)


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MachineError):
        await Hook(tmp_path / "none.py").run()


async def test_another_encoding_is_read_as_python_reads_it(tmp_path: Path) -> None:
    script = tmp_path / "build_customization.py"
    script.write_bytes(b"# coding: latin-1\ndef pre_connector_install(c): return c.with_label('a', '\xe9')\n")
    assert await Hook(script).run() == (SetLabel(name="a", value="é"),)


# Surroundings


async def test_the_environment_is_the_same_everywhere(
    does: Callable[..., Hook], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "LC_ALL", "PYTHONPATH", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "/leak")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.umask = os.umask(0o077)  # type: ignore[attr-defined]
    try:
        made = await does(
            """
            import os, sys, time
            print(*sorted({"b", "a", "c", "d"}, key=hash), file=sys.stderr)
            umask = os.umask(0)
            for name, value in os.environ.items():
                c = c.with_env_variable(name, value)
            values = [os.getcwd(), oct(umask), sys.stdin.read(), time.tzname[0], __file__, hash("a")]
            return c.with_label("seen", " ".join(map(str, values)))
            """
        ).run()
    finally:
        os.umask(monkeypatch.umask)  # type: ignore[attr-defined]
    names = [operation.name for operation in made if isinstance(operation, SetVariable)]
    assert names == ["HOME", "LANG", "PATH", "PYTHONHASHSEED", "TZ"]
    seen = made[-1]
    assert isinstance(seen, SetLabel)
    assert seen.value is not None
    assert seen.value.startswith("/ 0o22  UTC build_customization.py ")
    assert "leak" not in str(made)


async def test_hooks_are_the_same_twice(does: Callable[..., Hook]) -> None:
    made = does(
        'return c.with_label("a", " ".join({"x", "y", "z", "q"} | set(dir(c)))).with_label("b", str(hash("a")))'
    )
    assert await made.run() == await made.run()


async def test_variables_that_are_not_there_are_told(hook: Callable[..., Hook]) -> None:
    made = hook(
        """
        import os
        from os import environ, getenv
        async def pre_connector_install(c):
            assert "HTTP_PROXY" not in environ and getenv("HTTP_PROXY") is None and os.environ.get("A", "b") == "b"
            return c.with_env_variable("B", os.environ["B"])
        """
    )
    with pytest.raises(SpecificationError, match="asks the environment for B, which is not there") as error:
        await made.run()
    assert "`env` in [tool.reprobuild]" in (error.value.hint or "")
    assert [line.split(" asked for ")[1].split(":")[0] for line in made.heard] == ["HTTP_PROXY", "A", "B"]
    assert all("hooks do not see the environment of this machine" in line for line in made.heard)


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ('import subprocess; subprocess.run(["id"])', "subprocess", "with_exec"),
        ('import os; os.system("id")', r"os\.system", "with_exec"),
        ("import os; os.fork()", r"os\.fork", "with_exec"),
        ('import urllib.request; urllib.request.urlopen("http://127.0.0.1:9/")', "socket", "input"),
        ('open("/etc/hostname").read()', "cannot read /etc/hostname", "input"),
        ('import os; os.listdir("/")', "cannot read /", "input"),
        ("import os; os.listdir()", r"cannot read \.", "input"),
        ('open("/tmp/reprobuild-left", "w")', "cannot write /tmp/reprobuild-left", "with_new_file"),
        ("import tempfile; tempfile.mkdtemp()", r"os\.mkdir|cannot write", "with_new_file"),
        ("import os; os.open(os.__file__, os.O_RDWR)", "cannot write", "with_new_file"),
        ('import os; open(os.path.dirname(os.__file__) + "/../../../../../../../etc/passwd")', "cannot read", "input"),
        ("import socket; socket.gethostname()", "gethostname", "machine"),
        ("import ctypes; ctypes.CDLL(None)", "dlopen", "with_exec"),
    ],
)
async def test_the_machine_is_out_of_reach(does: Callable[..., Hook], body: str, message: str, hint: str) -> None:
    caught = "\n".join(["try:", f"  {body}", "except Exception:", "  pass", "return c"])
    for text in (body, caught):
        with pytest.raises(SpecificationError, match=message) as error:
            await does(text).run()
        assert hint in (error.value.hint or "")
    assert not await anyio.Path("/tmp/reprobuild-left").exists()


async def test_what_python_brings_can_be_imported(does: Callable[..., Hook]) -> None:
    made = does(
        """
        import base64, collections, csv, dataclasses, datetime, decimal, email.message, enum, functools, hashlib
        import inspect, itertools, json, logging, os.path, pathlib, pprint, re, shlex, string, textwrap, tomllib
        import typing, urllib.parse, uuid, xml.etree.ElementTree
        logging.basicConfig(level=logging.INFO)
        logging.getLogger(__name__).info("heard")
        return c.with_label("a", hashlib.sha256(b"").hexdigest()[:4])
        """
    )
    assert await made.run() == (SetLabel(name="a", value="e3b0"),)
    assert made.heard == ["INFO:build_customization:heard"]


async def test_what_a_hook_prints_is_heard_line_by_line(does: Callable[..., Hook]) -> None:
    made = does(
        """
        import sys
        print("one\\ntwo", end="")
        print("é", file=sys.stderr)
        sys.stdout.write("x" * 20_000 + "\\nend")
        return c
        """
    )
    await made.run()
    assert made.heard[:2] == ["one", "twoé"]
    assert max(map(len, made.heard)) <= 1 << 13
    assert made.heard[-1] == "end"


async def test_a_hook_that_takes_too_long_is_ended(does: Callable[..., Hook]) -> None:
    started = time.monotonic()
    with pytest.raises(ExecutionError, match=r"did not end within 0\.5 seconds") as error:
        await does('print("so far")\nwhile True: pass').run(seconds=0.5)
    assert error.value.code is None
    assert error.value.output == "so far"
    assert error.value.where == "source-x: hook"
    assert "timeout" in (error.value.hint or "")
    assert time.monotonic() - started < 10


async def test_time_spent_on_answers_is_not_the_hooks(
    does: Callable[..., Hook], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = 0

    def answer() -> Answer:
        nonlocal passed
        passed += 100
        return "b"

    monkeypatch.setattr("reprobuild.hooks.customization.monotonic", lambda: time.monotonic() + passed)
    made = does("return c.with_label(await c.user(), await c.user())", user=answer)
    assert await made.run(seconds=50) == (SetLabel(name="b", value="b"),)


async def test_a_hook_ends_with_the_task_that_waits_for_it(does: Callable[..., Hook]) -> None:
    asked = anyio.Event()
    made = does("import os\nprint(os.getpid(), flush=True)\nawait c\nwhile True: pass", sync=asked.set)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(made.run)
            await asked.wait()
            group.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int(made.heard[0]), 0)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('import os\nprint("last words", flush=True)\nos._exit(3)', "Python ended before it returned.*\n  last words"),
        ("import os, sys\nos.write(int(sys.argv[1]), b'garbage\\n')", "Python ended before it returned"),
        ('import os, sys\nos.write(int(sys.argv[1]), b\'{"kind":"done"}\\n\')', "Python ended before it returned"),
        (
            'import os, sys\nos.write(int(sys.argv[1]), b\'{"kind":"ask","question":["x",""],"operations":[]}\\n\')',
            "Python ended before it returned",
        ),
    ],
)
async def test_a_process_that_goes_wrong(does: Callable[..., Hook], body: str, message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        await does(body).run()


async def test_operations_that_no_hook_can_make_are_refused(does: Callable[..., Hook]) -> None:
    body = 'import os, sys\nos.write(int(sys.argv[1]), b\'{"kind":"done","operations":[{"kind":"boom"}]}\\n\')'
    with pytest.raises(ContentError, match="not a container operation: 'boom'"):
        await does(body).run()
