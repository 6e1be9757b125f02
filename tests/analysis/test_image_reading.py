"""Images of all sorts, read from layouts: what there is, is found; what cannot be read, is told."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reprobuild.analysis.facts import Cause, Fleet, ImageFacts
from reprobuild.analysis.image_facts import Subject
from reprobuild.analysis.image_fleet import image_fleet
from reprobuild.analysis.image_reading import ImageReading
from reprobuild.builder.compress import Compression
from reprobuild.errors import SpecificationError
from reprobuild.oci.layout import write_layout
from reprobuild.oci.open import open_source
from reprobuild.oci.reference import parse_reference
from reprobuild.oci.types import CONFIG, MANIFEST, Manifest, Platform
from reprobuild.progress import Silent
from reprobuild.store import Store
from reprobuild.verify.reading import Origin
from tests.images import AMD64, ARM64, add_document, layer

pytestmark = pytest.mark.anyio

APK = b"""\
C:Q1abc=
P:musl
V:1.2.3-r4
A:x86_64
S:1
F:lib
R:ld-musl-x86_64.so.1

C:Q1def=
P:busybox
V:1.35.0-r29
A:x86_64
F:bin
R:busybox
"""
DPKG = b"""\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b7
"""
RELEASE = b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
SITE = "usr/local/lib/python3.11/site-packages"
Files = dict[str, bytes]


class Fleets:
    """Images in a layout, and what is said of them."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._made = folder, Store(folder / "made")
        self.store = Store(folder / "store")
        self.opened: list[str] = []

    def add(
        self,
        tag: str,
        *files: Files,
        platform: Platform = AMD64,
        compression: Compression = "gzip",
        history: Sequence[dict[str, Any]] | None = None,
        **config: object,
    ) -> str:
        """Add an image with a layer for each of *files* and *config*; return its reference."""
        layers = [layer(one, self._made, compression=compression) for one in files]
        value = {
            **platform.to_json(),
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
            "history": history if history is not None else [{"created_by": f"layer of {tag}"} for _ in layers],
        }
        manifest = Manifest(config=add_document(value, CONFIG, self._made), layers=tuple(blob for blob, _ in layers))
        root = add_document(manifest.to_json(), MANIFEST, self._made, platform=platform)
        write_layout(self._folder / "images", entries=[(root, tag)], store=self._made)
        return f"oci:images:{tag}"

    async def read(self, *subjects: Subject, bases: Sequence[str] = ()) -> Fleet:
        reading = ImageReading(opened=self._open, store=self.store, progress=Silent(), bases=bases)
        return await image_fleet(subjects, reading, Silent())

    async def one(self, reference: str, *, base: str = "") -> ImageFacts:
        fleet = await self.read(Subject(connector="source-x", reference=reference, base=base))
        assert fleet.missing == ()
        (found,) = fleet.images
        return found

    @asynccontextmanager
    async def _open(self, reference: str) -> AsyncIterator[Origin]:
        self.opened.append(reference)
        source = open_source(parse_reference(reference), root=self._folder, environ={})
        try:
            yield Origin(reference=reference, source=source, kept=False)
        finally:
            await source.close()


@pytest.fixture
def fleets(tmp_path: Path) -> Fleets:
    return Fleets(tmp_path)


def distribution(name: str, version: str) -> Files:
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    return {f"{SITE}/{name}-{version}.dist-info/METADATA": metadata, f"{SITE}/{name}/__init__.py": b"x = 1\n"}


async def test_apk_lists_what_apk_would_print(fleets: Fleets) -> None:
    image = await fleets.one(fleets.add("alpine", {"lib/apk/db/installed": APK, "bin/busybox": b"12345"}))
    assert [f"{one.name}-{one.version}" for one in image.os_packages] == ["busybox-1.35.0-r29", "musl-1.2.3-r4"]
    assert {(one.kind, one.architecture) for one in image.os_packages} == {("apk", "x86_64")}
    assert image.libc == "musl 1.2.3"
    assert image.layers[0].causes == {Cause.OS: len(APK) + 5}


