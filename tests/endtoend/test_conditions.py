"""One digest, whatever the machine is like: Python, folder, umask, time zone, locale, hash seed, order, threads."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest

from tests.endtoend.pythons import find_python, install, uv
from tests.endtoend.workspace import CONNECTOR, REPOSITORY, Built, Workspace

PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What differs from how the digests were recorded; *backwards*: files are created from the last to the first."""

    umask: int = 0o022
    environ: Mapping[str, str] = field(default_factory=dict)
    backwards: bool = False
    one_processor: bool = False


CONDITIONS = {
    "nothing": Conditions(),
    "umask": Conditions(umask=0o077),
    "time zone": Conditions(environ={"TZ": "XYZ-13:45"}),
    "locale": Conditions(environ={"LC_ALL": "POSIX", "LANGUAGE": "tr"}),
    "hash seed": Conditions(environ={"PYTHONHASHSEED": "4711"}),
    "order": Conditions(backwards=True),
    "threads": Conditions(one_processor=True),
    "everything": Conditions(
        umask=0o077,
        environ={"TZ": "XYZ+11:15", "LC_ALL": "C", "PYTHONHASHSEED": "1", "PYTHONOPTIMIZE": "2", "COLUMNS": "20"},
        backwards=True,
        one_processor=True,
    ),
}


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory: that file system lists what was created last first, where a disk's lists by hash."""
    with tempfile.TemporaryDirectory(prefix="reprobuild-", dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the Python of an environment in which reprobuild is installed from a wheel; skip without that Python."""

    @cache
    def wheel() -> Path:
        folder = tmp_path_factory.mktemp("wheel")
        done = uv("build", "--wheel", "--out-dir", folder, REPOSITORY)
        assert done.returncode == 0, done.stderr
        return next(folder.glob("*.whl"))

    @cache
    def installed(version: str) -> Path:
        found = find_python(version)
        if found is None:
            pytest.skip(f"this machine has no Python {version}")
        return install(found, tmp_path_factory.mktemp("python") / version, wheel())

    return installed


def under(conditions: Conditions, workspace: Workspace, folder: Path) -> Workspace:
    """Return a copy of *workspace* in *folder*, with an empty store, whose commands run under *conditions*."""
    copy = workspace.copy(folder)
    _rewrite(copy.root / "connectors", conditions)
    processor = f"{min(os.sched_getaffinity(0))}"
    bound = ("taskset", "--cpu-list", processor) if conditions.one_processor else ()
    return replace(copy, environ={**copy.environ, **conditions.environ}, command=(*bound, *copy.command))


def _rewrite(folder: Path, conditions: Conditions) -> None:
    """Write the files of *folder* anew in another order, with the modes that the umask leaves them."""
    paths = sorted((path for path in folder.rglob("*") if path.is_file()), reverse=conditions.backwards)
    files = [(path, path.read_bytes(), 0o777 if path.stat().st_mode & 0o100 else 0o666) for path in paths]
    shutil.rmtree(folder)
    for path, data, mode in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode & ~conditions.umask)


@pytest.mark.parametrize("name", CONDITIONS)
def test_no_condition_changes_a_digest(name: str, workspace: Workspace, built: Built, tmp_path: Path) -> None:
    conditions = CONDITIONS[name]
    copy = under(conditions, workspace, tmp_path / "elsewhere")
    assert copy.build("--offline", umask=conditions.umask) == built


@pytest.mark.parametrize("version", PYTHONS)
def test_no_python_changes_a_digest(
    version: str, python: Callable[[str], Path], workspace: Workspace, built: Built, tmp_path: Path, memory: Path
) -> None:
    """Once as it comes, on a disk, and once with everything different, in memory; from stores empty and warm."""
    reprobuild = python(version).with_name("reprobuild")
    for folder, conditions in ((tmp_path / "a", CONDITIONS["nothing"]), (memory / "b", CONDITIONS["everything"])):
        copy = under(conditions, workspace, folder)
        own = {name: value for name, value in copy.environ.items() if name != "PYTHONPATH"}
        copy = replace(copy, environ=own, command=(*copy.command[:-3], str(reprobuild)))
        assert copy.build("--offline", umask=conditions.umask) == built, "from an empty store"
        assert copy.build("--offline", umask=conditions.umask) == built, "with nothing to do"
        shutil.rmtree(copy.store / "records" / "output")
        assert copy.build("--offline", umask=conditions.umask) == built, "from the wheels' layers"
        assert copy.must("build", CONNECTOR, "--json").json["connectors"][0]["images"][0]["cached"]


def test_the_order_of_directories_really_differs(workspace: Workspace, built: Built, memory: Path) -> None:
    orders = []
    for name in ("nothing", "order"):
        copy = under(CONDITIONS[name], workspace, memory / name)
        data = copy.root / "connectors" / CONNECTOR / "source_greeting" / "data"
        orders.append([path.name for path in data.iterdir()])
        assert copy.build("--offline") == built
    assert orders[0] == orders[1][::-1]


def test_a_store_of_another_python_serves_this_one(
    python: Callable[[str], Path], workspace: Workspace, built: Built, tmp_path: Path
) -> None:
    """Builds with two Pythons share a store: what one has made, the other takes."""
    copy = workspace.copy(tmp_path / "shared")
    assert copy.build("--offline") == built
    own = {name: value for name, value in copy.environ.items() if name != "PYTHONPATH"}
    other = replace(copy, environ=own, command=(str(python("3.12").with_name("reprobuild")),))
    images = other.must("build", CONNECTOR, "--json", "--offline").json["connectors"][0]["images"]
    assert all(image["cached"] for image in images)
    assert {image["platform"]: image["manifest"]["digest"] for image in images} == built.manifests
