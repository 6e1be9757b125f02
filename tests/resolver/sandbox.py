"""A sandbox for tests that builds nothing: its sdists bring along the wheels that they are to become."""

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reprobuild.builder.executions import Executions
from reprobuild.builder.tree import Entry
from reprobuild.engines.execution import Change, Changes, Execution, ExecutionError, Observation
from reprobuild.engines.executor import Listener, unheard
from reprobuild.errors import MachineError
from reprobuild.lockfile import BaseImage, BasePlatform
from reprobuild.oci.layout import write_layout
from reprobuild.oci.types import parse_index, parse_manifest
from reprobuild.store import Store
from tests.builder.sdists import make_sdist
from tests.images import add_index
from tests.resolver.loopback_index import LoopbackIndex, wheel_bytes
from tests.resolver.worlds import base_image

__all__ = ["Sandbox", "add_sdist", "executions", "local_base"]

TAGS = {"amd64": "cp311-cp311-linux_x86_64", "arm64": "cp311-cp311-linux_aarch64"}


@dataclass
class Sandbox:
    """An executor that answers with what the sdist holds, below ``wheels`` or below the name of the machine."""

    store: Store
    machine: str = "here"
    runs: list[Execution] = field(default_factory=list)
    foreign: bool = True

    name = "fake"

    async def run(
        self, execution: Execution, *, secrets: Mapping[str, bytes] = {}, listener: Listener = unheard
    ) -> Observation:
        self.runs.append(execution)
        assert execution.stdin is not None
        task = json.loads(self.store.read(execution.stdin))
        digest = {mount.target: mount.digest for mount in execution.mounts}[task["sdist"]]
        files = _files(self.store.read(digest))
        if not self.foreign and execution.platform.architecture != "amd64":
            raise MachineError("no emulator", hint="install one")
        if "output" in files:
            text = files["output"].decode()
            raise ExecutionError("it failed", where=execution.what, hint=None, output=text, code=1)
        if task["task"] == "requires":
            return self._seen("requires.json", files.get("requires.json", b"[]"))
        file = files[execution.platform.architecture].decode()
        return self._seen(file, files.get(f"{self.machine}/{file}") or files[f"wheels/{file}"])

    def built(self) -> list[str]:
        """Return what was built, in order."""
        return [run.what for run in self.runs if run.what.startswith("building")]

    def _seen(self, name: str, data: bytes) -> Observation:
        entry = Entry(path=f"build/out/{name}", size=len(data))
        return Observation(changes=Changes(present=(Change(entry=entry, digest=self.store.add(data)),)))


def executions(sandbox: Sandbox, *, elsewhere: str = "here") -> Executions:
    """Return what runs executions in *sandbox*, and proves them on a machine that is *elsewhere*."""
    varied = replace(sandbox, machine=elsewhere, runs=[])
    return Executions(store=sandbox.store, open=lambda: sandbox, varied=lambda: varied)


def add_sdist(
    index: LoopbackIndex,
    name: str,
    version: str,
    *,
    native: bool = False,
    requires: list[str] | None = None,
    system: str = '[build-system]\nrequires = ["backend"]\nbuild-backend = "backend"\n',
    more: Mapping[str, bytes] | None = None,
    **wheel: object,
) -> str:
    """Put an sdist on *index* that becomes a wheel for everywhere, or one for each platform; return its file name."""
    files: dict[str, bytes] = {"pyproject.toml": system.encode()}
    files["PKG-INFO"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    for architecture, own in TAGS.items():
        tag = own if native else "py3-none-any"
        file = f"{name}-{version}-{tag}.whl"
        data = wheel_bytes(name, version, tag=tag, requires=requires or [], **wheel)  # type: ignore[arg-type]
        files |= {architecture: file.encode(), f"wheels/{file}": data}
    file = f"{name}-{version}.tar.gz"
    index.files[file] = make_sdist(files | dict(more or {}), name=name, version=version)
    return file


def local_base(root: Path, scratch: Store, name: str = "py", **changes: object) -> BaseImage:
    """Put an image into the workspace *root* and return the lock of it."""
    index = add_index(scratch)
    write_layout(root / name, entries=[(index, "py")], store=scratch)
    platforms = {}
    for manifest in parse_index(scratch.read(index.digest)).manifests:
        assert manifest.platform is not None
        platforms[manifest.platform] = BasePlatform(
            manifest=manifest.digest,
            config=parse_manifest(scratch.read(manifest.digest)).config.digest,
            size=manifest.size,
            links={},
            directories=(),
            distributions=(),
        )
    return base_image(name=name, image=f"oci:{name}:py", index=index.digest, platforms=platforms, **changes)


def _files(data: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                found[member.name.partition("/")[2]] = content.read()
    return found
