"""A fleet as the notebook found it, really built: its three variants on two bases, of which one's tag moves.

Built by BuildKit from Dockerfiles as they stand in the connectors' folders, packages by dpkg, distributions by pip;
pushed to a real registry.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.analysis.dockerfiles import SLIM
from tests.endtoend.fleet_parts import (
    APT_GET,
    BACKEND,
    PIP,
    PIP_CONF,
    PROJECT,
    checked,
    debian_tree,
    install,
    patched_python,
    pip_site,
    pip_wheel,
)
from tests.resolver.loopback_index import wheel_bytes

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from bench_dockerd import Daemon, daemon

__all__ = ["BASES", "EXTRAS", "MULTI", "NOTE", "OPTIONAL", "SINGLE", "Base", "Connector", "Workshop", "make_fleet"]

EXTRAS = ("libc6-dev", "linux-libc-dev", "libcrypt-dev", "libnsl-dev", "libtirpc-dev", "rpcsvc-proto", "libc-dev-bin")
"""What the base had before its tag moved."""
OPTIONAL = "tesseract-ocr"
"""What apt-get finds."""
NOTE = "first=1\nsecond line"
"""A value that splitting at every = or at lines would break."""
PIP_UPGRADE = "23.2.1"
_GET_PIP = "https://example.org/get-pip.py?ref=a=b"
_SITE = "/usr/local/lib/python3.11/dist-packages/"
_FILES_PYTHON = b"3.11.2"
"""What the files of our own base say."""
_BASE = """\
FROM {host}/library/debian:12
ENV PYTHON_VERSION={claimed} PYTHON_PIP_VERSION={pip} PYTHON_SETUPTOOLS_VERSION=58.1.0
ENV GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568 HOME=/root
ENV PYTHON_GET_PIP_URL={url} PYTHON_GET_PIP_SHA256={sha}
COPY python3.11 /usr/bin/python3.11
COPY site {site}
COPY system /
CMD ["python3"]
"""
_METADATA = """\
data:
  dockerRepository: {repository}
  dockerImageTag: {version}
  supportLevel: {level}
  tags:
    - language:python