async def test_dpkg_lists_what_is_installed(fleets: Fleets) -> None:
    files = {"var/lib/dpkg/status": DPKG, "etc/os-release": RELEASE}
    image = await fleets.one(fleets.add("debian", files))
    assert [(one.name, one.version) for one in image.os_packages] == [
        ("bash", "5.2.15-2+b7"),
        ("libc6", "2.36-9+deb12u10"),
    ]
    assert (image.libc, image.system, image.timezone) == ("glibc 2.36", "Debian GNU/Linux 12 (bookworm)", "UTC")


async def test_values_with_signs_and_lines(fleets: Fleets) -> None:
    environment = ["A=b=c", "B=two\nlines", "C=", "PYTHON_VERSION=3.9.11"]
    image = await fleets.one(fleets.add("x", {"a": b""}, Env=environment, Labels={"k": "v=w"}, User="1000"))
    assert image.environment == (("A", "b=c"), ("B", "two\nlines"), ("C", ""), ("PYTHON_VERSION", "3.9.11"))
    assert (image.labels, image.user, image.python.claimed) == ({"k": "v=w"}, "1000", "3.9.11")


async def test_an_image_without_python_or_shell(fleets: Fleets) -> None:
    image = await fleets.one(fleets.add("scratch", {"program": b"\x7fELF"}))
    assert (image.python.found, image.distributions, image.os_packages, image.libc) == ("", (), (), "")
    assert image.unread == ()


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
async def test_bytes_by_cause(fleets: Fleets, compression: Compression) -> None:
    base = fleets.add("base", {"var/lib/dpkg/status": DPKG, "usr/bin/env": b"12"}, compression=compression)
    files: Files = {
        "usr/bin/tool": b"123",
        "usr/bin/own": b"1",
        "var/lib/dpkg/info/tool.list": b"/.\n/bin\n/bin/tool\n",
        "var/cache/apt/x.bin": b"1234",
        f"{SITE}/alpha/a.cpython-311.pyc": b"12345",
        "airbyte/integration_code/main.py": b"123456",
        f"{SITE}/source_x/x.py": b"1234567",
        **distribution("alpha", "1.0"),
    }
    own = fleets.add("own", {"var/lib/dpkg/status": DPKG, "usr/bin/env": b"12"}, files, compression=compression)
    image = await fleets.one(own, base=base)
    assert [one.is_base for one in image.layers] == [True, False]
    assert image.layers[0].causes == {Cause.BASE: len(DPKG) + 2}
    assert image.layers[1].causes == {
        Cause.OS: 3 + len(files["var/lib/dpkg/info/tool.list"]),
        Cause.OTHER: 1,
        Cause.CACHES: 4,
        Cause.BYTECODE: 5,
        Cause.CODE: 13,
        Cause.DEPENDENCIES: sum(map(len, distribution("alpha", "1.0").values())),
    }
    assert [(one.name, one.version) for one in image.distributions] == [("alpha", "1.0")]
    assert image.added == ()


async def test_packages_are_held_against_the_base_by_version(fleets: Fleets) -> None:
    base = fleets.add("base", {"var/lib/dpkg/status": DPKG})
    newer = DPKG.replace(b"5.2.15-2+b7", b"5.2.37-2") + b"\nPackage: curl\nStatus: install ok installed\nVersion: 7\n"
    own = fleets.add("own", {"var/lib/dpkg/status": DPKG}, {"var/lib/dpkg/status": newer})
    image = await fleets.one(own, base=base)
    assert [(one.package.name, one.package.version, one.before) for one in image.added or ()] == [
        ("bash", "5.2.37-2", "5.2.15-2+b7"),
        ("curl", "7", ""),
    ]


async def test_a_tag_that_has_moved(fleets: Fleets) -> None:
    old, new = {"a": b"old"}, {"a": b"new"}
    base = fleets.add("base", new, Env=["PATH=/usr/bin", "LANG=C"])
    env = ["PATH=/usr/bin", "LANG=C.UTF-8"]
    moved = fleets.add("moved", old, {"b": b""}, Env=env)
    fresh = fleets.add("fresh", new, {"b": b""}, Env=env)
    subjects = [Subject(connector=text, reference=text, base=base) for text in (moved, fresh)]
    fleet = await fleets.read(*subjects)
    assert {one.connector: one.base_moved for one in fleet.images} == {moved: True, fresh: False}
    assert fleets.opened.count(base) == 1
    settings = {one.name: (one.spread, set(one.from_base.values())) for one in fleet.settings}
    assert settings == {"LANG": ("static", {False}), "PATH": ("static", {True})}


