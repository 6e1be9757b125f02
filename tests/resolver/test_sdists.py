"""Sdists from resolution to lock and back: chosen as uv would, built in a sandbox, locked by hash, built again."""

import io
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from uv import find_uv_bin

from reprobuild.builder.sdist_wheels import SdistWheels
from reprobuild.errors import ContentError, LockError, MachineError
from reprobuild.lock_files import find_lock
from reprobuild.lock_writer import write_base_lock
from reprobuild.lockfile import BASE_LOCK, Package
from reprobuild.oci.reference import parse_reference
from reprobuild.resolver.barren import barren_python
from reprobuild.resolver.fetch import fetch
from reprobuild.resolver.freshness import stale
from reprobuild.resolver.update import Update, Wishes, outdated, update
from reprobuild.resolver.writing import write
from reprobuild.store import Store
from reprobuild.workspace import BaseSpec, ConnectorSpec, Workspace
from tests.builder.sdists import make_sdist
from tests.resolver.loopback_index import LoopbackIndex, wheel_bytes
from tests.resolver.sandbox import Sandbox, add_sdist, executions, local_base
from tests.resolver.worlds import Heard, base_spec, connector, workspace

pytestmark = pytest.mark.anyio

X86 = "cp311-cp311-manylinux_2_17_x86_64"
Relock = Callable[..., Awaitable[Update]]


class World:
    """A workspace with a base on disk, its lock, a store and a sandbox."""

    def __init__(self, root: Path, store: Store, scratch: Store) -> None:
        self.root, self.store, self.heard = root, store, Heard()
        self.sandbox = Sandbox(store)
        self.elsewhere = "here"
        self.bases: tuple[BaseSpec, ...] = (base_spec(image=parse_reference("oci:py:py")),)
        self.constraints: tuple[str, ...] = ()
        (root / BASE_LOCK).write_text(write_base_lock({"py": local_base(root, scratch)}))

    def workspace(self, *connectors: ConnectorSpec) -> Workspace:
        made = workspace(self.root, *connectors, bases=self.bases)
        return Workspace(
            **{name: getattr(made, name) for name in made.__slots__} | {"build_constraints": self.constraints}
        )

    async def lock(self, *connectors: ConnectorSpec, **wishes: Any) -> Update:
        made = self.workspace(*connectors)
        run = executions(self.sandbox, elsewhere=self.elsewhere)
        new = await update(
            made, find_lock(self.root), Wishes(**wishes), store=self.store, progress=self.heard, executions=run
        )
        write(self.root, new)
        assert stale(made, find_lock(self.root).lock, {}) == ()
        return new

    async def fetch(self, store: Store, *connectors: ConnectorSpec, offline: bool = False) -> Sandbox:
        """Fetch all into *store* as another machine would, and return its sandbox."""
        made, sandbox = self.workspace(*connectors), Sandbox(store)
        builds = SdistWheels(executions=executions(sandbox), store=store, epoch=made.epoch)
        lock = find_lock(self.root).lock
        await fetch(made, lock, list(made.connectors), store, progress=self.heard, builds=builds, offline=offline)
        return sandbox


@pytest.fixture(scope="session")
def barren(uv_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that builds nothing, which uv knows already: finding out takes most of a small answer."""
    python = barren_python(Store(tmp_path_factory.mktemp("barren")))
    command = [find_uv_bin(), "pip", "compile", "-", "--no-index", "--python", str(python)]
    subprocess.run(
        command, input=b"", env={**os.environ, "UV_CACHE_DIR": str(uv_cache)}, capture_output=True, check=True
    )
    return python


@pytest.fixture
def known(barren: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reprobuild.resolver.stand_ins.barren_python", lambda _: barren)


@pytest.fixture
def world(known: None, root: Path, store: Store, tmp_path: Path, index: LoopbackIndex) -> World:
    for version in ("1.0", "2.0"):
        index.wheel("backend", version)
    index.wheel("pyproject-hooks", "1.2.0")
    return World(root, store, Store(tmp_path / "scratch"))


def package(made: Update, name: str, connector: str = "source-a") -> Package:
    return next(one for one in made.lock.connectors[connector].packages if one.name == name)


def files(one: Package) -> list[str]:
    return [wheel.file for wheel in one.wheels]


async def test_a_wheel_for_everywhere_is_built_once_and_locked_with_what_built_it(
    world: World, index: LoopbackIndex
) -> None:
    add_sdist(index, "only", "1.0", requires=["alpha"])
    index.wheel("alpha", "1.0")
    made = await world.lock(connector("source-a", "only"))
    only = package(made, "only")
    assert files(only) == ["only-1.0-py3-none-any.whl"]
    assert only.sdist is not None
    assert (only.sdist.file, only.sdist.builder) == ("only-1.0.tar.gz", "py")
    assert [one.file for one in only.sdist.requires] == [
        "backend-2.0-py3-none-any.whl",
        "pyproject_hooks-1.2.0-py3-none-any.whl",
    ]
    assert package(made, "alpha").sdist is None, "the built wheel's metadata counts"
    assert world.sandbox.built() == ["building only-1.0.tar.gz for linux/amd64"]
    text = (world.root / "lock" / "pylock.source-a.toml").read_text()
    assert index.url not in text


async def test_machine_code_is_built_for_each_platform(world: World, index: LoopbackIndex) -> None:
    add_sdist(index, "native", "1.0", native=True, files={"native.so": b"\x7fELF"})
    made = await world.lock(connector("source-a", "native"))
    assert files(package(made, "native")) == [
        "native-1.0-cp311-cp311-linux_aarch64.whl",
        "native-1.0-cp311-cp311-linux_x86_64.whl",
    ]
    assert world.heard.warnings == []


async def test_only_platforms_without_a_wheel_are_built_for(world: World, index: LoopbackIndex) -> None:
    add_sdist(index, "mixed", "1.0", native=True, files={"mixed.so": b"\x7fELF"})
    index.wheel("mixed", "1.0", tag=X86)
    made = await world.lock(connector("source-a", "mixed"))
    mixed = package(made, "mixed")
    assert files(mixed) == ["mixed-1.0-cp311-cp311-linux_aarch64.whl", f"mixed-1.0-{X86}.whl"]
    assert [wheel.file for wheel in mixed.built] == ["mixed-1.0-cp311-cp311-linux_aarch64.whl"]


async def test_versions_are_those_that_uv_would_install(world: World, index: LoopbackIndex) -> None:
    """An old version with a wheel is no reason to do without a newer one that only has an sdist."""
    index.wheel("alpha", "0.1")
    index.wheel("alpha", "1.0", requires=["only==2.0"])
    index.wheel("only", "0.4")
    for version in ("1.0", "2.0", "3.0"):
        add_sdist(index, "only", version)
    made = await world.lock(connector("source-a", "alpha"))
    assert (package(made, "alpha").version, package(made, "only").version) == ("1.0", "2.0")
    assert world.sandbox.built() == ["building only-2.0.tar.gz for linux/amd64"], "what nobody chooses is not built"


async def test_wheels_that_do_are_taken_and_nothing_is_built(world: World, index: LoopbackIndex) -> None:
    add_sdist(index, "both", "1.0")
    index.wheel("both", "1.0")
    made = await world.lock(connector("source-a", "both"))
    assert package(made, "both").sdist is None
    assert world.sandbox.runs == []


async def test_sdists_may_need_sdists(world: World, index: LoopbackIndex) -> None:
    add_sdist(index, "outer", "1.0", requires=["inner>=1"])
    add_sdist(index, "inner", "1.5", requires=["alpha"])
    index.wheel("alpha", "1.0")
    made = await world.lock(connector("source-a", "outer"))
    assert {one.name: one.sdist is not None for one in made.lock.connectors["source-a"].packages} == {
        "alpha": False,
        "inner": True,
        "outer": True,
    }


async def test_an_update_that_changes_nothing_builds_nothing(world: World, index: LoopbackIndex) -> None:
    add_sdist(index, "only", "1.0")
    await world.lock(connector("source-a", "only"))
    before = len(world.sandbox.runs)
    index.wheel("backend", "3.0")
    again = await world.lock(connector("source-a", "only"))
    assert (again.changes, len(world.sandbox.runs)) == ((), before)


async def test_another_connector_takes_what_is_locked(world: World, index: LoopbackIndex) -> None:
    add_sdist(index, "only", "1.0")
    one = connector("source-a", "only")
    first = await world.lock(one)
    before = len(world.sandbox.runs)
    index.wheel("backend", "3.0")
    made = await world.lock(one, connector("source-b", "only"), names=["source-b"])
    assert package(made, "only", "source-b") == package(first, "only")
    assert len(world.sandbox.runs) == before


async def test_an_upgrade_moves_what_it_is_built_with(world: World, index: LoopbackIndex) -> None:
    add_sdist(index, "only", "1.0")
    await world.lock(connector("source-a", "only"))
    index.wheel("backend", "3.0")
    made = await world.lock(connector("source-a", "only"), packages=["only"])
    sdist = package(made, "only").sdist
    assert sdist is not None
    assert sdist.requires[0].file == "backend-3.0-py3-none-any.whl"


async def test_build_constraints_bound_what_it_is_built_with(world: World, index: LoopbackIndex) -> None:
    add_sdist(index, "only", "1.0")
    one = connector("source-a", "only")
    await world.lock(one)
    world.constraints = ("backend<2",)
    reasons = stale(world.workspace(one), find_lock(world.root).lock, {})
    assert [str(reason) for reason in reasons] == [
        "source-a: only 1.0 is built from source: the lock has backend 2.0, build-constraints backend<2"
    ]
    sdist = package(await world.lock(one), "only").sdist
    assert sdist is not None
    assert sdist.requires[0].file == "backend-1.0-py3-none-any.whl"


async def test_what_the_backend_asks_for_is_added(world: World, index: LoopbackIndex) -> None:
    index.wheel("helper", "1.0")
    text = b'["backend>=1", "helper; python_version > \'3\'", "never; python_version < \'3\'"]'
    add_sdist(index, "only", "1.0", more={"requires.json": text})
    sdist = package(await world.lock(connector("source-a", "only")), "only").sdist
    assert sdist is not None
    assert [one.file.split("-")[0] for one in sdist.requires] == ["backend", "helper", "pyproject_hooks"]


async def test_build_requirements_are_wheels(world: World, index: LoopbackIndex) -> None:
    add_sdist(index, "tool", "1.0")
    add_sdist(index, "only", "1.0", system='[build-system]\nrequires = ["tool"]\n')
    with pytest.raises(LockError, match="tool") as caught:
        await world.lock(connector("source-a", "only"))
    assert caught.value.where == "what only 1.0 is built with"
    assert "build-constraints" in str(caught.value.hint)


async def test_nothing_of_an_sdist_runs_on_this_machine(world: World, index: LoopbackIndex, tmp_path: Path) -> None:
    """Not its setup.py, and not a backend of its own that needs nothing."""
    marker = tmp_path / "ran"
    code = f"open({str(marker)!r}, 'w').close()\n".encode()
    own = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
    add_sdist(index, "old", "1.0", system="", more={"setup.py": code})
    add_sdist(index, "own", "1.0", system=own, more={"own.py": code, "get_interpreter_info.py": code})
    index.wheel("setuptools", "80.0")
    await world.lock(connector("source-a", "old", "own"))
    assert not marker.exists()
    assert len(world.sandbox.built()) == 2


async def test_metadata_that_an_sdist_states_is_believed_until_it_is_built(world: World, index: LoopbackIndex) -> None:
    text = b"Metadata-Version: 2.2\nName: only\nVersion: 1.0\nRequires-Dist: alpha\n"
    add_sdist(index, "only", "1.0", more={"PKG-INFO": text}, requires=["alpha"])
    index.wheel("alpha", "1.0")
    made = await world.lock(connector("source-a", "only"))
    assert package(made, "only").sdist is not None
    assert package(made, "alpha").version == "1.0"


async def test_two_builds_that_differ_are_refused_and_the_member_is_named(world: World, index: LoopbackIndex) -> None:
    file = "only-1.0-py3-none-any.whl"
    other = wheel_bytes("only", "1.0", files={"only.py": b"MADE = '2026-11-22T10:01:00'\n"})
    add_sdist(index, "only", "1.0", files={"only.py": b"MADE = '2026-11-22T10:00:00'\n"}, more={f"there/{file}": other})
    world.elsewhere = "there"
    with pytest.raises(ContentError, match=r"two builds of it for linux/amd64 differ in only\.py") as caught:
        await world.lock(connector("source-a", "only"))
    assert caught.value.where == "only-1.0.tar.gz"


@pytest.mark.parametrize(
    ("output", "hint"),
    [
        ("x86_64-linux-gnu-gcc: not found\n", "compiler"),
        ("error: command 'gcc' failed: No such file or directory\n", "compiler"),
        ("fatal error: Python.h: No such file or directory\n", "header"),
        ("urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>\n", "no network"),
        ("ModuleNotFoundError: No module named 'pkg_resources'\n", "build-constraints"),
        ("Segmentation fault\n", "has wheels"),
    ],
)
async def test_a_build_that_fails_shows_its_end_and_the_way_out(
    world: World, index: LoopbackIndex, output: str, hint: str
) -> None:
    add_sdist(index, "only", "1.0", more={"output": b"first\n" + output.encode()}, system="")
    index.wheel("setuptools", "80.0")
    with pytest.raises(ContentError, match="failed with exit code 1") as caught:
        await world.lock(connector("source-a", "only"))
    assert output.strip() in caught.value.message
    assert hint in str(caught.value.hint)


async def test_wrong_metadata_is_refused(world: World, index: LoopbackIndex) -> None:
    file = "other-1.0-py3-none-any.whl"
    more = {"amd64": file.encode(), f"wheels/{file}": wheel_bytes("other", "1.0")}
    add_sdist(index, "only", "1.0", more=more)
    with pytest.raises(ContentError, match="its name is 'other', that of the sdist is 'only'"):
        await world.lock(connector("source-a", "only"))


async def test_a_platform_that_nobody_can_run_is_an_error_of_the_machine(world: World, index: LoopbackIndex) -> None:
    add_sdist(index, "native", "1.0", native=True)
    world.sandbox.foreign = False
    with pytest.raises(MachineError, match="no emulator"):
        await world.lock(connector("source-a", "native"))


async def test_a_wheel_for_one_platform_without_machine_code_is_told(world: World, index: LoopbackIndex) -> None:
    add_sdist(index, "native", "1.0", native=True)
    await world.lock(connector("source-a", "native"))
    assert "does its build miss a compiler on py?" in world.heard.warnings[0]


async def test_it_is_built_on_the_builder(world: World, index: LoopbackIndex, tmp_path: Path) -> None:
    add_sdist(index, "only", "1.0")
    builder = local_base(world.root, Store(tmp_path / "more"), "tools")
    (world.root / BASE_LOCK).write_text(write_base_lock({**find_lock(world.root).lock.bases, "tools": builder}))
    image, tools = parse_reference("oci:py:py"), parse_reference("oci:tools:py")
    world.bases = (base_spec(image=image, builder="tools"), base_spec(name="tools", image=tools))
    sdist = package(await world.lock(connector("source-a", "only", base="py")), "only").sdist
    assert sdist is not None
    assert sdist.builder == "tools"
    assert find_lock(world.root).lock.bases.keys() == {"py", "tools"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"python": "3.12.1"}, "it has Python 3.12.1, py has 3.11.2"),
        ({"libc": "2.41"}, "newer than the glibc 2.36"),
        ({"libc": "musl"}, "its C library is musl 1.2"),
    ],
)
async def test_a_builder_that_does_not_fit_is_refused(
    world: World, index: LoopbackIndex, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    from reprobuild.lockfile import Libc

    libcs = {"2.41": Libc(family="glibc", major=2, minor=41), "musl": Libc(family="musl", major=1, minor=2)}
    add_sdist(index, "only", "1.0")
    made = {key: libcs[value] if key == "libc" else value for key, value in changes.items()}
    builder = local_base(world.root, Store(tmp_path / "more"), "tools", **made)
    (world.root / BASE_LOCK).write_text(write_base_lock({**find_lock(world.root).lock.bases, "tools": builder}))
    image, tools = parse_reference("oci:py:py"), parse_reference("oci:tools:py")
    world.bases = (base_spec(image=image, builder="tools"), base_spec(name="tools", image=tools))
    with pytest.raises(LockError, match=message) as caught:
        await world.lock(connector("source-a", "only", base="py"))
    assert caught.value.where == "the base tools"


async def test_another_machine_builds_it_again_and_places_it(
    world: World, index: LoopbackIndex, tmp_path: Path
) -> None:
    add_sdist(index, "only", "1.0")
    one = connector("source-a", "only")
    only = package(await world.lock(one), "only")
    there = Store(tmp_path / "there")
    sandbox = await world.fetch(there, one)
    assert sandbox.built() == ["building only-1.0.tar.gz for linux/amd64"]
    assert there.has(only.wheels[0].digest, only.wheels[0].size)
    placed = world.root / "lock" / "wheels" / only.wheels[0].file
    with ZipFile(io.BytesIO(placed.read_bytes())) as archive:
        assert "only/__init__.py" in archive.namelist()


async def test_a_machine_without_network_takes_what_was_placed(
    world: World, index: LoopbackIndex, tmp_path: Path
) -> None:
    add_sdist(index, "only", "1.0")
    one = connector("source-a", "only")
    await world.lock(one)
    await world.fetch(world.store, one)
    index.requests.clear()
    assert (await world.fetch(Store(tmp_path / "there"), one, offline=True)).runs == []
    assert index.requests == []
    (world.root / "lock" / "wheels" / "only-1.0-py3-none-any.whl").unlink()
    with pytest.raises(LockError, match=r"only-1\.0\.tar\.gz is not in the store"):
        await world.fetch(Store(tmp_path / "elsewhere"), one, offline=True)


async def test_a_build_that_gives_another_wheel_is_refused(world: World, index: LoopbackIndex, tmp_path: Path) -> None:
    add_sdist(index, "only", "1.0")
    one = connector("source-a", "only")
    only = package(await world.lock(one), "only")
    path = world.root / "lock" / "pylock.source-a.toml"
    hex_ = only.wheels[0].digest.partition(":")[2]
    path.write_text(path.read_text().replace(hex_, "0" * 64))
    with pytest.raises(ContentError, match=r"building it from only-1\.0\.tar\.gz gives") as caught:
        await world.fetch(Store(tmp_path / "there"), one)
    assert only.wheels[0].digest in caught.value.message
    assert "-P only" in str(caught.value.hint)


async def test_an_sdist_that_changed_on_the_index_is_refused(
    world: World, index: LoopbackIndex, tmp_path: Path
) -> None:
    file = add_sdist(index, "only", "1.0")
    one = connector("source-a", "only")
    await world.lock(one)
    index.files[file] = make_sdist({"setup.py": b"import evil\n"}, name="only")
    with pytest.raises(ContentError, match="the index has it as"):
        await world.fetch(Store(tmp_path / "there"), one)


async def test_what_is_newer_is_told_with_sdists(world: World, index: LoopbackIndex) -> None:
    add_sdist(index, "only", "1.0")
    one = connector("source-a", "only")
    await world.lock(one)
    add_sdist(index, "only", "1.1")
    changes = await outdated(
        world.workspace(one),
        find_lock(world.root),
        None,
        store=world.store,
        progress=world.heard,
        executions=executions(world.sandbox),
    )
    assert [str(change) for change in changes] == ["source-a: only 1.0 → 1.1"]
