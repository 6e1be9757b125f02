"""A base image held against its contract when it is locked, through a real image layout."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprobuild.builder.executions import Executions
from reprobuild.errors import ContentError, LockError, MachineError, SpecificationError
from reprobuild.lockfile import BaseImage
from reprobuild.oci.reference import parse_reference
from reprobuild.oci.source import Source
from reprobuild.oci.types import Platform
from reprobuild.progress import Silent
from reprobuild.resolver.base_contract import is_remembered
from reprobuild.resolver.base_image import resolve_base
from reprobuild.store import Store
from reprobuild.workspace.toml_table import Table
from reprobuild.workspace.types import BaseSpec
from tests.contract.bases import AIRBYTE_ENV, Programs, airbyte
from tests.images import AMD64, ARM64
from tests.resolver.base_images import Files, file, folder, image, index, source

pytestmark = pytest.mark.anyio

BOTH = (AMD64, ARM64)
AIRBYTE = {"profile": "airbyte", "python": "3.11.9", "pip": "24.0"}


class _Notes(Silent):
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.labels: list[str] = []

    def task(self, label: str, total: int | None = None, *, unit: str = "bytes") -> "_Notes":
        self.labels.append(label)
        return self

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class _World:
    """Where a base image is published, and who locks it."""

    def __init__(self, place: Path) -> None:
        self.place, self.store, self.progress = place, Store(place / "store"), _Notes()

    def publish(self, files: Mapping[Platform, Files] | None = None) -> Source:
        there = files or {platform: airbyte(platform) for platform in BOTH}
        published = Store(self.place / "published")
        images = [image(there[one], platform=one, env=AIRBYTE_ENV) for one in BOTH]
        return source(index(*images, store=published), self.place, published)

    def spec(self, expect: Mapping[str, Any] | None, **more: Any) -> BaseSpec:
        contract = Table(expect, "reprobuild.toml", ("base", "b", "expect")) if expect is not None else None
        reference = parse_reference("oci:layout:base")
        return BaseSpec(name="b", image=reference, contract=contract, where="reprobuild.toml: base.b", **more)

    async def lock(self, published: Source, spec: BaseSpec, programs: Programs | None = None, **more: Any) -> BaseImage:
        executions = Executions(store=self.store, open=lambda: programs) if programs else None
        return await resolve_base(
            spec,
            BOTH,
            source=published,
            store=self.store,
            progress=self.progress,
            **({"known": None, "executions": executions} | more),
        )


@pytest.fixture
def world(tmp_path: Path) -> _World:
    return _World(tmp_path)


async def test_a_base_that_keeps_airbytes_contract(world: _World) -> None:
    spec = world.spec(AIRBYTE)
    base = await world.lock(world.publish(), spec)
    assert world.progress.notes == ["base b: 17 checks passed"]
    assert world.progress.warnings == []
    assert is_remembered(spec, base, world.store)
    assert not is_remembered(world.spec({**AIRBYTE, "timezone": "Asia/Tokyo"}), base, world.store)
    assert not is_remembered(replace(spec, env={"LANG": "C"}), base, world.store)


async def test_without_a_contract_nothing_is_said(world: _World) -> None:
    base = await world.lock(world.publish(), world.spec(None))
    assert world.progress.notes == []
    assert is_remembered(world.spec(None), base, world.store)


async def test_every_broken_promise_is_told_with_its_platforms(world: _World) -> None:
    published = world.publish({
        AMD64: airbyte(AMD64, cache=[folder("custom_cache", mode=0o777)], airbyte=[folder("airbyte")]),
        ARM64: airbyte(ARM64, airbyte=[folder("airbyte")], users=[file("etc/passwd", b"airbyte:x:1001:1000::/:\n")]),
    })  # fmt: skip
    spec = world.spec({**AIRBYTE, "pip": "25.3"})
    with pytest.raises(LockError) as error:
        await world.lock(published, spec)
    assert error.value.where == "reprobuild.toml: base.b.expect"
    assert error.value.message.splitlines() == [
        "the base image breaks 5 of the promises that are expected of it:",
        "  pip 25.3: it has 24.0",
        "  writable /airbyte: /airbyte belongs to 0:0 with mode 0755: 1000:1000 may not write it (linux/amd64)",
        (
            "  not-writable /custom_cache: /custom_cache belongs to 0:0 with mode 0777: 1000:1000 may write to it"
            " (linux/amd64)"
        ),
        "  user airbyte: its uid is 1001, not 1000 (linux/arm64)",
        "  writable /airbyte: /airbyte belongs to 0:0 with mode 0755: 1001:1000 may not write it (linux/arm64)",
    ]
    assert error.value.hint is not None
    assert world.progress.notes == []
    assert not (world.store.root / "records" / "contract").exists()


async def test_the_table_of_the_base_has_its_say(world: _World) -> None:
    expect = {"pip": "25.3", "timezone": "Europe/Paris", "env": {"LANG": "C", "GPG_KEY": "x"}}
    changes = {"pip": "25.3", "timezone": "UTC", "env": {"LANG": "C", "GPG_KEY": "x"}}
    with pytest.raises(LockError, match="timezone Europe/Paris: it is set to UTC") as error:
        await world.lock(world.publish(), world.spec(expect, **changes))
    assert "breaks 1 of" in error.value.message


async def test_versions_are_asked_for_once(world: _World) -> None:
    programs = Programs({"/usr/bin/bash": "GNU bash, version 5.2.15(1)-release"})
    spec, published = world.spec({"commands": {"bash": "5.2.*", "socat": "*"}}), world.publish()
    await world.lock(published, spec, programs)
    assert world.progress.notes == ["base b: 3 checks passed"]
    assert [one.platform for one in programs.ran] == [AMD64, ARM64]
    assert all(layer.descriptor.digest in world.store for one in programs.ran for layer in one.layers)
    await world.lock(published, spec, programs)
    assert len(programs.ran) == 2
    with pytest.raises(LockError, match=r"command bash 6.\*: /usr/bin/bash is 5.2.15$"):
        await world.lock(published, world.spec({"commands": {"bash": "6.*"}}), programs)


async def test_what_cannot_run_here_is_a_warning_and_no_pass(world: _World) -> None:
    programs = Programs({"/usr/bin/bash": MachineError("no emulator")})
    await world.lock(world.publish(), world.spec({"commands": {"bash": "5.2.*"}}), programs)
    assert world.progress.warnings == [
        f"base b: not checked on {platform}: command bash 5.2.*: no emulator" for platform in BOTH
    ]
    assert world.progress.notes == ["base b: 1 check passed, 1 not on every platform"]


async def test_a_known_base_is_read_again_for_a_new_contract(world: _World) -> None:
    published = world.publish()
    known = await world.lock(published, world.spec(None))
    world.progress.labels.clear()
    spec = world.spec({"timezone": "UTC"})
    assert await world.lock(published, spec, known=known) == known
    assert world.progress.notes == ["base b: 1 check passed"]
    world.progress.labels.clear()
    assert await world.lock(published, spec, known=known) == known
    assert world.progress.labels == []


async def test_values_that_cannot_be_are_refused_before_anything_is_locked(world: _World) -> None:
    with pytest.raises(SpecificationError, match="must be a string, not an integer"):
        await world.lock(world.publish(), world.spec({"timezone": 1}))


@pytest.mark.parametrize("contract", [None, {"timezone": "UTC"}, {"os-packages": ["bash"]}], ids=str)
async def test_files_that_are_too_large_count_only_where_they_are_asked_for(
    world: _World, contract: Mapping[str, Sequence[str]] | None
) -> None:
    large = file("var/lib/dpkg/status", bytes(9 * 1024**2))
    published = world.publish({platform: [*airbyte(platform), large] for platform in BOTH})
    if contract is None or "os-packages" not in contract:
        await world.lock(published, world.spec(contract))
    else:
        with pytest.raises(ContentError, match=r"var/lib/dpkg/status: 9437184 bytes, more than 8388608 are not read"):
            await world.lock(published, world.spec(contract))


@pytest.mark.parametrize(("reference", "told"), [("quay.io/a/b:1", True), ("oci:layout:base", False)])
async def test_an_engine_is_told_where_to_pull_what_is_being_locked(world: _World, reference: str, told: bool) -> None:
    programs = Programs({})
    executions = Executions(store=world.store, open=lambda: programs)
    spec = replace(world.spec(None), image=parse_reference(reference))
    base = await world.lock(world.publish(), spec, executions=executions)
    manifests = {f"quay.io/a/b@{one.manifest}" for one in base.platforms.values()}
    assert {*executions.origins.values()} == (manifests if told else set())
