"""The Dagger engine without one: what it is asked, what is loaded and said. With one, test_contract.py holds."""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from reprobuild.engines.automatic import AutomaticExecutor, obstacle
from reprobuild.engines.dagger_job import Ending, failure, job_bytes, parse_ending
from reprobuild.engines.execution import Changes, Execution, ExecutionError, Observation
from reprobuild.engines.open import open_executor
from reprobuild.errors import ContentError, MachineError, NetworkError, ReprobuildError, SpecificationError
from reprobuild.image.tree import Node
from reprobuild.oci.types import Platform
from reprobuild.progress import Silent
from reprobuild.store import Store
from tests.engines.after import difference
from tests.engines.dagger_exchanges import RECORDED, Exchanges, played, scenario
from tests.engines.root_filesystem import tiny_root

ENTRY = Path("reprobuild/engines/entry")
HERE = Platform(os="linux", architecture="amd64")
ONE = Execution(what="test: one", platform=HERE, layers=(), argv=("true",), env={"PATH": "/bin"})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


class Shown(Silent):
    """A progress that remembers what it showed."""

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.outcomes: list[str] = []

    def task(self, label: str, total: int | None = None, *, unit: str = "bytes") -> "Shown":
        self.tasks.append(label)
        return self

    def finish(self, outcome: str = "") -> None:
        self.outcomes.append(outcome)


def test_what_is_asked_is_what_was_recorded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Exchanges.load(RECORDED)
    asked: list[str] = []
    said: list[str] = []
    shown = Shown()
    with played(recorded, asked) as port:
        monkeypatch.setenv("DAGGER_SESSION_PORT", str(port))
        monkeypatch.setenv("DAGGER_SESSION_TOKEN", "recorded")
        found = anyio.run(scenario, store, shown, said.append)
    assert sorted(asked) == sorted(recorded.asked), "queries have changed: run scripts/record-dagger"
    assert shown.tasks == ["connecting to the Dagger engine", "handing layers over to the Dagger engine"]
    assert shown.outcomes == ["", ""]
    layers_sent = next(line for line in said if "layers handed over" in line)
    assert layers_sent.startswith("dagger: 2 of 2 layers handed over, ")
    assert re.fullmatch(r"dagger: [0-9]+ bytes sent so far, [0-9]+ received", said[-1])
    assert found["fail"] == "test: program: it ended with exit code 7 (7): about to fail\nit failed\n"
    assert found["missing"] == "test: program: it could not be started: no-such-program is not there (127): "
    layers = tiny_root(store)
    differences = {
        name: difference(layers, seen.changes, store) for name, seen in found.items() if isinstance(seen, Observation)
    }
    assert differences["nothing"] == differences["secret"] == {}
    assert set(differences["write"]) == {"data/file", "data/made", "data/made/file", "data/made/link"}
    assert set(differences["delete"]) == {"data/file", "data/folder/deep", "data/folder/deep/file", "data/link"}
    assert differences["beside"]["inputs"] == Node(kind="directory")
    assert isinstance(found["secret"], Observation)
    assert found["secret"].stdout == "400 1000 1001\nit is *** and hunt\n"


def test_another_query_fails(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Exchanges.load(RECORDED)
    number = next(number for number, one in enumerate(recorded.asked) if "withExec" in one)
    recorded.asked[number] = recorded.asked[number].replace("insecureRootCapabilities: true", "")
    with played(recorded, []) as port:
        monkeypatch.setenv("DAGGER_SESSION_PORT", str(port))
        monkeypatch.setenv("DAGGER_SESSION_TOKEN", "recorded")
        with pytest.raises((ExceptionGroup, Exception), match="Dagger engine"):
            anyio.run(scenario, store)


def test_an_engine_that_is_not_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGGER_SESSION_PORT", raising=False)
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_RUNNER_HOST", "unix:///no/such/socket")
    executor = open_executor("dagger", store)
    with pytest.raises(MachineError, match="no Dagger engine answers") as caught:
        anyio.run(executor.run, replace(ONE, layers=tiny_root(store)))
    assert "--engine embedded" in str(caught.value.hint)


def test_the_first_program_is_what_its_source_says() -> None:
    source = hashlib.sha256((ENTRY / "entry.c").read_bytes()).hexdigest()
    for name in ("amd64", "arm64"):
        data = (ENTRY / f"entry-{name}").read_bytes()
        assert f"source {source}".encode() in data, f"entry-{name} is of another entry.c: run scripts/entry"
        assert data[:4] == b"\x7fELF"


def test_its_limits_are_those_of_the_embedded_engine() -> None:
    from reprobuild.engines import runtime

    source = (ENTRY / "entry.c").read_text()
    for name in (*runtime._CAPABILITIES, *runtime._MASKED, *runtime._READ_ONLY):
        assert name in source
    assert source.count("CAP_") - source.count("PR_CAP_") >= len(runtime._CAPABILITIES)
    assert "limit(RLIMIT_NOFILE, 1024, 4096)" in source


def test_other_engines_load_nothing_of_dagger(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from reprobuild.cli import run\n"
        "from pathlib import Path\n"
        "from reprobuild.store import Store\n"
        "from reprobuild.engines.open import open_executor\n"
        "for words in ('--help', 'build --help', 'lock --help', 'check --help', 'store gc -n'):\n"
        "    try: run(words.split())\n"
        "    except SystemExit: pass\n"
        "for name in ('embedded', 'auto'): open_executor(name, Store(Path(sys.argv[1])))\n"
        "import reprobuild.engines.embedded\n"
        "dagger = {'dagger', 'gql', 'graphql', 'opentelemetry'}\n"
        "loaded = {name for name in sys.modules if name.split('.')[0] in dagger}\n"
        "own = {name for name in sys.modules if name.startswith('reprobuild.engines.dagger')}\n"
        "print('loaded', sorted(loaded | own))\n"
    )
    environ = {**os.environ, "REPROBUILD_STORE": str(tmp_path), "REPROBUILD_ENGINE": "embedded"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, env=environ, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded []"


def test_engines_by_name(store: Store) -> None:
    assert [open_executor(name, store).name for name in ("embedded", "dagger", "auto")] == [
        "embedded",
        "dagger",
        "auto",
    ]
    with pytest.raises(SpecificationError, match="unknown engine"):
        open_executor("other", store)


def test_what_dagger_says_of_a_fault_is_told_in_the_users_terms() -> None:
    from dagger import ClientError, TransportError

    from reprobuild.engines.dagger_session import failed_query

    def said(text: str, kind: type[Exception] = ClientError) -> ReprobuildError:
        return failed_query(kind(text), where="hook")

    lost = said("502 Bad Gateway\nFor more information check: https://example.com/502", TransportError)
    assert isinstance(lost, NetworkError)
    assert lost.message == "the connection to the Dagger engine was lost: 502 Bad Gateway"
    for text, message, hint in (
        ("write: No space left on device [traceparent:00-ab-cd-01]", "the disk of the Dagger engine is full", "prune"),
        ("exec /dev/pipes/entry: exec format error", "cannot run programs of that platform", "emulator"),
        ("insecure root capabilities are not allowed", "does not allow insecure root capabilities", "engine.json"),
        ("something else", "the Dagger engine could not do it: something else", "its log"),
    ):
        error = said(text)
        assert isinstance(error, MachineError)
        assert message in error.message
        assert hint in str(error.hint)


@pytest.mark.parametrize(("engine", "fits"), [("v0.21.0", True), ("0.21.11", True), ("v0.20.9", False), ("x", False)])
def test_an_engine_of_another_minor_version_is_refused(
    engine: str, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reprobuild.engines import dagger_session

    monkeypatch.setattr(dagger_session, "version", lambda _: "0.21.8")
    if fits:
        dagger_session._check_version(engine)
        return
    with pytest.raises(MachineError, match=f"the Dagger engine is {engine}, its Python library 0.21.8") as caught:
        dagger_session._check_version(engine)
    assert "start an engine v0.21, " in str(caught.value.hint)


def test_a_library_that_is_missing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("reprobuild.engines.dagger_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dagger", None)
    with pytest.raises(MachineError, match="Python library") as caught:
        open_executor("dagger", store)
    assert "reprobuild[dagger]" in str(caught.value.hint)


class Named:
    """An engine that says that it ran."""

    def __init__(self, name: str, ran: list[str]) -> None:
        self.name, self._ran = name, ran

    async def run(
        self, execution: Execution, *, secrets: Mapping[str, bytes] = {}, listener: object = None
    ) -> Observation:
        self._ran.append(self.name)
        return Observation(changes=Changes())


def test_auto_uses_dagger_for_what_embedded_cannot_do_and_says_so() -> None:
    ran: list[str] = []
    said: list[str] = []
    auto = AutomaticExecutor(
        Named("embedded", ran), lambda: Named("dagger", ran), note=said.append, environ={"PATH": os.environ["PATH"]}
    )
    foreign = replace(ONE, platform=Platform(os="linux", architecture="s390x"))

    async def work() -> None:
        for one in (ONE, foreign, foreign):
            await auto.run(one)

    anyio.run(work)
    assert ran == ["embedded", "dagger", "dagger"]
    assert len(said) == 1
    assert "on a Dagger engine" in said[0]
    assert "s390x" in said[0]


def test_auto_needs_a_runtime_and_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such program" in obstacle(ONE, {"REPROBUILD_RUNTIME": "no-such-runtime"})
    environ = {"PATH": os.environ["PATH"]}
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "status").write_text("Name:\tx\nCapEff:\t00000000a80425fb\n")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert obstacle(ONE, environ, tmp_path) == "root has not CAP_SYS_ADMIN here"
    (tmp_path / "self" / "status").write_text("CapEff:\t000001ffffffffff\n")
    assert obstacle(ONE, environ, tmp_path) == ""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert obstacle(ONE, environ) == "it needs Linux"


def test_a_job_is_its_fields() -> None:
    fields = job_bytes(replace(ONE, uid=5, groups=(7, 8), timeout=0.5), "TOKEN").split(b"\0")
    assert fields[:11] == [b"TOKEN", b"reprobuild", b"0", b"500", b"315532800", b"5", b"0", b"0", b"/", b"2", b"7"]
    assert fields[-6:] == [b"1", b"true", b"2", b"HOME=/", b"PATH=/bin", b""]


@pytest.mark.parametrize("rest", [{"argv": ("a\0b",)}, {"env": {"A": "\0"}}, {"cwd": "/\0"}])
def test_a_zero_byte_is_refused(rest: dict[str, object]) -> None:
    with pytest.raises(SpecificationError, match="zero byte"):
        job_bytes(replace(ONE, **rest), "TOKEN")  # type: ignore[arg-type]


def test_an_ending_is_the_last_line_with_the_token() -> None:
    assert parse_ending("said\n\nT ended 7 \n", "T") == ("said\n", Ending(kind="ended", code=7))
    assert parse_ending("\nT ended 0 \nmore\nT refused 127 x is not there\n", "T") == (
        "\nT ended 0 \nmore",
        Ending(kind="refused", code=127, message="x is not there"),
    )
    assert parse_ending("nothing\n", "T") == ("nothing\n", None)
    assert parse_ending("\nT unheard-of 0 \n", "T")[1] is None


def test_failures_have_the_words_of_the_embedded_engine() -> None:
    ends = {"output": "", "stdout": "", "stderr": ""}
    late = failure(ONE, Ending(kind="late", code=124), ends)
    assert isinstance(late, ExecutionError)
    assert (late.message, late.code) == ("it took longer than 600 seconds", None)
    socket = failure(ONE, Ending(kind="content", code=0, message="a socket cannot be in an image: /s"), ends)
    assert isinstance(socket, ContentError)
    assert failure(ONE, Ending(kind="full", code=0), ends).message == "the disk is full"
