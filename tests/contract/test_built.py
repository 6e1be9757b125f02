"""What was built, held against the contract of its base."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from reprobuild.builder.assembly import connector_layer, keep_image, setup_layer, wheel_layers
from reprobuild.builder.connector import ConnectorFile
from reprobuild.builder.hook import Hook
from reprobuild.builder.outcome import built_image
from reprobuild.builder.plan import PlannedImage
from reprobuild.builder.realise import realise
from reprobuild.canonical import Digest, digest_of
from reprobuild.contract.built import check_built, require_kept
from reprobuild.contract.finding import Finding
from reprobuild.derivation import Derivation
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer
from reprobuild.lockfile import BaseImage
from reprobuild.oci.reference import parse_reference
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Silent
from reprobuild.resolver.base_image import resolve_base
from reprobuild.store import Store
from reprobuild.workspace.expect import Expectations, read_expectations
from reprobuild.workspace.toml_table import Table
from reprobuild.workspace.types import BaseSpec
from tests.builder.images import put_wheel
from tests.contract.bases import AIRBYTE_ENV, airbyte
from tests.images import AMD64
from tests.resolver.base_images import Files, distribution, file, folder, image, index, layer, link, program, source

AIRBYTE = {"profile": "airbyte", "python": "3.11.9", "pip": "24.0", "os-packages": ["bash"], "entrypoint": []}
DPKG = file("var/lib/dpkg/status", b"Package: bash\nStatus: install ok installed\nVersion: 5.2\n")
SITE = "usr/local/lib/python3.11/site-packages"
HOOK = Hook(kind="post-install", source=Path("hooks/post-install"), digest=digest_of(b"#!"))


class _World:
    """A store with a base image, and what is built on that."""

    def __init__(self, place: Path) -> None:
        self.place, self.store = place, Store(place / "store")
        self.base = anyio.run(self._lock)

    async def _lock(self) -> BaseImage:
        published = Store(self.place / "published")
        there = index(image([*airbyte(), DPKG], env=AIRBYTE_ENV), store=published)
        spec = BaseSpec(name="b", image=parse_reference("oci:layout:base"), where="x")
        opened = source(there, self.place, published)
        return await resolve_base(spec, (AMD64,), source=opened, store=self.store, progress=Silent(), known=None)

    def derivation(self, **changes: Any) -> Derivation:
        values: dict[str, Any] = {
            "connector": "source-x",
            "platform": AMD64,
            "base": self.base,
            "timezone": None,
            "wheels": (),
            "files": (),
            "env": {},
            "labels": {},
            "annotations": {},
            "entrypoint": ("source-x",),
            "workdir": "/airbyte/integration_code",
            "user": None,
            "epoch": 315532800,
            "compression": "gzip",
        }
        return Derivation(**(values | changes))

    def file(self, path: str, content: bytes = b"") -> ConnectorFile:
        place = self.place / path.replace("/", "_")
        place.write_bytes(content)
        return ConnectorFile(path=path, source=place, size=len(content), executable=False, digest=digest_of(content))

    def build(self, derivation: Derivation) -> Digest:
        """Build *derivation*, which has no hooks."""
        plan = PlannedImage(derivation=derivation, key=derivation.digest, recorded=None, manifest=None)

        async def run() -> Digest:
            return (await realise([plan], self.store, Silent(), workers=1))[0].manifest.digest

        return anyio.run(run)

    def hooked(self, *files: Files, **changes: Any) -> tuple[Derivation, Digest]:
        """Build an image whose hooks made *files*, a layer each."""
        derivation = self.derivation(hooks=(HOOK,), **changes)
        layers = [(self._root(made), "hook") for made in files]
        return derivation, keep_image(derivation, derivation.digest, layers, self.store).digest

    def _root(self, files: Files) -> RootLayer:
        made = layer(files)
        blob = Descriptor(media_type=made.media_type, digest=self.store.add(made.data), size=len(made.data))
        return RootLayer(descriptor=blob, diff_id=made.diff_id)

    def check(self, derivation: Derivation, manifest: Digest) -> tuple[Finding, ...]:
        return check_built(derivation, manifest, expectations(), self.store)

    def failed(self, derivation: Derivation, manifest: Digest) -> dict[str, str]:
        findings = self.check(derivation, manifest)
        assert {one.outcome for one in findings} <= {"passed", "failed"}
        return {one.check: one.found for one in findings if one.outcome == "failed"}


def expectations(more: Mapping[str, Any] | None = None) -> Expectations:
    return read_expectations(Table({**AIRBYTE, **(more or {})}, "x"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> _World:
    return _World(tmp_path_factory.mktemp("world"))


class TestNothingExecuted:
    def test_only_the_config_is_looked_at(self, world: _World) -> None:
        derivation = world.derivation()
        findings = world.check(derivation, world.build(derivation))
        assert {one.outcome for one in findings} == {"passed"}
        names = [one.check for one in findings]
        assert names == [
            "python 3.11.9",
            "pip 24.0",
            *(f"env {x}" for x in ("GPG_KEY", "LANG", "PATH", "PYTHON_VERSION")),
        ]

    def test_what_the_config_says_otherwise(self, world: _World) -> None:
        derivation = world.derivation(env={"TZ": "Asia/Tokyo"})
        assert world.failed(derivation, world.build(derivation)) == {"timezone UTC": "TZ is 'Asia/Tokyo'"}
        assert world.failed(world.derivation(timezone="Asia/Tokyo"), world.build(world.derivation())) == {
            "timezone UTC": "it is set to Asia/Tokyo"
        }

    def test_another_path_makes_the_files_count(self, world: _World) -> None:
        derivation = world.derivation(env={"PATH": "/opt/bin"})
        assert world.failed(derivation, world.build(derivation)) == {
            f"command {name}": "is in none of /opt/bin" for name in ("bash", "pip", "python", "socat")
        }
        longer = world.derivation(env={"PATH": "/opt/bin:/usr/local/bin:/usr/bin:/bin"})
        assert world.failed(longer, world.build(longer)) == {}

    def test_files_of_the_connector_make_the_files_count_where_they_matter(self, world: _World) -> None:
        harmless = world.derivation(files=(world.file("airbyte/integration_code/main.py"), world.file("opt/x")))
        assert "user airbyte" not in {one.check for one in world.check(harmless, world.build(harmless))}
        passwd = world.derivation(files=(world.file("etc/passwd", b"root:x:0:0::/:\n"),))
        assert "user airbyte" in world.failed(passwd, world.build(passwd))
        command = world.derivation(files=(world.file("bin/socat", b"#!"),))
        assert set(world.failed(command, world.build(command))) == {"command socat"}
        cache = world.derivation(files=(world.file("custom_cache"),))
        assert world.failed(cache, world.build(cache)) == {}

    def test_files_that_are_not_there_are_not_passed_over(self, world: _World) -> None:
        derivation = world.derivation(env={"PATH": "/opt/bin"})
        manifest = world.build(derivation)
        elsewhere = Store(world.place / "elsewhere")
        for digest in (manifest, *(blob for blob in _documents(world, manifest))):
            elsewhere.add(world.store.read(digest))
        findings = check_built(derivation, manifest, expectations(), elsewhere)
        assert [(one.check, one.found) for one in findings if one.outcome == "unchecked"] == [
            ("files", "3 of its layers are not in the store")
        ]


class TestHooks:
    def test_that_do_no_harm(self, world: _World) -> None:
        derivation, manifest = world.hooked([file("airbyte/data", b"x")])
        findings = world.check(derivation, manifest)
        assert [one for one in findings if one.outcome != "passed"] == []
        assert {"user airbyte", "timezone UTC", "writable /airbyte", "os-package bash"} <= {
            one.check for one in findings
        }
        assert "entrypoint" not in {one.check for one in findings}

    @pytest.mark.parametrize(
        ("files", "broken"),
        [
            ([folder("airbyte", mode=0o700)], {"readable /airbyte", "writable /airbyte"}),
            ([folder("custom_cache", mode=0o1777)], {"not-writable /custom_cache"}),
            ([link("etc/localtime", "/usr/share/zoneinfo/Asia/Tokyo")], {"timezone UTC"}),
            ([file("usr/bin/.wh.socat")], {"command socat"}),
            ([file("var/lib/dpkg/status", b"Package: dash\nVersion: 1\n")], {"os-package bash"}),
            ([program("usr/local/bin/python3.11", b"\x7fELF")], {"python 3.11.9"}),
            ([file(f"{SITE}/.wh.pip-24.0.dist-info"), *distribution(SITE, "pip", "26.0", files={})], {"pip 24.0"}),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, set) else "",
    )
    def test_that_break_a_promise(self, world: _World, files: Files, broken: set[str]) -> None:
        assert set(world.failed(*world.hooked(files))) == broken

    def test_files_that_are_too_large(self, world: _World) -> None:
        with pytest.raises(ContentError, match="/etc/passwd: 9437184 bytes, more than 8388608 are not read"):
            world.check(*world.hooked([file("etc/passwd", bytes(9 * 1024**2))]))


class TestWheels:
    """A pip of the lock's own, in a layer that is only looked at where it has to be."""

    @pytest.fixture
    def base(self, world: _World) -> BaseImage:
        return replace(
            world.base, pip_wheel=put_wheel(world.store, {"pip/__init__.py": b""}, name="pip", version="25.3")
        )

    def _failed(self, world: _World, base: BaseImage, *hooks: Files) -> dict[str, str]:
        plain = world.derivation(base=base)
        world.build(plain)
        derivation = replace(plain, hooks=(HOOK,))
        layers = [
            setup_layer(plain, world.store),
            *wheel_layers(plain, world.store),
            connector_layer(plain, world.store),
        ]
        layers += [(world._root(files), "hook") for files in hooks]
        manifest = keep_image(derivation, derivation.digest, layers, world.store).digest
        expected = expectations({"pip": "25.3", "commands": {}, "profile": "airbyte"})
        # The wheel of the test brings no script.
        findings = check_built(derivation, manifest, replace(expected, commands={"bash": "*"}), world.store)
        return {one.check: one.found for one in findings if one.outcome == "failed"}

    def test_is_there(self, world: _World, base: BaseImage) -> None:
        assert self._failed(world, base) == {}
        assert self._failed(world, base, [file("opt/x")]) == {}

    def test_was_removed(self, world: _World, base: BaseImage) -> None:
        gone = [file(f"{SITE}/.wh.pip-25.3.dist-info")]
        assert self._failed(world, base, gone) == {"pip 25.3": "it has none"}
        assert self._failed(world, base, [file("usr/local/lib/.wh.python3.11")])["pip 25.3"] == "it has none"

    def test_was_replaced(self, world: _World, base: BaseImage) -> None:
        other = [file(f"{SITE}/.wh.pip-25.3.dist-info"), *distribution(SITE, "pip", "26.0", files={})]
        assert self._failed(world, base, other) == {"pip 25.3": "it has 26.0"}


