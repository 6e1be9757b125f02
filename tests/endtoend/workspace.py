"""A small workspace on Debian's base image, and the real command line in processes of their own."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.cli.project import Done, environment
from tests.resolver.loopback_index import wheel_bytes

__all__ = [
    "ARCHITECTURES",
    "CONNECTOR",
    "REPOSITORY",
    "Built",
    "Workspace",
    "check_blobs",
    "core",
    "leftovers",
    "make_workspace",
    "wheels",
]

REPOSITORY = Path(__file__).parents[2]
CONNECTOR = "source-greeting"
ARCHITECTURES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
"""The platforms of the workspace, each with what uname calls it."""

_SPECIFICATION = """\
[tool.reprobuild]
platforms = ["linux/amd64", "linux/arm64"]
connectors = ["connectors/*"]

[tool.reprobuild.base."python-3.11"]
image = "{image}"
pip = "25.3"
timezone = "UTC"
env = {{ GREETING = "good day" }}
"""
_CONNECTOR = {
    "pyproject.toml": '[project]\nname = "source-greeting"\nversion = "0.3.0"\ndependencies = ["greeting"]\n',
    "main.py": """\
import json, os, platform, sys
import greeting, source_greeting.data, speed

print(json.dumps({
    "greeting": greeting.greeting(),
    "arguments": sys.argv[1:],
    "files": sorted(name for name in os.listdir(source_greeting.data.__path__[0]) if "__" not in name),
    "machine": speed.machine() == platform.machine(),
    "workdir": os.getcwd(),
}))
""",
    "source_greeting/__init__.py": "",
    "source_greeting/data/__init__.py": "",
    "source_greeting/data/z.json": "{}",
    "source_greeting/data/a.json": "[]",
    "source_greeting/data/grüße.txt": "Guten Tag\n",
    "source_greeting/data/run.sh": "#!/bin/sh\necho hello\n",
    "unit_tests/test_nothing.py": "",
    "secrets/config.json": '{"key": "never in an image"}',
}
_SHARED = {"shared/words/same.txt": b"the same in both"}
_EXECUTABLE = "source_greeting/data/run.sh"


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build said of the connector: outcome, derivation and manifest by platform, and the index."""

    index: str
    manifests: Mapping[str, str]
    derivations: Mapping[str, str]
    outcomes: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A workspace in *folder*, beside a HOME and a store of its own; *command* is how reprobuild is started."""

    folder: Path
    environ: Mapping[str, str]
    command: tuple[str, ...] = (sys.executable, "-m", "reprobuild")

    @property
    def root(self) -> Path:
        return self.folder / "workspace"

    @property
    def store(self) -> Path:
        return Path(self.environ["REPROBUILD_STORE"])

    def start(
        self, *arguments: str, umask: int = -1, environ: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start ``reprobuild`` with *arguments*, and *environ* beside its own environment."""
        return subprocess.Popen(
            [*self.command, *arguments],
            cwd=self.root,
            env={**self.environ, **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            umask=umask,
        )

    def run(self, *arguments: str, umask: int = -1, environ: Mapping[str, str] | None = None) -> Done:
        """Run ``reprobuild`` to its end."""
        with self.start(*arguments, umask=umask, environ=environ) as process:
            out, err = process.communicate()
        return Done(code=process.returncode, out=out, err=err)

    def must(self, *arguments: str, umask: int = -1, environ: Mapping[str, str] | None = None) -> Done:
        """Run ``reprobuild``, which has to end with 0."""
        done = self.run(*arguments, umask=umask, environ=environ)
        assert done.code == 0, f"reprobuild {' '.join(arguments)}: {done.code}\n{done.out}{done.err}"
        return done

    def build(self, *options: str, umask: int = -1, environ: Mapping[str, str] | None = None) -> Built:
        """Build the connector and return what came out."""
        done = self.must("build", CONNECTOR, "--json", *options, umask=umask, environ=environ)
        (connector,) = done.json["connectors"]
        images = connector["images"]
        return Built(
            index=connector["index"]["digest"],
            manifests={image["platform"]: image["manifest"]["digest"] for image in images},
            derivations={image["platform"]: image["derivation"] for image in images},
            outcomes=frozenset(image["outcome"] for image in images),
        )

    def locks(self) -> dict[str, bytes]:
        """Return the lock files' bytes by name."""
        paths = [self.root / "base-images.lock.toml", *(self.root / "lock").glob("*.toml")]
        return {path.name: path.read_bytes() for path in paths if path.exists()}

    def blob(self, digest: str) -> bytes:
        """Return a blob of the store, checked."""
        name = digest.removeprefix("sha256:")
        data = (self.store / "blobs" / "sha256" / name[:2] / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == name
        return data

    def config(self, manifest: str) -> str:
        """Return the digest of the config of the image *manifest*: what Docker calls the image's id."""
        return str(json.loads(self.blob(manifest))["config"]["digest"])

    def copy(self, folder: Path, *, store: Path | None = None) -> "Workspace":
        """Return a copy in *folder* with a HOME of its own, and an empty store, or a copy of *store*."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.root, folder / "workspace", symlinks=True)
        if store is not None:
            shutil.copytree(store, folder / "store", copy_function=_linked)
        own = environment(folder)
        return replace(self, folder=folder, environ={**self.environ, **own, "PYTHONPATH": self.environ["PYTHONPATH"]})

    def write(self, files: Mapping[str, str]) -> None:
        """Write *files*, text by path below the workspace."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def make_workspace(folder: Path, image: str, **environ: str) -> Workspace:
    """Return a new workspace in *folder* whose base image is *image*; nothing is locked."""
    (folder / "home").mkdir(parents=True)
    workspace = Workspace(folder=folder, environ=environment(folder, **environ))
    files = {f"connectors/{CONNECTOR}/{name}": text for name, text in _CONNECTOR.items()}
    workspace.write({"pyproject.toml": _SPECIFICATION.format(image=image), **files})
    (workspace.root / "connectors" / CONNECTOR / _EXECUTABLE).chmod(0o755)
    return workspace


def wheels() -> dict[str, bytes]:
    """Return what the index has, by file name: a console script, a wheel for each platform, and stand-ins for pip.

    They share a folder without a module of its own, and a file: neither Docker nor podman takes a path twice in one
    layer, which `speed` and `words` have together, by their names.
    """
    made = {f"pip-{version}-py3-none-any.whl": wheel_bytes("pip", version) for version in ("25.3", "25.4")}
    for version in ("1.0", "1.1"):
        files = {
            "greeting/__init__.py": b"import os\n\ndef greeting():\n    return os.environ['GREETING']\n\n"
            b"def main():\n    print(greeting())\n",
            **_SHARED,
            "shared/words/good.txt": b"good day",
            f"greeting-{version}.dist-info/entry_points.txt": b"[console_scripts]\ngreet = greeting:main\n",
        }
        wheel = wheel_bytes("greeting", version, requires=["speed", "words"], files=files)
        made[f"greeting-{version}-py3-none-any.whl"] = wheel
    for machine in ARCHITECTURES.values():
        tag = f"cp311-cp311-manylinux_2_17_{machine}"
        files = {
            "speed/__init__.py": f"def machine():\n    return {machine!r}\n".encode(),
            "speed/_core.so": core(machine),
            **_SHARED,
            "shared/words/fast.txt": b"quick",
        }
        made[f"speed-2.0-{tag}.whl"] = wheel_bytes("speed", "2.0", tag=tag, files=files)
    files = {**_SHARED, "shared/words/long.txt": b"supercalifragilistic"}
    return made | {"words-3.0-py3-none-any.whl": wheel_bytes("words", "3.0", files=files)}


def check_blobs(folder: Path) -> None:
    """Fail if a blob of a store or an image layout is not what its name says."""
    for path in (folder / "blobs").rglob("*"):
        if path.is_file() and not path.name.startswith(".tmp-"):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name, path


def leftovers(folder: Path) -> list[Path]:
    """Return the temporary files that runs have left anywhere below *folder*."""
    return list(folder.rglob(".tmp-*"))


def core(machine: str) -> bytes:
    """Return what looks like a shared library for *machine*: more than one gzip member can hold."""
    return b"\x7fELF" + machine.encode() * 400_000


def _linked(source: str, target: str) -> None:
    """Link instead of copying: files of a store are replaced, never changed."""
    Path(target).hardlink_to(source)
