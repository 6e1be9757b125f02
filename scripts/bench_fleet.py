"""A fleet: many connectors made of the wheels of this workspace's, no two of them of the same ones.

Each takes one lock of the workspace and leaves out an eighth of its distributions, other ones for each connector, by
a rule that is the same everywhere. So they share nearly all wheels, and no image is another's. Nothing is resolved:
a build installs what a lock lists, and these images are never started.
"""

import base64
import hashlib
import io
import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reprobuild.lock_files import find_lock
from reprobuild.lock_writer import write_base_lock, write_connector_lock
from reprobuild.lockfile import BASE_LOCK, ConnectorLock, Package, Wheel, lock_path
from reprobuild.store import Store

__all__ = ["changed_wheel", "connector_name", "make_fleet", "renew"]

_LEFT_OUT = 8
"""One of so many distributions is left out."""
_LARGEST = 1024 * 1024
"""A wheel from this size has a layer of its own, and a change of it concerns that layer alone."""
_SPECIFICATION = """\
[tool.reprobuild]
platforms = {platforms}
connectors = ["connectors/*"]

[tool.reprobuild.base."python-3.11"]
image = "oci:build/base:python-3.11"
pip = "25.3"
timezone = "UTC"
env = {{ PYTHONUNBUFFERED = "1" }}
"""
_PROJECT = """\
[project]
name = "{name}"
version = "1.0.0"
dependencies = {dependencies}

[tool.reprobuild]
packages = []
base = "python-3.11"
labels = {{ "io.airbyte.name" = "{name}" }}
"""
_MAIN = '''\
"""The connector {name}."""

print("{name}")
'''


def connector_name(number: int) -> str:
    """Return the name of the fleet's connector *number*, from 0."""
    return f"source-fleet-{number:03}"


def make_fleet(root: Path, folder: Path, count: int) -> Path:
    """Make *folder* a workspace of *count* connectors from the locks of the workspace *root*; return it.

    Its wheels are in no folder: a store or an index has to have them.
    """
    folder.mkdir(parents=True)
    (folder / "build").mkdir()
    (folder / "build" / "base").symlink_to(root / "build" / "base")
    shutil.copy(root / BASE_LOCK, folder / BASE_LOCK)
    _keep_bases(folder)
    (folder / "lock").mkdir()
    patterns = _patterns(root)
    platforms = ["linux/amd64", "linux/arm64"]
    (folder / "pyproject.toml").write_text(_SPECIFICATION.format(platforms=json.dumps(platforms)), encoding="utf-8")
    for number in range(count):
        _make_connector(folder, number, patterns[number % len(patterns)])
    return folder


def changed_wheel(folder: Path, store: Store) -> tuple[Wheel, Wheel]:
    """Return the wheel that most connectors of *folder* have in a layer with others, and another build of it.

    Of equally common ones it is the largest; the other build differs in one module, and is put into *store*.
    """
    locks = find_lock(folder).lock.connectors.values()
    counts = Counter(wheel for lock in locks for package in lock.packages for wheel in package.wheels)
    small = [wheel for wheel in counts if wheel.size < _LARGEST and wheel.file.endswith("-none-any.whl")]
    old = max(small, key=lambda wheel: (counts[wheel], wheel.size, wheel.file))
    data = _other_build(store.read(old.digest))
    name, version, *tags = old.file.split("-")
    return old, Wheel(file="-".join([name, version, "1", *tags]), size=len(data), digest=store.add(data))


def renew(folder: Path, old: Wheel, new: Wheel) -> int:
    """Let the locks of *folder* have *new* where they have *old*; return how many there were."""
    found = find_lock(folder).lock.connectors
    changed = 0
    for name, lock in found.items():
        packages = tuple(_with(package, old, new) for package in lock.packages)
        if packages != lock.packages:
            changed += 1
            text = write_connector_lock(replace(lock, packages=packages))
            (folder / lock_path(name)).write_text(text, encoding="utf-8")
    return changed


def _keep_bases(folder: Path) -> None:
    """Leave the one base in the lock that the fleet specifies."""
    (base,) = (base for name, base in find_lock(folder).lock.bases.items() if name == "python-3.11")
    (folder / BASE_LOCK).write_text(write_base_lock({base.name: base}), encoding="utf-8")


def _patterns(root: Path) -> list[ConnectorLock]:
    """Return the locks of *root* that are for two platforms, by name."""
    found = find_lock(root).lock.connectors
    return [lock for _, lock in sorted(found.items()) if len(lock.environments) == 2]


def _make_connector(folder: Path, number: int, pattern: ConnectorLock) -> None:
    name = connector_name(number)
    own = folder / "connectors" / name
    own.mkdir(parents=True)
    project = _PROJECT.format(name=name, dependencies=json.dumps(list(pattern.requirements)))
    (own / "pyproject.toml").write_text(project, encoding="utf-8")
    (own / "main.py").write_text(_MAIN.format(name=name), encoding="utf-8")
    packages = tuple(package for package in pattern.packages if _is_kept(number, package))
    lock = replace(pattern, name=name, packages=packages, outputs={})
    (folder / lock_path(name)).write_text(write_connector_lock(lock), encoding="utf-8")


def _is_kept(number: int, package: Package) -> bool:
    return hashlib.sha256(f"{number} {package.name}".encode()).digest()[0] % _LEFT_OUT != 0


def _with(package: Package, old: Wheel, new: Wheel) -> Package:
    wheels = tuple(sorted((new if wheel == old else wheel for wheel in package.wheels), key=lambda one: one.file))
    return replace(package, wheels=wheels)


def _other_build(data: bytes) -> bytes:
    """Return a wheel with a comment more at the end of its first module, and a RECORD that knows it."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as after:
        names = before.namelist()
        module = next(name for name in names if name.endswith(".py"))
        (record,) = (name for name in names if name.endswith(".dist-info/RECORD"))
        changed = before.read(module) + b"\n# another build\n"
        for info in before.infolist():
            content = before.read(info)
            if info.filename == module:
                content = changed
            elif info.filename == record:
                content = _recorded(content.decode(), module, changed).encode()
            after.writestr(info, content)
    return made.getvalue()


def _recorded(record: str, module: str, content: bytes) -> str:
    encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    line = f"{module},sha256={encoded},{len(content)}"
    lines: Sequence[str] = record.splitlines()
    return "\n".join(line if one.startswith(f"{module},") else one for one in lines) + "\n"
