"""Which engine a command uses: its option, a variable, the workspace's key; and what `doctor` says of Dagger."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reprobuild.canonical import Digest, digest_of
from reprobuild.cli.arguments import known_engine
from reprobuild.cli.dagger_finding import dagger_finding
from reprobuild.cli.finding import Mark
from reprobuild.cli.kit import open_executions
from reprobuild.cli.settings import Settings
from reprobuild.errors import SpecificationError
from reprobuild.lock_writer import write_base_lock
from reprobuild.lockfile import BASE_LOCK
from reprobuild.progress import Silent
from reprobuild.store import Store
from reprobuild.workspace import Workspace, read_workspace
from tests.builder.images import put_derivation
from tests.cli.conftest import Command


def workspace(folder: Path, engine: str | None) -> Workspace:
    line = f'engine = "{engine}"\n' if engine else ""
    (folder / "reprobuild.toml").write_text(f'platforms = ["linux/amd64"]\n{line}')
    return read_workspace(folder)


@pytest.mark.parametrize(
    ("option", "key", "name"),
    [
        (None, None, "embedded"),
        (None, "auto", "auto"),
        ("dagger", None, "dagger"),
        ("embedded", "dagger", "embedded"),
    ],
)
def test_the_option_overrules_the_workspace(tmp_path: Path, option: str | None, key: str | None, name: str) -> None:
    found = workspace(tmp_path, key)
    executions = open_executions(found, Store(tmp_path / "store"), Silent(), Settings(engine=option))
    assert executions.open().name == name


def test_an_engine_is_told_of_the_bases_that_are_there_by_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it can pull is not uploaded, be it fetched after the first execution, or found while it is locked."""
    elsewhere, store = Store(tmp_path / "elsewhere"), Store(tmp_path / "store")
    base = put_derivation(elsewhere, tmp_path).base
    (tmp_path / BASE_LOCK).write_text(write_base_lock({base.name: base}))
    (locked,) = base.platforms.values()
    origins: list[Callable[[], Mapping[tuple[Digest, ...], str]]] = []
    monkeypatch.setattr("reprobuild.engines.open.open_executor", lambda *_, **given: origins.append(given["origins"]))
    executions = open_executions(workspace(tmp_path, None), store, Silent(), Settings())
    executions.open()
    assert origins[0]() == {}
    store.add(elsewhere.read(locked.config))
    executions.origins[(digest_of(b"new"),)] = "quay.io/a/b@sha256:00"
    assert origins[0]() == {
        (digest_of(b"d"),): f"docker.io/library/python@{locked.manifest}",
        (digest_of(b"new"),): "quay.io/a/b@sha256:00",
    }


def test_an_engine_that_there_is_not_is_refused(command: Command, tmp_path: Path) -> None:
    for words, environ in (
        (("--engine", "other", "doctor"), {}),
        (("build", "--engine", "other"), {}),
        (("doctor",), {"REPROBUILD_ENGINE": "other"}),
    ):
        done = command(*words, **environ)
        assert done.code == 2
        assert "there is no engine 'other'" in done.err
    with pytest.raises(SpecificationError, match="there is no engine 'other'"):
        workspace(tmp_path, "other")
    assert known_engine("") is None


def test_doctor_starts_no_engine() -> None:
    finding = dagger_finding({})
    assert finding.mark is Mark.OK
    assert "no engine is named" in finding.message


def test_doctor_says_that_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    environ: dict[str, Any] = {"_EXPERIMENTAL_DAGGER_RUNNER_HOST": "unix:///no/such/socket"}
    monkeypatch.delenv("DAGGER_SESSION_PORT", raising=False)
    monkeypatch.setenv(*environ.copy().popitem())
    finding = dagger_finding(environ)
    assert finding.mark is Mark.WARN
    assert "no Dagger engine answers at unix:///no/such/socket" in finding.message
