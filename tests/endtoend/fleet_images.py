"""A small fleet as the notebook found it, really built: two states of one base's tag, and connectors on them.

Built by buildah from Dockerfiles, packages by dpkg, distributions by pip; pushed to a real registry.
"""

import ensurepip
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.resolver.loopback_index import wheel_bytes

__all__ = ["EXTRAS", "NOTE", "Connector", "Workshop", "listed_by_dpkg", "listed_by_pip", "make_fleet"]

EXTRAS = ("libc6-dev", "linux-libc-dev", "libcrypt-dev", "libnsl-dev", "libtirpc-dev", "rpcsvc-proto", "libc-dev-bin")
"""What the base had before its tag moved."""
NOTE = "first=1\nsecond line"
"""A value that splitting at every = or at lines would break."""
_GET_PIP = "https://example.org/get-pip.py?ref=a=b"
_SITE = "usr/local/lib/python3.11/dist-packages"
_BASE = """\
FROM {base}
ENV PYTHON_VERSION={python} PYTHON_PIP_VERSION={pip} PYTHON_SETUPTOOLS_VERSION=58.1.0
ENV GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568 HOME=/root
ENV PYTHON_GET_PIP_URL={url} PYTHON_GET_PIP_SHA256={sha}
COPY site /{site}
CMD ["python3"]
"""
_CONNECTOR = """\
FROM {base}
WORKDIR /airbyte/integration_code
{install}COPY {snake} ./{snake}
COPY main.py ./
{more}ENV AIRBYTE_ENTRYPOINT "python /airbyte/integration_code/{main}"
ENTRYPOINT ["python", "/airbyte/integration_code/{main}"]
LABEL io.airbyte.version={version}
LABEL io.airbyte.name=airbyte/{name}
"""
_INSTALL = """\
COPY wheels /wheels
RUN python3 -m pip install --no-index --no-cache-dir --break-system-packages --find-links /wheels \\
    greeting=={greeting} && rm -r /wheels
"""
_METADATA = """\
data:
  dockerRepository: {repository}
  dockerImageTag: {version}
  supportLevel: {level}
  tags:
    - language:python
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """A connector to build. *packages* are installed by dpkg, *variables* set by the Dockerfile.

    *greeting* is the version of a distribution that pip installs, which takes some seconds; nothing by default.
    """

    name: str
    version: str = "1.0.0"
    greeting: str = ""
    main: str = "main.py"
    packages: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    level: str = "certified"

    def dockerfile(self, base: str) -> str:
        more = "".join(f'ENV {name}="{value}"\n' for name, value in self.variables.items())
        snake = self.name.replace("-", "_")
        return _CONNECTOR.format(
            base=base,
            install=_INSTALL.format(greeting=self.greeting) if self.greeting else "",
            snake=snake,
            name=self.name,
            version=self.version,
            main=self.main,
            more=more,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where images are built and pushed: *folder* is ours, *host* the registry."""

    folder: Path
    host: str

    @property
    def python(self) -> str:
        """The reference of the base, whose tag moves."""
        return f"{self.host}/library/python:3.9-slim"

    @property
    def connectors(self) -> Path:
        return self.folder / "connectors"

    def buildah(self, *words: str | Path) -> str:
        store = ("--root", self.folder / "root", "--runroot", self.folder / "run", "--storage-driver", "overlay")
        policy = self.folder / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n', encoding="utf-8")
        own = ("--signature-policy", policy) if words[0] in {"build", "pull", "push", "commit", "from"} else ()
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "BUILDAH_ISOLATION": "chroot"}
        return _run(["buildah", *store, words[0], *own, *words[1:]], environ)

    def build(self, name: str, dockerfile: str, files: Mapping[str, bytes | Path]) -> None:
        """Build the image *name* from *dockerfile* and *files*."""
        context = self.folder / "context"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir()
        for path, content in files.items():
            place = context / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copytree(content, place)
            else:
                place.write_bytes(content)
        (context / "Dockerfile").write_text(dockerfile, encoding="utf-8")
        self.buildah("build", "--quiet", "--layers=false", "--network=none", "--pull=never", "--tag", name, context)

    def install(self, name: str, packages: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
        """Install *packages*, with files of their own, in the image *name*, by dpkg."""
        container = self.buildah("from", "--pull-never", name).strip()
        if packages:
            root = Path(self.buildah("mount", container).strip())
            _dpkg(root, [_package(self.folder / "debs", one) for one in packages])
        for key, value in (variables or {}).items():
            self.buildah("config", "--env", f"{key}={value}", container)
        self.buildah("commit", "--quiet", "--rm", container, name)

    @contextmanager
    def mounted(self, name: str) -> Iterator[Path]:
        """Have the files of the image *name* in a folder, for the block."""
        container = self.buildah("from", "--pull-never", name).strip()
        try:
            yield Path(self.buildah("mount", container).strip())
        finally:
            self.buildah("rm", container)

    def push(self, name: str, reference: str) -> None:
        self.buildah("push", "--quiet", "--tls-verify=false", name, f"docker://{reference}")

    def make_base(self, name: str, *, python: str, pip: str) -> None:
        """Build a state of the base: Debian's Python that claims to be *python*, with *pip* in its files."""
        site = self.folder / f"pip-{pip}"
        _write_pip(site, pip)
        sha = f"{pip.replace('.', ''):0>64}"
        text = _BASE.format(base="localhost/debian", python=python, pip=pip, url=_GET_PIP, sha=sha, site=_SITE)
        self.build(name, text, {"site": site})

    def make_connector(self, name: str, one: Connector, base: str) -> None:
        """Build *one* on the local image *base*, as the image *name*."""
        files: dict[str, bytes | Path] = {
            f"{one.name.replace('-', '_')}/__init__.py": b"",
            "main.py": b"print('hello')\n",
        }
        if one.greeting:
            wheel = wheel_bytes("greeting", one.greeting)
            files[f"wheels/greeting-{one.greeting}-py3-none-any.whl"] = wheel
        self.build(name, one.dockerfile(base), files)

    def make(self, one: Connector, base: str) -> None:
        """Build and push *one* on the local image *base*, and write its folder, whose Dockerfile has the tag."""
        self.make_connector(f"localhost/{one.name}", one, base)
        if one.packages:
            self.install(f"localhost/{one.name}", one.packages)
        repository = f"{self.host}/airbyte/{one.name}"
        self.push(f"localhost/{one.name}", f"{repository}:{one.version}")
        self.write(one, repository)

    def write(self, one: Connector, repository: str) -> None:
        """Write the connector's folder."""
        folder = self.connectors / one.name
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(one.dockerfile(self.python), encoding="utf-8")
        metadata = _METADATA.format(repository=repository, version=one.version, level=one.level)
        (folder / "metadata.yaml").write_text(metadata, encoding="utf-8")


def make_fleet(
    folder: Path, host: str, layout: str, before: Sequence[Connector], after: Sequence[Connector]
) -> Workshop:
    """Build *before* on the base as it was, move its tag, and build *after* on what it is now."""
    for program in ("buildah", "dpkg", "dpkg-deb"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is not installed; scripts/test installs what the tests need")
    shop = Workshop(folder=folder, host=host)
    shop.buildah("pull", "--quiet", layout)
    image = shop.buildah("images", "--quiet").split()[0]
    shop.buildah("tag", image, "localhost/debian")
    shop.make_base("localhost/python-before", python="3.9.11", pip="22.0.4")
    shop.install("localhost/python-before", EXTRAS)
    for one in before:
        shop.make(one, "localhost/python-before")
    shop.make_base("localhost/python-now", python="3.9.18", pip="23.0.1")
    shop.push("localhost/python-now", shop.python)
    for one in after:
        shop.make(one, "localhost/python-now")
    return shop


def listed_by_dpkg(root: Path) -> set[tuple[str, str, str]]:
    """Return what dpkg-query says is installed in *root*: name, version, architecture."""
    form = "${db:Status-Status} ${Package} ${Version} ${Architecture}\n"
    said = _run(["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", "--showformat", form])
    rows = [line.split(" ") for line in said.splitlines()]
    return {(name, version, architecture) for state, name, version, architecture in rows if state == "installed"}


def listed_by_pip(root: Path) -> set[tuple[str, str]]:
    """Return what pip, run in *root*, lists: names as they are written, and versions."""
    command: list[str | Path] = [
        "chroot",
        root,
        "python3",
        "-m",
        "pip",
        "list",
        "--format=json",
        "--disable-pip-version-check",
    ]
    return {(one["name"], one["version"]) for one in json.loads(_run(command, {"PATH": "/usr/bin:/usr/sbin"}))}


def _write_pip(site: Path, version: str) -> None:
    """Write a pip that works, and says that it is *version*, into *site*."""
    wheel = _pip_wheel()
    old = wheel.name.split("-")[1]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    metadata = (site / f"pip-{old}.dist-info").rename(site / f"pip-{version}.dist-info")
    for path in (site / "pip" / "__init__.py", metadata / "METADATA"):
        path.write_text(path.read_text().replace(old, version, 1))


def _pip_wheel() -> Path:
    """Return the pip that this Python brings along: for its own ensurepip, or where Debian has it."""
    for folder in (Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels")):
        for wheel in sorted(folder.glob("pip-*.whl")):
            return wheel
    pytest.fail("this Python brings no pip along: install python3-venv")


def _package(folder: Path, name: str) -> Path:
    """Return a package *name* with one file, made by dpkg-deb."""
    made = folder / f"{name}.deb"
    if not made.is_file():
        root = folder / name
        (root / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: 1:2.36-9+deb12u3\nArchitecture: amd64\n"
        maintainer = "Maintainer: Nobody <nobody@example.org>\nDescription: for a test\n"
        (root / "DEBIAN" / "control").write_text(control + maintainer)
        (root / "usr" / "include" / name).mkdir(parents=True)
        (root / "usr" / "include" / name / "header.h").write_text("/* nothing */\n" * 100)
        _run(["dpkg-deb", "--root-owner-group", "--build", root, made])
    return made


def _dpkg(root: Path, packages: Sequence[Path]) -> None:
    (root / "var/lib/dpkg/updates").mkdir(exist_ok=True)
    options = ["--force-architecture", "--force-depends", "--force-script-chrootless", f"--root={root}"]
    _run(["dpkg", *options, "--install", *packages])


def _run(command: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout
