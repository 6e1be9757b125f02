"""What wheels need is looked up when they are locked: on a base in an image layout, with wheels from an index."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reprobuild.errors import LockError
from reprobuild.lock_files import Found
from reprobuild.lockfile import Lock
from reprobuild.oci.layout import write_layout
from reprobuild.oci.reference import parse_reference
from reprobuild.oci.types import Platform
from reprobuild.resolver.update import Update, Wishes, update
from reprobuild.store import Store
from reprobuild.workspace import ConnectorSpec
from reprobuild.workspace.hooks import HookSpec
from tests.elf_files import AARCH64, X86_64, shared_object
from tests.images import AMD64, ARM64
from tests.resolver.base_images import Files, file, image, python_org
from tests.resolver.base_images import index as image_index
from tests.resolver.loopback_index import LoopbackIndex
from tests.resolver.worlds import Heard, base_spec, connector, workspace

pytestmark = pytest.mark.anyio

MACHINES = {AMD64: ("x86_64", X86_64), ARM64: ("aarch64", AARCH64)}
Relock = Callable[..., Awaitable[Update]]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def relock(root: Path, store: Store, tmp_path: Path, heard: Heard) -> Relock:
    """Lock connectors on a base that has *libraries*, by the version that each defines, and those *needing* others."""

    async def relock_(
        *connectors: ConnectorSpec,
        lock: Lock | None = None,
        needing: dict[str, list[str]] | None = None,
        **libraries: str,
    ) -> Update:
        away = Store(tmp_path / "away")
        images = [image(_files(one, libraries, needing or {}), platform=one) for one in MACHINES]
        described = replace(image_index(*images, store=away), platform=None)
        write_layout(root / "base", entries=[(described, "py")], store=away)
        spec = base_spec(image=parse_reference("oci:base:py"))
        found = Found(lock=lock or Lock(bases={}, connectors={}))
        return await update(workspace(root, *connectors, bases=(spec,)), found, Wishes(), store=store, progress=heard)

    return relock_


def _files(platform: Platform, libraries: dict[str, str], needing: dict[str, list[str]]) -> Files:
    name, machine = MACHINES[platform]
    contents = {
        soname: shared_object(soname, provides=[version], machine=machine) for version, soname in libraries.items()
    }
    contents |= {soname: shared_object(soname, needed=needed, machine=machine) for soname, needed in needing.items()}
    added = [file(f"usr/lib/{name}-linux-gnu/{soname}", content) for soname, content in contents.items()]
    return [*python_org(platform=platform), file("etc/os-release", b"ID=debian\nVERSION_ID=12\n"), *added]


def native(index: LoopbackIndex, name: str, *needed: str, requires: dict[str, list[str]] | None = None) -> None:
    """Add wheels of *name* for both platforms, of a module that needs libraries."""
    for machine, number in MACHINES.values():
        module = shared_object(needed=["libc.so.6", *needed], requires=requires or {}, machine=number)
        index.wheel(name, "1.0", tag=f"cp311-cp311-manylinux_2_17_{machine}", files={f"{name}/module.so": module})


async def test_what_is_missing_is_named_with_its_package(index: LoopbackIndex, relock: Relock) -> None:
    native(index, "alpha", "libstdc++.so.6")
    with pytest.raises(LockError) as caught:
        await relock(connector("source-a", "alpha"))
    assert caught.value.where == "source-a"
    heading, line = caught.value.message.splitlines()
    assert heading == "wheels need shared libraries that neither the base image py nor another wheel has:"
    assert line == (
        "  libstdc++.so.6 on linux/amd64 and linux/arm64, for wheels of alpha 1.0 (Debian's package libstdc++6)"
    )
    assert caught.value.hint == (
        "install Debian's package libstdc++6 in the base image, or take another base image; if the connector does "
        'without, say so in its table: missing-libraries = ["libstdc++.so.6"]'
    )


async def test_all_connectors_are_told_at_once(index: LoopbackIndex, relock: Relock) -> None:
    native(index, "alpha", "libpq.so.5")
    native(index, "beta", "libodbc.so.2")
    with pytest.raises(LockError) as caught:
        await relock(connector("source-a", "alpha"), connector("source-b", "beta"), connector("source-c"))
    assert caught.value.where == "source-a, source-b"
    assert [line.split()[0] for line in caught.value.message.splitlines()[1:]] == ["libodbc.so.2", "libpq.so.5"]


async def test_what_the_base_or_another_wheel_has_is_there(index: LoopbackIndex, relock: Relock) -> None:
    native(index, "alpha", "libx.so.1", "liby.so.1", requires={"libx.so.1": ["X_1"]})
    for machine, number in MACHINES.values():
        files = {"beta.libs/liby.so.1": shared_object(machine=number)}
        index.wheel("beta", "1.0", tag=f"cp311-cp311-manylinux_2_17_{machine}", files=files)
    made = await relock(connector("source-a", "alpha", "beta"), X_1="libx.so.1")
    assert {package.name for package in made.lock.connectors["source-a"].packages} == {"alpha", "beta"}


async def test_versions_that_are_missing_are_named(index: LoopbackIndex, relock: Relock) -> None:
    native(index, "alpha", "libx.so.1", requires={"libx.so.1": ["X_1", "X_2"]})
    with pytest.raises(LockError, match=r"libx\.so\.1 with X_2 on linux/amd64 and linux/arm64") as caught:
        await relock(connector("source-a", "alpha"), X_1="libx.so.1")
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("take a newer base image, or an older version of the distribution")


async def test_a_connector_may_do_without(index: LoopbackIndex, relock: Relock) -> None:
    native(index, "alpha", "libstdc++.so.6")
    await relock(connector("source-a", "alpha", missing_libraries=("libstdc++.so.6",)))


async def test_hooks_may_bring_it(index: LoopbackIndex, relock: Relock, heard: Heard, tmp_path: Path) -> None:
    native(index, "alpha", "libstdc++.so.6")
    await relock(connector("source-a", "alpha", hooks=HookSpec(pre_install=tmp_path / "pre-install")))
    (warning,) = heard.warnings
    assert warning.startswith("source-a: wheels need shared libraries")
    assert "libstdc++.so.6 on linux/amd64 and linux/arm64" in warning


async def test_a_base_is_read_only_where_native_code_is_and_only_once(
    index: LoopbackIndex, relock: Relock, store: Store, root: Path
) -> None:
    index.wheel("alpha", "1.0")
    native(index, "beta")
    made = await relock(connector("source-a", "alpha"))
    kinds = store.root / "records"
    assert not (kinds / "base-libraries").exists()
    made = await relock(connector("source-a", "beta"), lock=made.lock)
    assert len([path for path in (kinds / "base-libraries").rglob("*") if path.is_file()]) == 2
    (root / "base").rename(root / "gone")
    again = workspace(root, connector("source-a", "beta"), bases=(base_spec(image=parse_reference("oci:base:py")),))
    same = await update(again, Found(lock=made.lock), Wishes(), store=store, progress=Heard())
    assert same.changes == ()


async def test_what_the_base_lacks_for_its_own_libraries_is_told(index: LoopbackIndex, relock: Relock) -> None:
    native(index, "alpha", "libpq.so.5")
    base = {AMD64: "/usr/lib/x86_64-linux-gnu/libpq.so.5", ARM64: "/usr/lib/aarch64-linux-gnu/libpq.so.5"}
    with pytest.raises(LockError, match=r"libldap-2\.5\.so\.0 on linux/amd64 and linux/arm64") as caught:
        await relock(connector("source-a", "alpha"), needing={"libpq.so.5": ["libldap-2.5.so.0"]})
    for path in base.values():
        assert f"alpha 1.0 (through the base image's {path})" in caught.value.message
