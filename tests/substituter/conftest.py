"""A project with recorded images, a substituter that is filled with them, and empty stores that are to be filled."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import pytest

from reprobuild.builder.build import Plan, plan
from reprobuild.canonical import Digest, canonical_json, digest_of
from reprobuild.cli.supply import supply_documents
from reprobuild.lock_files import read_lock
from reprobuild.oci.registry_sink import RegistrySink
from reprobuild.oci.retry import Patience
from reprobuild.oci.source import read
from reprobuild.oci.types import MANIFEST, Descriptor
from reprobuild.progress import Silent
from reprobuild.store import Store
from reprobuild.substituter.entry import tag_of
from reprobuild.substituter.place import Limits
from reprobuild.workspace import Workspace, read_workspace
from tests.cli import project as cli_project
from tests.cli.project import Done, Project, project
from tests.servers import RunningRegistry

NAMES = ("source-one", "source-two")
SPECIFICATION = cli_project.SPECIFICATION.replace('requirements = ["alpha"]', 'requirements = ["alpha", "beam"]')
"""One connector has two wheels, which share a layer."""


async def _sleep(_: float) -> None:
    pass


LIMITS = Limits(seconds=0.5, patience=Patience(connect=1, read=0.3, tries=2, sleep=_sleep))
"""A short patience, without waits."""


class Notes(Silent):
    """A progress that keeps its notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    warn = note


@dataclass(frozen=True, kw_only=True)
class Runner:
    """A machine that starts with the workspace and an empty store."""

    project: Project
    host: str
    repository: str
    store: Store

    @property
    def place(self) -> str:
        return f"{self.host}/{self.repository}"

    @property
    def workspace(self) -> Workspace:
        return read_workspace(self.project.root)

    def run(self, *arguments: str, **environ: str) -> Done:
        return self.project.run(*arguments, REPROBUILD_STORE=str(self.store.root), **environ)

    def build(self, *arguments: str, **environ: str) -> Done:
        """Build everything with the substituter at hand."""
        return self.run("build", "--all", "--substituter", self.place, *arguments, **environ)

    async def images(self) -> Plan:
        """Return what is to be built, the documents of the base being in the store."""
        workspace = self.workspace
        images = plan(workspace, read_lock(workspace.root, NAMES), NAMES, self.store)
        with mock.patch.dict(os.environ, self.project.environ):
            for image in images:
                await supply_documents(image, workspace, self.store, offline=False)
        return images

    def digests(self) -> list[str]:
        """Return the digests of all images, as a build without a substituter gives them; all must be as recorded."""
        done = self.run("build", "--all", "--json")
        assert done.code == 0, done.err
        images = [image for one in done.json["connectors"] for image in one["images"]]
        assert {image["outcome"] for image in images} == {"verified"}, done.err
        return [image["manifest"]["digest"] for image in images]

    def replace_entry(self, derivation: Digest, change: Callable[[dict[str, Any]], object]) -> None:
        """Put another entry under the tag of *derivation*: what is there, after *change*."""
        anyio.run(self._replace_entry, derivation, change)

    async def _replace_entry(self, derivation: Digest, change: Callable[[dict[str, Any]], object]) -> None:
        sink = RegistrySink(self.host, self.repository, environ={})
        reader = sink.reader(tag_of(derivation))
        value = json.loads(await read(reader, await reader.resolve()))
        change(value)
        data = canonical_json(value)
        descriptor = Descriptor(media_type=MANIFEST, digest=digest_of(data), size=len(data))
        await sink.put_document(descriptor, data, name=tag_of(derivation))
        await sink.close()


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose images are built and recorded; nobody changes it."""
    with project(tmp_path_factory.mktemp("recorded")) as made:
        made.specify(SPECIFICATION)
        for words in (("lock", "update"), ("build", "--all", "--record")):
            done = made.run(*words)
            assert done.code == 0, done.err
        yield made


@pytest.fixture
def maker(recorded: Project, tmp_path: Path) -> Iterator[Project]:
    """A copy of that project, with its full store."""
    (tmp_path / "maker").mkdir()
    with project(tmp_path / "maker", like=recorded.root.parent) as made:
        yield made


@pytest.fixture
def empty(maker: Project, registry: RunningRegistry, tmp_path: Path) -> Runner:
    """A runner whose substituter is empty, too."""
    repository = f"outputs/{tmp_path.name.replace('_', '-').strip('-').lower()}"
    return Runner(project=maker, host=registry.host, repository=repository, store=Store(tmp_path / "empty"))


@pytest.fixture
def runner(empty: Runner) -> Runner:
    """A runner whose substituter has all outputs."""
    done = empty.project.run("build", "--all", "--substituter", empty.place, "--push-outputs")
    assert done.code == 0, done.err
    assert "4 new" in done.err
    return empty


@pytest.fixture
def key(tmp_path: Path, run: object) -> Path:
    """A private key; its public half is beside it, as .pub."""
    return make_key(tmp_path / "key.pem", run)


def make_key(path: Path, run: object) -> Path:
    assert shutil.which("openssl"), "openssl is not installed; scripts/test installs what the tests need"
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", path)  # type: ignore[operator]
    run("openssl", "pkey", "-in", path, "-pubout", "-out", path.with_suffix(".pub"))  # type: ignore[operator]
    return path
