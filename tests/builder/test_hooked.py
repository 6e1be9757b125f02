"""Images with hooks as they are realised: what runs when, and what is made ready for it."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from reprobuild.builder.executions import Executions
from reprobuild.builder.hook import Hook
from reprobuild.builder.hooked import Kit
from reprobuild.builder.realise import realise
from reprobuild.canonical import digest_of
from reprobuild.derivation import Derivation
from reprobuild.engines.executor import Executor
from reprobuild.engines.memory import MemoryExecutor, Running
from reprobuild.errors import MachineError
from reprobuild.image.index import RootLayer
from reprobuild.oci.types import Platform
from reprobuild.progress import Silent
from reprobuild.store import Store
from tests.builder.images import AMD64, planned, put_derivation, put_whole_base

HOOK = b"#!/bin/sh\n"


class Preparing(MemoryExecutor):
    """Notes what was prepared."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, {f"/run/reprobuild/hooks/{stage}": write for stage in ("pre-install", "post-install")})
        self.prepared: list[tuple[RootLayer, ...]] = []

    async def prepare(self, layers: Sequence[RootLayer], platform: Platform, *, what: str) -> None:
        assert (platform, what) == (AMD64, "source-demo: base")
        assert self.runs == []
        self.prepared.append(tuple(layers))


async def write(running: Running) -> int:
    running.tree.write("made", b"by a hook")
    return 0


def hooked(store: Store, tmp_path: Path, *stages: str) -> Derivation:
    made = put_derivation(store, tmp_path)
    script = tmp_path / "hook"
    script.write_bytes(HOOK)
    hooks = tuple(Hook(kind=stage, source=script, digest=digest_of(HOOK)) for stage in stages)  # type: ignore[arg-type]
    return replace(made, base=put_whole_base(store, made.base, python="3.11.2"), hooks=hooks)


def build(store: Store, executions: Executions, *derivations: Derivation) -> list[str]:
    async def run() -> list[str]:
        kit = Kit(executions=executions, secrets=lambda _: dict)
        images = await realise([planned(one) for one in derivations], store, Silent(), workers=2, kit=kit)
        return [image.manifest.digest for image in images]

    return anyio.run(run)


@pytest.mark.parametrize(("stages", "times"), [(["post-install"], 1), (["pre-install"], 0)])
def test_the_base_is_prepared_once_for_what_runs_after_the_installation(
    stages: list[str], times: int, store: Store, tmp_path: Path
) -> None:
    one = hooked(store, tmp_path, *stages)
    executor = Preparing(store)
    executions = Executions(store=store, open=lambda: executor)
    build(store, executions, one, replace(one, env={"OTHER": "1"}))
    assert [len(layers) for layers in executor.prepared] == [1] * times
    assert len(executor.runs) == 2 if stages == ["post-install"] else executor.runs


def test_what_is_remembered_needs_no_engine(store: Store, tmp_path: Path) -> None:
    one = hooked(store, tmp_path, "post-install")
    executor = Preparing(store)
    first = build(store, Executions(store=store, open=lambda: executor), one)

    def none() -> Executor:
        raise MachineError("no engine")

    shutil.rmtree(store.root / "records" / "fragment")  # So that the base would be prepared meanwhile.
    assert build(store, Executions(store=store, open=none), replace(one, labels={"other": "1"})) != first
    assert len(executor.runs) == 1