class TestRequired:
    def _require(self, world: _World, derivation: Derivation, *, cached: bool = False, contract: bool = True) -> Digest:
        manifest = world.build(derivation)
        plan = PlannedImage(derivation=derivation, key=derivation.digest, recorded=None, manifest=None)
        size = world.store.path(manifest).stat().st_size
        described = Descriptor(media_type="application/vnd.oci.image.manifest.v1+json", digest=manifest, size=size)
        built = built_image(plan, described, world.store, cached=cached)
        spec = BaseSpec(
            name="b",
            image=parse_reference("oci:layout:base"),
            where="x",
            contract=Table(AIRBYTE, "x") if contract else None,
        )
        require_kept([plan], [built], {"b": spec}, world.store, Silent())
        return manifest

    def test_an_image_that_breaks_its_contract_is_forgotten(self, world: _World) -> None:
        derivation = world.derivation(env={"TZ": "CET"}, labels={"a": "b"})
        with pytest.raises(ContentError) as error:
            self._require(world, derivation)
        assert error.value.message.splitlines() == [
            "what was built breaks promises of its base image:",
            "  source-x (linux/amd64): timezone UTC: TZ is 'CET'",
        ]
        assert error.value.hint is not None
        assert self._require(world, replace(derivation, env={})) in world.store

    def test_what_was_there_or_promised_nothing_is_not_looked_at(self, world: _World) -> None:
        derivation = world.derivation(env={"TZ": "CET"})
        assert self._require(world, derivation, cached=True) in world.store
        assert self._require(world, derivation, contract=False) in world.store


def _documents(world: _World, manifest: Digest) -> tuple[Digest, ...]:
    from reprobuild.oci.types import parse_manifest

    locked = world.base.platforms[AMD64]
    return (parse_manifest(world.store.read(manifest)).config.digest, locked.manifest, locked.config)
