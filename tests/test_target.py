"""Tags, markers and names of targets, and the selection of wheels for them."""

from pathlib import Path

import packaging._manylinux
import packaging.tags
import pytest
from packaging.markers import Marker

from reprobuild.canonical import digest_of
from reprobuild.errors import LockError
from reprobuild.lockfile import ConnectorLock, Libc, Package, Wheel
from reprobuild.oci.types import parse_platform
from reprobuild.selection import selected
from reprobuild.store import Store
from reprobuild.target import Target, select, selection_key
from tests.resolver.worlds import AMD64, ARM64, target

MUSL = Libc(family="musl", major=1, minor=2)


def wheel(file: str) -> Wheel:
    return Wheel(file=file, size=1, digest=digest_of(file.encode()))


def lock(*packages: Package) -> ConnectorLock:
    return ConnectorLock(
        name="source-a",
        base="py",
        python="==3.11.*",
        requirements=(),
        environments=(target(AMD64).marker, target(ARM64).marker),
        packages=packages,
    )


def package(name: str, *tags: str, marker: str | None = None) -> Package:
    wheels = tuple(wheel(f"{name}-1.0-{tag}.whl") for tag in tags)
    return Package(name=name, version="1.0", wheels=wheels, marker=marker)


def test_tags_are_those_of_packaging_on_such_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaging.tags.sysconfig, "get_platform", lambda: "linux-x86_64")
    monkeypatch.setattr(packaging._manylinux, "_get_glibc_version", lambda: packaging._manylinux._GLibCVersion(2, 36))
    monkeypatch.setattr(packaging._manylinux, "_have_compatible_abi", lambda *_: True)
    platforms = list(packaging.tags._linux_platforms(is_32bit=False))
    manylinux = [platform for platform in platforms if "musl" not in platform]
    expected = [
        *packaging.tags.cpython_tags((3, 11), abis=["cp311"], platforms=manylinux),
        *packaging.tags.compatible_tags((3, 11), "cp311", manylinux),
    ]
    assert list(target().tags) == expected


def test_legacy_tags_stand_behind_their_level() -> None:
    platforms = list(dict.fromkeys(tag.platform for tag in target().tags))
    assert platforms[:2] == ["linux_x86_64", "manylinux_2_36_x86_64"]
    at = platforms.index
    assert at("manylinux_2_17_x86_64") + 1 == at("manylinux2014_x86_64") < at("manylinux_2_16_x86_64")
    assert platforms[-2:] == ["manylinux1_x86_64", "any"]
    arm = [tag.platform for tag in target(ARM64).tags]
    assert "manylinux2014_aarch64" in arm
    assert not any("2010" in platform or "manylinux1_" in platform for platform in arm)


def test_musl_knows_no_manylinux() -> None:
    platforms = {tag.platform for tag in target(libc=MUSL).tags}
    assert {"musllinux_1_2_x86_64", "musllinux_1_0_x86_64", "any"} <= platforms
    assert not any("manylinux" in platform for platform in platforms)


@pytest.mark.parametrize(
    ("platform", "libc", "name"),
    [
        ("linux/amd64", "2.36", "x86_64-manylinux_2_36"),
        ("linux/arm64", "2.36", "aarch64-manylinux_2_36"),
        ("linux/arm64/v8", "2.31", "aarch64-manylinux_2_31"),
        ("linux/amd64", "2.30", "x86_64-manylinux_2_28"),
        ("linux/amd64", "2.41", "x86_64-manylinux_2_40"),
        ("linux/ppc64le", "2.36", "ppc64le-manylinux_2_36"),
        ("linux/s390x", "2.36", "s390x-manylinux_2_36"),
        ("linux/riscv64", "2.41", "riscv64-unknown-linux"),
    ],
)
def test_names_for_uv_are_never_newer_than_the_c_library(platform: str, libc: str, name: str) -> None:
    major, minor = map(int, libc.split("."))
    made = target(parse_platform(platform), libc=Libc(family="glibc", major=major, minor=minor))
    assert made.python_platform == name


def test_musl_has_a_name_for_uv() -> None:
    assert target(ARM64, libc=MUSL).python_platform == "aarch64-unknown-linux-musl"


@pytest.mark.parametrize("platform", ["linux/arm/v7", "linux/386", "linux/riscv64"])
def test_what_uv_cannot_resolve_for_is_said(platform: str) -> None:
    with pytest.raises(LockError, match="uv cannot resolve for") as caught:
        _ = target(parse_platform(platform)).python_platform
    assert caught.value.hint


@pytest.mark.parametrize("platform", ["windows/amd64", "linux/mips64le"])
def test_platforms_without_tags_are_refused(platform: str) -> None:
    with pytest.raises(LockError, match=platform):
        _ = target(parse_platform(platform)).machine


def test_environment_answers_every_marker_and_nothing_of_the_host() -> None:
    environment = target(ARM64).environment
    assert environment["platform_machine"] == "aarch64"
    assert environment["python_full_version"] == "3.11.2"
    assert Marker(target(ARM64).marker).evaluate(environment)
    assert not Marker(target(AMD64).marker).evaluate(environment)
    from packaging.markers import default_environment

    assert environment.keys() == default_environment().keys()


def test_selects_one_wheel_per_package_in_lock_order() -> None:
    made = lock(
        package("alpha", "cp311-cp311-manylinux_2_17_aarch64", "cp311-cp311-manylinux_2_17_x86_64"),
        package("beta", "py3-none-any"),
        package("gamma", "py3-none-any", marker=target(ARM64).marker),
    )
    names = [[one.file.split("-")[0] for one in select(made, target(platform))] for platform in (AMD64, ARM64)]
    assert names == [["alpha", "beta"], ["alpha", "beta", "gamma"]]
    assert select(made, target(ARM64))[0].file.endswith("aarch64.whl")


def test_a_lock_without_a_wheel_for_the_target_is_refused() -> None:
    made = lock(package("alpha", "cp311-cp311-manylinux_2_17_x86_64"))
    with pytest.raises(LockError, match="alpha") as caught:
        select(made, target(ARM64))
    assert "lock update source-a" in str(caught.value.hint)


def test_a_lock_for_another_python_is_refused() -> None:
    with pytest.raises(LockError, match=r"3\.12\.1"):
        select(lock(package("alpha", "py3-none-any")), target(python="3.12.1"))


def test_selection_is_remembered_and_not_believed_blindly(tmp_path: Path) -> None:
    store, made = Store(tmp_path), lock(package("alpha", "py3-none-any"))
    assert selected(store, made, target()) == selected(store, made, target()) == select(made, target())
    (record,) = (path for path in (tmp_path / "records" / "selection").rglob("*") if path.is_file())
    record.write_text('{"files": ["other-1.0-py3-none-any.whl"]}')
    assert selected(store, made, target()) == select(made, target())


def test_the_key_of_a_selection_binds_text_and_target() -> None:
    keys = {
        selection_key("a", target(AMD64)),
        selection_key("b", target(AMD64)),
        selection_key("a", target(ARM64)),
        selection_key("a", target(python="3.11.3")),
        selection_key("a", Target(platform=AMD64, python="3.11.2", libc=MUSL)),
    }
    assert len(keys) == 5
