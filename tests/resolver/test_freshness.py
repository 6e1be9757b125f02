"""Why a lock is stale, in words, and why it is not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprobuild.canonical import digest_of
from reprobuild.errors import SpecificationError
from reprobuild.lockfile import BaseImage, ConnectorLock, Lock, LockedInput, Package, Wheel
from reprobuild.oci.reference import parse_reference
from reprobuild.resolver.freshness import Pins, base_platforms, stale
from reprobuild.workspace import BaseSpec, ConnectorSpec
from reprobuild.workspace.hooks import HookSpec, InputSpec
from tests.resolver.worlds import AMD64, ARM64, BOTH, base_image, base_spec, connector, target, workspace

WHEEL = Wheel(file="httpx-0.27.0-py3-none-any.whl", size=1, digest=digest_of(b""))
LOCK = ConnectorLock(
    name="source-a",
    base="py",
    python="==3.11.*",
    requirements=("httpx>=0.27", "idna"),
    environments=(target(AMD64).marker, target(ARM64).marker),
    packages=(Package(name="httpx", version="0.27.0", wheels=(WHEEL,)),),
)
SPEC = connector("source-a", "httpx>=0.27", "idna")


def reasons(
    *,
    spec: ConnectorSpec = SPEC,
    base: BaseSpec | None = None,
    lock: ConnectorLock | None = LOCK,
    image: BaseImage | None = None,
    **more: Any,
) -> list[str]:
    base = base or base_spec()
    bases = {"py": image or base_image()}
    made = Lock(bases=bases, connectors={"source-a": lock} if lock else {})
    return [str(one) for one in stale(workspace(Path(), spec, bases=(base,)), made, more.pop("pins", {}), **more)]


def test_a_fresh_lock_has_no_reasons() -> None:
    assert reasons(pins={"source-a": Pins(file="poetry.lock", versions={"httpx": "0.27", "other": "1"})}) == []


def with_requirements(*requirements: str) -> ConnectorSpec:
    return replace(SPEC, requirements=requirements)


@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        (("anyio", "httpx>=0.27", "idna"), "the requirement anyio was added"),
        (("httpx>=0.27",), "the requirement idna was removed"),
        (("HTTPX[http2]>=0.28", "idna"), "the requirement httpx>=0.27 was changed to HTTPX[http2]>=0.28"),
    ],
)
def test_requirements(requirements: tuple[str, ...], reason: str) -> None:
    assert reasons(spec=with_requirements(*requirements)) == [f"source-a: {reason}"]


class TestHooks:
    LOCKED = LockedInput(name="ca", size=1, digest=digest_of(b"a"))
    HOOKS = HookSpec(pre_install=Path("/pre"))

    def with_file(self, folder: Path, data: bytes) -> ConnectorSpec:
        (folder / "ca").write_bytes(data)
        return replace(SPEC, hooks=self.HOOKS, inputs=(InputSpec(name="ca", where="w", path=folder / "ca"),))

    def test_a_file_that_is_as_it_was(self, tmp_path: Path) -> None:
        assert reasons(spec=self.with_file(tmp_path, b"a"), lock=replace(LOCK, inputs=(self.LOCKED,))) == []

    def test_a_file_that_was_changed(self, tmp_path: Path) -> None:
        (reason,) = reasons(spec=self.with_file(tmp_path, b"b"), lock=replace(LOCK, inputs=(self.LOCKED,)))
        assert reason == f"source-a: the input ca was changed: {digest_of(b'a')} → {digest_of(b'b')}"

    def test_a_file_that_is_gone(self, tmp_path: Path) -> None:
        spec = self.with_file(tmp_path, b"a")
        (tmp_path / "ca").unlink()
        with pytest.raises(SpecificationError, match="there is no file"):
            reasons(spec=spec, lock=replace(LOCK, inputs=(self.LOCKED,)))

    def test_what_a_url_serves_is_not_asked(self) -> None:
        served = InputSpec(name="ca", where="w", url="http://127.0.0.1:9/")
        spec = replace(SPEC, hooks=self.HOOKS, inputs=(served,))
        assert reasons(spec=spec, lock=replace(LOCK, inputs=(self.LOCKED,))) == []
        assert reasons(spec=spec) == ["source-a: the input ca was added"]
        assert reasons(lock=replace(LOCK, inputs=(self.LOCKED,))) == ["source-a: the input ca was removed"]

    def test_a_network(self) -> None:
        spec = replace(SPEC, hooks=replace(self.HOOKS, network=True))
        lock = replace(LOCK, impure=("hooks: network",))
        assert reasons(spec=spec, lock=lock) == []
        assert reasons(spec=spec) == ["source-a: it has become impure (hooks: network)"]
        assert reasons(lock=lock) == ["source-a: it is no longer impure (hooks: network)"]


def test_a_missing_lock() -> None:
    assert reasons(lock=None) == ["source-a: there is no lock"]


def test_a_damaged_lock() -> None:
    damaged = {"lock/pylock.source-a.toml": "a merge conflict is in it, at line 3"}
    expected = "source-a: its lock cannot be used: a merge conflict is in it, at line 3"
    assert reasons(lock=None, damaged=damaged) == [expected]


def test_another_base() -> None:
    other = base_spec(name="other")
    found = stale(
        workspace(Path(), replace(SPEC, base="other"), bases=(other,)),
        Lock(bases={"py": base_image()}, connectors={"source-a": LOCK}),
        {},
    )
    assert [str(one) for one in found] == [
        "other: this base image is not locked",
        "source-a: the base is other, the lock is for py",
        "py: this base image is locked and no longer specified",
    ]
    assert found[0].where == "base-images.lock.toml"
    assert found[1].where == "lock/pylock.source-a.toml"


def test_another_image() -> None:
    base = base_spec(image=parse_reference("docker.io/library/python:3.12"))
    (reason,) = reasons(base=base)
    assert "the base image is docker.io/library/python:3.12, the lock is for docker.io/library/python:3.11" in reason


def test_another_python_in_the_base() -> None:
    assert reasons(image=base_image(python="3.12.1")) == [
        "source-a: the base has Python 3.12.1, the lock is for ==3.11.*"
    ]


def test_a_newer_patch_of_the_python_is_no_reason() -> None:
    assert reasons(image=base_image(python="3.11.9")) == []


@pytest.mark.parametrize(
    ("wanted", "locked", "reason"),
    [
        ("25.3", None, "pip is to be 25.3, the lock has none"),
        ("25.3", "25.2", "pip is to be 25.3, the lock has 25.2"),
        (None, "25.2", "pip is to be as in the base image, the lock has 25.2"),
        ("25.3", "25.3", ""),
        (None, None, ""),
    ],
)
def test_the_pip(wanted: str | None, locked: str | None, reason: str) -> None:
    wheel = replace(WHEEL, file=f"pip-{locked}-py3-none-any.whl") if locked else None
    found = reasons(base=base_spec(pip=wanted), image=base_image(pip_wheel=wheel))
    assert found == ([f"py: {reason}"] if reason else [])


def test_a_platform_added_and_removed() -> None:
    only = base_image(platforms={AMD64: base_image().platforms[AMD64]})
    assert reasons(image=only, lock=replace(LOCK, environments=(target(AMD64).marker,))) == [
        "py: the platform linux/arm64 was added",
        "source-a: the platform linux/arm64 was added",
    ]
    assert reasons(spec=replace(SPEC, platforms=(AMD64,))) == [
        "py: the platform linux/arm64 was removed",
        f"source-a: a platform was removed: {target(ARM64).marker}",
    ]


def test_pins_that_moved() -> None:
    pins = {"source-a": Pins(file="connectors/a/poetry.lock", versions={"httpx": "0.28.1"})}
    assert reasons(pins=pins) == ["source-a: connectors/a/poetry.lock has httpx 0.28.1, the lock has 0.27.0"]


def test_a_connector_that_is_gone() -> None:
    found = stale(workspace(Path()), Lock(bases={"py": base_image()}, connectors={"source-a": LOCK}), {})
    assert [str(one) for one in found] == ["source-a: locked and no longer specified"]


def test_bases_are_locked_for_the_platforms_of_their_connectors() -> None:
    assert base_platforms(workspace(Path(), replace(SPEC, platforms=(ARM64,))), "py") == (ARM64,)
    assert base_platforms(workspace(Path()), "py") == BOTH
