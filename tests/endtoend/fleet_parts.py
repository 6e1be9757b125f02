"""What the fleet's base images are made of, offline: a pip that works, packages of dpkg's, what stands for apt."""

import base64
import ensurepip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

__all__ = [
    "APT_GET",
    "BACKEND",
    "PIP_CONF",
    "PROJECT",
    "checked",
    "debian_tree",
    "install",
    "patched_python",
    "pip_site",
    "pip_wheel",
]

APT_GET = """\
#!/bin/sh
# Stands for apt: what it installs has been installed by dpkg before, in a tree of which the changes lie in /opt/apt.
for word in "$@"; do
    if [ -d "/opt/apt/$word" ]; then cp -a "/opt/apt/$word/." /; fi
done
"""
PIP = '#!/bin/sh\nexec python3 -m pip "$@"\n'
PIP_CONF = """\
[global]
no-index = true
find-links = /opt/wheels
break-system-packages = true
disable-pip-version-check = true
root-user-action = ignore
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "setup"\nbackend-path = ["."]\n'
BACKEND = '''\
"""Builds the wheel of a connector, and needs no other distribution to do so."""
import pathlib, zipfile

NAME, VERSION, NEEDS = {snake!r}, {version!r}, {needs!r}


def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = f"{{NAME}}-{{VERSION}}-py3-none-any.whl"
    info = f"{{NAME}}-{{VERSION}}.dist-info"
    metadata = [f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}"]
    metadata += [f"Requires-Dist: {{need}}" for need in NEEDS]
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        for path in sorted(pathlib.Path(NAME).glob("*.py")):
            wheel.write(path, path.as_posix())
        wheel.writestr(f"{{info}}/METADATA", "\\n".join(metadata) + "\\n")
        wheel.writestr(f"{{info}}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{{info}}/RECORD", "")
    return name
'''


def pip_site(folder: Path, version: str) -> Path:
    """Write a pip that works, and says that it is *version*, into *folder*; return that."""
    with zipfile.ZipFile(_bundled()) as archive:
        for name, data in _renamed(archive, version).items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    return folder


def pip_wheel(folder: Path, version: str) -> Path:
    """Write a wheel of the same pip into *folder*, and return it."""
    made = folder / f"pip-{version}-py3-none-any.whl"
    with zipfile.ZipFile(_bundled()) as archive, zipfile.ZipFile(made, "w") as wheel:
        for name, data in _renamed(archive, version).items():
            wheel.writestr(name, data)
    return made


def _renamed(archive: zipfile.ZipFile, version: str) -> Mapping[str, bytes]:
    """Return the files of pip's wheel *archive* as if it were *version*."""
    (record,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
    info = record.partition("/")[0]
    old = info.removeprefix("pip-").removesuffix(".dist-info")
    files = {}
    for name in archive.namelist():
        data = archive.read(name)
        if name in {"pip/__init__.py", f"{info}/METADATA"}:
            data = data.replace(old.encode(), version.encode(), 1)
        files[name.replace(info, f"pip-{version}.dist-info")] = data
    rows = [_row(name, data) for name, data in files.items() if not name.endswith(("/RECORD", "/"))]
    new = f"pip-{version}.dist-info/RECORD"
    return {**files, new: "".join(f"{row}\n" for row in [*rows, f"{new},,"]).encode()}


def _row(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"{name},sha256={digest},{len(data)}"


def _bundled() -> Path:
    """Return the pip that this Python brings along: for its own ensurepip, or where Debian has it."""
    for folder in (Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels")):
        for wheel in sorted(folder.glob("pip-*.whl")):
            return wheel
    pytest.fail("this Python brings no pip along: install python3-venv")


def patched_python(root: Path, old: bytes, new: bytes) -> bytes:
    """Return the Python 3.11 below *root* as if its version were *new* instead of *old*, of the same length."""
    data = (root / "usr/bin/python3.11").read_bytes()
    assert old in data
    assert len(old) == len(new)
    return data.replace(old, new)


def debian_tree(layer: Path, root: Path) -> Path:
    """Unpack *layer*, which is all of a Debian, into *root*, and return that."""
    with tarfile.open(layer) as archive:
        # Debian 12's own Python has no filters yet, and newer ones want one.
        archive.extraction_filter = getattr(tarfile, "tar_filter", None)
        archive.extractall(root)
    (root / "var/lib/dpkg/updates").mkdir(exist_ok=True)
    return root


def install(root: Path, packages: Sequence[str], changes: Path) -> None:
    """Let dpkg install *packages*, made for this, in the tree *root*; put what it changed into *changes*."""
    with tempfile.TemporaryDirectory() as folder:
        made = [_package(Path(folder), name) for name in packages]
        options = ["--force-architecture", "--force-depends", "--force-script-chrootless", f"--root={root}"]
        checked(["dpkg", *options, "--install", *made])
    shutil.copytree(root / "var/lib/dpkg", changes / "var/lib/dpkg", symlinks=True, dirs_exist_ok=True)
    for name in packages:
        shutil.copytree(root / "usr/include" / name, changes / "usr/include" / name)


def _package(folder: Path, name: str) -> Path:
    """Return a package *name* with one file, made by dpkg-deb."""
    made, root = folder / f"{name}.deb", folder / name
    (root / "DEBIAN").mkdir(parents=True)
    control = f"Package: {name}\nVersion: 1:2.36-9+deb12u3\nArchitecture: amd64\n"
    maintainer = "Maintainer: Nobody <nobody@example.org>\nDescription: for a test\n"
    (root / "DEBIAN" / "control").write_text(control + maintainer)
    (root / "usr" / "include" / name).mkdir(parents=True)
    (root / "usr" / "include" / name / "header.h").write_text("/* nothing */\n" * 100)
    checked(["dpkg-deb", "--root-owner-group", "--build", root, made])
    return made


def checked(command: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> str:
    """Run *command*, fail the test unless it succeeds, and return what it printed."""
    words = [str(word) for word in command]
    if shutil.which(words[0]) is None:
        pytest.fail(f"{words[0]} is not installed; scripts/test installs what the tests need")
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout
