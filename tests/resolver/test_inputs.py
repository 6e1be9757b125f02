"""Inputs of hooks: locked once, kept, fetched again by digest, and told when they are others."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprobuild.canonical import digest_of
from reprobuild.errors import (
    AuthenticationError,
    ContentError,
    LockError,
    NetworkError,
    ReprobuildError,
    SpecificationError,
)
from reprobuild.lockfile import ConnectorLock, LockedInput
from reprobuild.oci.retry import Patience
from reprobuild.resolver.inputs import lock_inputs, supply_inputs
from reprobuild.resolver.wishes import Wishes
from reprobuild.store import Store
from reprobuild.workspace import ConnectorSpec
from reprobuild.workspace.hooks import InputSpec
from tests.resolver.loopback_index import LoopbackIndex
from tests.resolver.test_download import cut, fail, status
from tests.resolver.worlds import Heard, connector

pytestmark = pytest.mark.anyio

DATA = os.urandom(2_500_000)
LockInputs = Callable[..., Awaitable[tuple[LockedInput, ...]]]
SupplyInputs = Callable[..., Awaitable[None]]


async def asleep(_: float) -> None:
    """Wait for nothing."""


PATIENCE = Patience(tries=3, sleep=asleep)


@pytest.fixture
def spec(index: LoopbackIndex, root: Path) -> ConnectorSpec:
    """A connector with one input that is served, and one of the workspace."""
    index.files["data"] = DATA
    (root / "ca.pem").write_bytes(b"one")
    return connector(
        inputs=(
            InputSpec(name="ca", where="w.ca", path=root / "ca.pem"),
            InputSpec(name="nltk.zip", where="w.nltk", url=f"{index.url}/data"),
        )
    )


@pytest.fixture
def lock(spec: ConnectorSpec, store: Store) -> LockInputs:
    async def lock_(known: tuple[LockedInput, ...] = (), own: ConnectorSpec = spec, **wishes: Any) -> Any:
        locks = {"source-a": locked_as(known)} if known else {}
        made = await lock_inputs([own], locks, Wishes(**wishes), store=store, progress=Heard(), patience=PATIENCE)
        return made["source-a"]

    return lock_


@pytest.fixture
def supply(spec: ConnectorSpec, store: Store) -> SupplyInputs:
    async def supply_(known: tuple[LockedInput, ...], own: ConnectorSpec = spec, *, offline: bool = False) -> None:
        await supply_inputs(own, locked_as(known), store, Heard(), offline, patience=PATIENCE)

    return supply_


def locked_as(inputs: tuple[LockedInput, ...]) -> ConnectorLock:
    return ConnectorLock(
        name="source-a", base="py", python="", requirements=(), environments=(), packages=(), inputs=inputs
    )


def locked(name: str, data: bytes) -> LockedInput:
    return LockedInput(name=name, size=len(data), digest=digest_of(data))


ONE = (locked("ca", b"one"), locked("nltk.zip", DATA))


class TestLocking:
    async def test_the_first_time(self, lock: LockInputs, store: Store) -> None:
        assert await lock() == ONE
        assert all(store.has(one.digest, one.size) for one in ONE)

    async def test_what_is_served_stays_until_it_is_asked_for(self, lock: LockInputs, index: LoopbackIndex) -> None:
        index.files["data"] = b"two"
        assert await lock(ONE) == ONE
        assert await lock(ONE, packages=("other",)) == ONE
        assert index.requests == []
        assert await lock(ONE, packages=("NLTK_zip",)) == (ONE[0], locked("nltk.zip", b"two"))
        assert await lock(ONE, upgrade=True) == (ONE[0], locked("nltk.zip", b"two"))

    async def test_a_file_is_locked_as_it_is(self, lock: LockInputs, root: Path) -> None:
        (root / "ca.pem").write_bytes(b"two")
        assert await lock(ONE) == (locked("ca", b"two"), ONE[1])

    async def test_one_that_is_new_and_one_that_is_gone(self, lock: LockInputs, spec: ConnectorSpec) -> None:
        assert await lock((locked("gone", b"x"),), replace(spec, inputs=spec.inputs[1:])) == ONE[1:]

    async def test_redirections_and_broken_bodies(self, lock: LockInputs, index: LoopbackIndex) -> None:
        index.files["real"] = DATA
        index.faults["data"] = fail(9, status(302, Location="/real"))
        index.faults["real"] = fail(2, cut)
        assert await lock() == ONE

    async def test_nobody_is_told_who_we_are(
        self, lock: LockInputs, index: LoopbackIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        index.password = "secret"
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret\n")
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url.replace("//", "//user:secret@") + "/simple")
        with pytest.raises(AuthenticationError) as error:
            await lock()
        assert error.value.where == "nltk.zip"
        assert "without credentials" in (error.value.hint or "")

    @pytest.mark.parametrize(
        ("code", "kind", "hint"), [(404, LockError, "mend the input's url"), (503, NetworkError, "check the network")]
    )
    async def test_answers_that_are_none(
        self, lock: LockInputs, index: LoopbackIndex, store: Store, code: int, kind: type[ReprobuildError], hint: str
    ) -> None:
        index.faults["data"] = fail(9, status(code))
        with pytest.raises(kind, match=f"HTTP {code}") as error:
            await lock()
        assert hint in (error.value.hint or "")
        assert list((store.root / "tmp").iterdir()) == []

    @pytest.mark.parametrize(("kind", "why"), [("none", "there is no file"), ("folder", "is not a file")])
    async def test_a_file_that_is_none(self, lock: LockInputs, root: Path, kind: str, why: str) -> None:
        (root / "ca.pem").unlink()
        if kind == "folder":
            (root / "ca.pem").mkdir()
        with pytest.raises(SpecificationError, match=why) as error:
            await lock()
        assert error.value.where == "w.ca"


class TestSupplying:
    async def test_what_the_store_lacks(self, supply: SupplyInputs, store: Store, index: LoopbackIndex) -> None:
        await supply(ONE)
        assert store.read(ONE[1].digest) == DATA
        assert store.read(ONE[0].digest) == b"one"
        index.requests.clear()
        await supply(ONE)
        await supply(ONE, offline=True)
        assert index.requests == []

    @pytest.mark.parametrize("other", [b"longer" * 500_000, b"short", os.urandom(len(DATA))], ids=len)
    async def test_whoever_serves_it_changed_it(
        self, supply: SupplyInputs, store: Store, index: LoopbackIndex, other: bytes
    ) -> None:
        index.files["data"] = other
        with pytest.raises(ContentError, match=r"the input nltk\.zip is not what is locked") as error:
            await supply(ONE)
        assert error.value.where == "w.nltk"
        assert "`reprobuild lock update -P nltk.zip`" in (error.value.hint or "")
        assert ONE[1].digest not in store
        assert digest_of(other) not in store

    async def test_a_file_that_was_changed(self, supply: SupplyInputs, root: Path) -> None:
        (root / "ca.pem").write_bytes(b"two")
        with pytest.raises(ContentError, match="the input ca is not what is locked"):
            await supply(ONE)

    async def test_offline_only_files_can_be_had(
        self, supply: SupplyInputs, store: Store, spec: ConnectorSpec, index: LoopbackIndex
    ) -> None:
        with pytest.raises(LockError, match=r"the input nltk\.zip is not in the store") as error:
            await supply(ONE, offline=True)
        assert error.value.hint == "run `reprobuild fetch` while online"
        await supply(ONE, replace(spec, inputs=spec.inputs[:1]), offline=True)
        assert ONE[0].digest in store
        assert index.requests == []

    async def test_one_that_is_not_locked(self, supply: SupplyInputs) -> None:
        with pytest.raises(LockError, match="the input ca is not locked") as error:
            await supply(ONE[1:])
        assert error.value.where == "lock/pylock.source-a.toml"
        assert error.value.hint == "run `reprobuild lock update source-a`"