"""
SINGLE, MULTI = "python:3.9-slim", "python:3.9.11-slim"
"""The tags of the two bases, which name one Python and have another: Debian's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A base at some time: the Python and pip that it claims, the Python of its files, packages beside Debian's."""

    tag: str
    claimed: str
    python: str
    pip: str
    packages: Sequence[str] = ()


BASES = {
    "before": Base(tag=SINGLE, claimed="3.11.2", python="3.11.2", pip="22.0.4", packages=EXTRAS),
    "now": Base(tag=SINGLE, claimed="3.11.4", python="3.11.4", pip="23.0.1"),
    "other": Base(tag=MULTI, claimed="3.9.11", python="3.11.2", pip="22.0.4"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """A connector to build: a template of `tests.analysis.dockerfiles`, in which *changes* are made.

    *base* is that of `BASES` which it is built on; *needs* are distributions that its own requires.
    """

    name: str
    base: str
    template: str = SLIM
    changes: Mapping[str, str] = field(default_factory=dict)
    needs: Sequence[str] = ()
    version: str = "1.0.0"
    level: str = "certified"

    def dockerfile(self, host: str) -> str:
        """Return the text of its Dockerfile."""
        pascal = "".join(word.capitalize() for word in self.name.split("-"))
        snake = self.name.replace("-", "_")
        text = self.template.format(name=self.name, snake=snake, pascal=pascal, version=self.version)
        own = {
            "COPY setup.py ./": "COPY setup.py pyproject.toml ./",
            # There is no Alpine here to build on: the stages are its variant's, the system is Debian.
            "python:3.9.11-alpine3.15": MULTI,
            "apk --no-cache upgrade": "apt-get update && apt-get upgrade -y",
            "apk --no-cache add": "apt-get install -y",
            "FROM python:": f"FROM {host}/library/python:",
        }
        for old, new in {**own, **self.changes}.items():
            text = text.replace(old, new)
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where images are built and pushed: *folder* is ours, *host* the registry."""

    folder: Path
    host: str
    docker: Daemon

    @property
    def connectors(self) -> Path:
        return self.folder / "connectors"

    def base(self, name: str) -> str:
        """Return the reference of a base of `BASES`, whose tag may lead to another by now."""
        return f"{self.host}/library/{BASES[name].tag}"

    def run(self, *words: str | Path) -> str:
        """Run Docker's client."""
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "DOCKER_BUILDKIT": "1"}
        return checked([*self.docker.client, *words], {**environ, "BUILDKIT_PROGRESS": "plain"})

    def build(self, name: str, context: Path) -> None:
        """Build the image *name* of the folder *context*, its base as the daemon has it or else the registry."""
        note = ("--build-arg", f"NOTE={NOTE}")
        self.run("build", "--network=none", *note, "--tag", name, context)

    def push(self, name: str, reference: str) -> None:
        self.run("tag", name, reference)
        self.run("push", reference)

    def make_base(self, name: str, layer: Path) -> None:
        """Build a base of `BASES` over Debian's *layer*, and push it; its tag is what connectors are built on then."""
        one, folder = BASES[name], self.folder / f"base-{name}"
        context, root = folder / "context", debian_tree(layer, folder / "root")
        system = context / "system"
        if one.packages:
            install(root, one.packages, system)
        install(root, [OPTIONAL], system / "opt/apt" / OPTIONAL)
        pip_site(context / "site", one.pip)
        python = patched_python(root, _FILES_PYTHON, one.python.encode())
        _write(context / "python3.11", python, mode=0o755)
        _write(system / "usr/bin/apt-get", APT_GET.encode(), mode=0o755)
        _write(system / "usr/local/bin/pip", PIP.encode(), mode=0o755)
        _write(system / "etc/pip.conf", PIP_CONF.encode())
        greeting = "1.0" if name == "before" else "2.0"
        wheel = f"opt/wheels/greeting-{greeting}-py3-none-any.whl"
        _write(system / wheel, wheel_bytes("greeting", greeting))
        pip_wheel(system / "opt/wheels", PIP_UPGRADE)
        sha = hashlib.sha256(one.pip.encode()).hexdigest()
        text = _BASE.format(host=self.host, claimed=one.claimed, pip=one.pip, url=_GET_PIP, sha=sha, site=_SITE)
        _write(context / "Dockerfile", text.encode())
        self.build(self.base(name), context)
        self.run("push", self.base(name))
        shutil.rmtree(folder)

    def make(self, one: Connector) -> None:
        """Write the folder of *one*, build it as it is there, and push it."""
        folder = self.write(one)
        snake = one.name.replace("-", "_")
        _write(folder / snake / "__init__.py", b"")
        for main in ("main.py", "main_dev.py"):
            _write(folder / main, b"print('hello')\n")
        backend = BACKEND.format(snake=snake, version=one.version, needs=list(one.needs))
        _write(folder / "setup.py", backend.encode())
        _write(folder / "pyproject.toml", PROJECT.encode())
        self.build(f"{self.host}/airbyte/{one.name}:{one.version}", folder)
        self.run("push", f"{self.host}/airbyte/{one.name}:{one.version}")

    def write(self, one: Connector) -> Path:
        """Write the Dockerfile and metadata of *one*, and return its folder."""
        folder, repository = self.connectors / one.name, f"{self.host}/airbyte/{one.name}"
        _write(folder / "Dockerfile", one.dockerfile(self.host).encode())
        metadata = _METADATA.format(repository=repository, version=one.version, level=one.level)
        _write(folder / "metadata.yaml", metadata.encode())
        return folder

    def printed(self, image: str, *words: str) -> str:
        """Return what the program *words* prints in a container of *image*."""
        return self.run("run", "--rm", "--network=none", "--entrypoint", words[0], image, *words[1:])

    def listed_by_dpkg(self, image: str) -> set[tuple[str, str, str]]:
        """Return what dpkg-query says is installed in *image*: name, version, architecture."""
        container = self.run("create", image).strip()
        with tempfile.TemporaryDirectory() as folder:
            self.run("cp", f"{container}:/var/lib/dpkg", folder)
            self.run("rm", container)
            form = "${db:Status-Status} ${Package} ${Version} ${Architecture}\n"
            said = checked(["dpkg-query", f"--admindir={folder}/dpkg", "--show", "--showformat", form])
        rows = [line.split(" ") for line in said.splitlines()]
        return {(name, version, architecture) for state, name, version, architecture in rows if state == "installed"}

    def listed_by_pip(self, image: str) -> set[tuple[str, str]]:
        """Return what pip lists in *image*: names as they are written, and versions."""
        said = json.loads(self.printed(image, "python3", "-m", "pip", "list", "--format=json"))
        return {(one["name"], one["version"]) for one in said}


@contextmanager
def make_fleet(folder: Path, host: str, layer: Path, connectors: Sequence[Connector]) -> Iterator[Workshop]:
    """Build *connectors* on their bases, in this order, and have them for the block.

    ``library/debian:12`` is in the registry at *host*; *layer* is what it is made of.
    """
    # The path is short because a socket's must be.
    with (
        tempfile.TemporaryDirectory(prefix="fleet-", ignore_cleanup_errors=True) as short,
        daemon(Path(short) / "docker", client_config=Path(short) / "client") as running,
    ):
        shop = Workshop(folder=folder, host=host, docker=running)
        for number, one in enumerate(connectors):
            if one.base not in {before.base for before in connectors[:number]}:
                shop.make_base(one.base, layer)
            shop.make(one)
        yield shop


def _write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