async def test_databases_that_are_damaged(fleets: Fleets) -> None:
    image = await fleets.one(fleets.add("x", {"var/lib/dpkg/status": b"\0\0\0\0", "lib/apk/db/installed": b"?"}))
    assert image.os_packages == ()
    assert sorted(image.unread) == [
        "lib/apk/db/installed: not a readable package database",
        "var/lib/dpkg/status: not a readable package database",
    ]
    half = await fleets.one(fleets.add("half", {"var/lib/dpkg/status": DPKG[:-5]}))
    assert len(half.os_packages) == 2
    assert any("damaged" in text for text in half.unread)


async def test_what_is_not_there_is_missing_and_the_rest_is_read(fleets: Fleets) -> None:
    good = fleets.add("good", {"a": b""})
    arm = fleets.add("arm", {"a": b"arm"}, platform=ARM64)
    fleet = await fleets.read(
        Subject(connector="a", reference="oci:images:gone"),
        Subject(connector="b", reference=good, base="oci:images:nobase"),
        Subject(connector="c", reference=arm, base=good),
        Subject(connector="d", reference="oci:nowhere"),
    )
    assert [(one.connector, one.platform, one.base_environment) for one in fleet.images] == [
        ("b", "linux/amd64", None),
        ("c", "linux/arm64", None),
    ]
    missing = {one.name for one in fleet.missing}
    assert {"oci:images:gone", "oci:nowhere", "oci:images:nobase (a base image)"} <= missing
    assert all(one.why for one in fleet.missing)


async def test_a_layer_that_is_damaged(fleets: Fleets, tmp_path: Path) -> None:
    good, bad = fleets.add("good", {"a": b"1"}), fleets.add("bad", {"a": b"2" * 1000})
    index = json.loads((tmp_path / "images" / "index.json").read_text())
    (digest,) = [one["digest"] for one in index["manifests"] if "bad" in one["annotations"].values()]
    manifest = json.loads((tmp_path / "images/blobs/sha256" / digest[7:]).read_text())
    blob = tmp_path / "images/blobs/sha256" / manifest["layers"][0]["digest"][7:]
    blob.write_bytes(bytes(blob.stat().st_size))
    fleet = await fleets.read(*(Subject(connector=text, reference=text) for text in (good, bad)))
    assert [one.connector for one in fleet.images] == [good]
    assert [one.name for one in fleet.missing] == [bad]


@pytest.mark.parametrize(
    ("files", "env", "zone"),
    [
        ({"etc/x": b""}, ["TZ=Europe/Paris"], "Europe/Paris"),
        ({"etc/x": b""}, ["TZ=:UTC"], "UTC"),
        ({"etc/x": b""}, [], "UTC"),
        ({"etc/localtime": b"TZif2\0\0\nUTC0\n"}, [], "UTC"),
        ({"etc/localtime": b"TZif2\0\0\nCET-1CEST,M3.5.0,M10.5.0/3\n"}, [], "CET-1CEST,M3.5.0,M10.5.0/3"),
        ({"etc/localtime": b"nothing of the kind"}, [], "unknown"),
    ],
)
async def test_the_timezone(fleets: Fleets, files: Files, env: list[str], zone: str) -> None:
    assert (await fleets.one(fleets.add("x", files, Env=env))).timezone == zone


async def test_what_was_read_is_not_read_again(fleets: Fleets, tmp_path: Path) -> None:
    shared = {"a": b"x" * 100_000}
    names = [fleets.add(f"i{number}", shared, {"b": str(number).encode()}) for number in range(5)]
    first = await fleets.read(*(Subject(connector=name, reference=name) for name in names))
    for blob in (tmp_path / "images" / "blobs" / "sha256").iterdir():
        if blob.read_bytes()[:2] == b"\x1f\x8b":
            blob.unlink()
    again = await fleets.read(*(Subject(connector=name, reference=name) for name in names))
    assert again == first
    assert len(again.images) == 5


async def test_a_reference_that_is_none(fleets: Fleets) -> None:
    with pytest.raises(SpecificationError):
        parse_reference("oci:")
    fleet = await fleets.read(Subject(connector="x", reference="NOT a reference"))
    assert [one.name for one in fleet.missing] == ["NOT a reference"]
