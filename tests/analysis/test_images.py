"""What is said of images of every kind: bases that move, systems, broken databases, what is missing."""

import gc
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reprobuild.analysis.facts import Cause, Fleet, ImageFacts
from reprobuild.analysis.image_facts import Subject
from reprobuild.analysis.image_fleet import image_fleet
from reprobuild.analysis.image_reading import ImageReading
from reprobuild.builder.tar import END
from reprobuild.builder.tree import Entry
from reprobuild.canonical import Digest
from reprobuild.errors import MachineError, SpecificationError
from reprobuild.image.index import known_index
from reprobuild.oci.types import CONFIG, INDEX, MANIFEST, Descriptor, ImageConfig, Index, Manifest, Platform
from reprobuild.progress import Silent
from reprobuild.store import Store
from reprobuild.verify.reading import Origin
from reprobuild.verify.stored import Stored
from tests.image.test_rpm import database, header
from tests.images import AMD64, ARM64, add_document, add_image
from tests.resolver.base_images import (
    Files,
    Layer,
    alpine,
    debian,
    distribution,
    file,
    layer,
    link,
    packed,
    python_org,
)

pytestmark = pytest.mark.anyio

STATUS = "var/lib/dpkg/status"
RELEASE = file("etc/os-release", b'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
APK = b"""\
C:Q1
P:musl
V:1.2.3-r5
A:x86_64
L:MIT
F:lib
R:ld-musl-x86_64.so.1

P:busybox
V:1.36.1-r2
A:x86_64
F:bin
R:busybox

"""
"""As apk writes it (apk-package(5)): `apk info -v` prints musl-1.2.3-r5 and busybox-1.36.1-r2 for it."""


def status(*packages: tuple[str, str]) -> tuple[Entry, bytes]:
    paragraphs = (
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
        for name, version in packages
    )
    return file(STATUS, "\n".join(paragraphs).encode() + b"\n")


@dataclass
class Counting(Stored):
    """A source that counts how often each blob is read."""

    def __init__(self, root: Descriptor, store: Store, counts: dict[Digest, int]) -> None:
        super().__init__(root, store)
        self.counts = counts

    def stream(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        self.counts[descriptor.digest] = self.counts.get(descriptor.digest, 0) + 1
        return super().stream(descriptor)


@dataclass
class Shelf:
    """Images by reference, in a store that is not the one that is read into."""

    far: Store
    store: Store
    images: dict[str, Descriptor] = field(default_factory=dict)
    counts: dict[Digest, int] = field(default_factory=dict)

    @asynccontextmanager
    async def opened(self, reference: str) -> AsyncIterator[Origin]:
        if reference not in self.images:
            raise SpecificationError("there is no such image", where=reference, hint="push it")
        source = Counting(self.images[reference], self.far, self.counts)
        yield Origin(reference=reference, source=source, kept=False)

    def put(
        self,
        reference: str,
        layers: Sequence[Layer],
        *,
        platform: Platform = AMD64,
        history: Sequence[Mapping[str, Any]] = (),
        annotations: Mapping[str, str] | None = None,
        **config: Any,
    ) -> Descriptor:
        value = ImageConfig(
            platform=platform,
            config={"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], **config},
            diff_ids=tuple(one.diff_id for one in layers),
            history=tuple(history),
            created="2023-09-08T10:00:00Z",
        )
        blobs = tuple(
            Descriptor(media_type=one.media_type, digest=self.far.add(one.data), size=len(one.data)) for one in layers
        )
        document = add_document(value.to_json(), CONFIG, self.far)
        manifest = Manifest(config=document, layers=blobs, annotations=annotations or {})
        self.images[reference] = add_document(manifest.to_json(), MANIFEST, self.far, platform=platform)
        return self.images[reference]

    async def fleet(
        self, *references: str | Subject, bases: Sequence[str] = (), platforms: Sequence[Platform] = ()
    ) -> Fleet:
        subjects = [
            Subject(connector=one.partition(":")[0], reference=one) if isinstance(one, str) else one
            for one in references
        ]
        reading = ImageReading(
            opened=self.opened, store=self.store, progress=Silent(), platforms=platforms, bases=bases
        )
        return await image_fleet(subjects, reading, Silent())

    async def image(self, *layers: Files, **more: Any) -> ImageFacts:
        self.put("x:1", [layer(files) for files in layers], **more)
        (found,) = (await self.fleet("x:1")).images
        return found


@pytest.fixture
def shelf(store: Store, tmp_path: Any) -> Shelf:
    return Shelf(far=Store(tmp_path / "far"), store=store)


async def test_every_layer_is_read_once_in_a_stores_life(shelf: Shelf) -> None:
    base = [layer([RELEASE, *python_org()]), layer([status(("libc6", "2.36-9"))])]
    shelf.put("base:1", base)
    names = [f"connector-{number}" for number in range(9)]
    for name in names:
        shelf.put(name, [*base, layer([file("airbyte/main.py", name.encode())])])
    subjects = [Subject(connector=name, reference=name, base="base:1") for name in names]
    found = await shelf.fleet(*subjects)
    assert [one.connector for one in found.images] == names
    digests = {layer.digest for one in found.images for layer in one.layers}
    assert len(digests) == 2 + 9
    assert {shelf.counts[digest] for digest in map(Digest, digests)} == {1}  # type: ignore[call-arg]
    assert await shelf.fleet(*subjects) == found
    assert {shelf.counts[digest] for digest in map(Digest, digests)} == {1}  # type: ignore[call-arg]


async def test_a_base_by_tag_and_by_digest(shelf: Shelf) -> None:
    old, new = ([layer([status(("tzdata", version))])] for version in ("2023a", "2024a"))
    digest = shelf.put("base:1", old).digest
    shelf.images[f"base:1@{digest}"] = shelf.images["base:1"]
    shelf.put("x:1", [*old, layer([file("a", b"b")])])
    subjects = [Subject(connector=base, reference="x:1", base=base) for base in ("base:1", f"base:1@{digest}")]
    before = (await shelf.fleet(*subjects)).images
    assert [(one.base_moved, one.base_layers, one.added) for one in before] == [(False, 1, ())] * 2
    shelf.put("base:1", new)
    tagged, pinned = (await shelf.fleet(*subjects)).images
    assert (tagged.base_moved, pinned.base_moved) == (True, True)
    assert [(one.package.version, one.before) for one in tagged.added or ()] == [("2023a", "2024a")]
    assert (pinned.added, pinned.base_layers, pinned.layers[0].causes) == (
        (),
        1,
        {Cause.BASE: pinned.layers[0].causes[Cause.BASE]},
    )


async def test_what_is_said_of_a_base(shelf: Shelf) -> None:
    base = layer([status(("tzdata", "2023a"))])
    own = layer([file("a", b"b")])
    digest = shelf.put("base:1", [base], Env=["A=1=2\n3"]).digest
    shelf.images[f"base:1@{digest}"] = shelf.images["base:1"]
    key = "org.opencontainers.image.base."
    shelf.put("x:1", [base, own], annotations={f"{key}name": "base:1", f"{key}digest": digest}, Env=["A=1=2\n3"])
    shelf.put("y:1", [base, own])
    shelf.put("z:1", [own])
    found = await shelf.fleet("x:1", "y:1", "z:1")
    # Of y nothing is said: its layers tell, once x's base is known. That of z stays unknown.
    assert [one.base for one in found.images] == [f"base:1@{digest}", f"base:1@{digest}", ""]
    x, _, z = found.images
    assert x.environment == (("A", "1=2\n3"),)
    assert x.base_environment == {"A": "1=2\n3"}
    assert (z.base_environment, z.added, z.base_moved) == (None, None, None)


async def test_several_bases_are_told_apart_by_layers(shelf: Shelf) -> None:
    one, two = layer([file("one", b"1")]), layer([file("two", b"2")])
    shelf.put("one", [one])
    shelf.put("two", [one, two])
    shelf.put("x:1", [one, two, layer([file("a", b"b")])])
    shelf.put("y:1", [one])
    shelf.put("z:1", [layer([file("z", b"z")])])
    found = await shelf.fleet("x:1", "y:1", "z:1", bases=["one", "two"])
    assert [(image.base, image.base_layers) for image in found.images] == [("two", 2), ("one", 1), ("", 0)]


async def test_history_says_where_a_base_ends(shelf: Shelf) -> None:
    history = [
        {"created_by": "/bin/sh -c #(nop) ADD file:1 in / "},
        {"created_by": '/bin/sh -c #(nop)  CMD ["bash"]', "empty_layer": True},
        {"created_by": "RUN /bin/sh -c set -eux # buildkit"},
        {"created_by": 'CMD ["python3"]', "empty_layer": True},
        {"created_by": "COPY main.py ./ # buildkit"},
    ]
    layers = [[file(name, b"x")] for name in "abc"]
    found = await shelf.image(*layers, history=history)
    assert (found.base_layers, [one.is_base for one in found.layers]) == (2, [True, True, False])
    assert found.layers[2].created_by == "COPY main.py ./ # buildkit"
    assert (await shelf.image(*layers, history=history[:3])).base_layers == 0


async def test_what_is_missing_is_said_and_the_rest_is_there(shelf: Shelf) -> None:
    shelf.put("x:1", [layer([file("a", b"b")])])
    broken = replace(layer([file("b", b"b")]), data=b"no gzip")
    shelf.put("broken:1", [broken])
    subjects = [Subject(connector=name, reference=f"{name}:1", base="base:9") for name in ("x", "gone", "broken")]
    found = await shelf.fleet(*subjects)
    assert [one.connector for one in found.images] == ["x"]
    base, damaged, gone = found.missing
    assert [(one.name, one.hint) for one in (base, gone)] == [
        ("base:9 (a base image)", "push it"),
        ("gone:1", "push it"),
    ]
    assert (damaged.name, "damaged" in damaged.hint) == ("broken:1", True)
    assert found.images[0].base == "base:9"


async def test_a_machine_that_fails_ends_it(shelf: Shelf) -> None:
    @asynccontextmanager
    async def opened(_reference: str) -> AsyncIterator[Origin]:
        raise MachineError("no space left")
        yield

    reading = ImageReading(opened=opened, store=shelf.store, progress=Silent())
    with pytest.raises(MachineError):
        await image_fleet([Subject(connector="x", reference="x")], reading, Silent())


async def test_a_hard_link_to_what_has_another_name_is_read(shelf: Shelf) -> None:
    content = b'PRETTY_NAME="Linked"\n'
    release = Entry(path="etc/os-release", kind="hardlink", target="opt/release")
    shelf.put("x:1", [layer([file("opt/release", content), (release, b"")])])
    shelf.put("y:1", [layer([file("opt/release", content)]), layer([file("a", b"b")])])
    x, y = (await shelf.fleet("x:1", "y:1")).images
    assert (x.system, y.system) == ("Linked", "")
    assert x.layers[0].causes == y.layers[0].causes


async def test_an_analysis_leaves_no_index_without_digests(shelf: Shelf) -> None:
    one = layer([file("a", b"b"), RELEASE])
    shelf.put("x:1", [one])
    await shelf.fleet("x:1")
    assert known_index(one.diff_id, shelf.store) is None
    listed = known_index(one.diff_id, shelf.store, listing="analysis") or ()
    assert {file.entry.path: file.digest is None for file in listed} == {"a": True, "etc/os-release": False}


async def test_platforms(shelf: Shelf) -> None:
    manifests = tuple(
        shelf.put(str(platform), [layer([RELEASE, *debian(platform=platform)])], platform=platform)
        for platform in (AMD64, ARM64)
    )
    shelf.images["x:1"] = add_document(Index(manifests=manifests).to_json(), INDEX, shelf.far)
    found = (await shelf.fleet("x:1")).images
    assert [(one.platform, one.python.found, one.libc) for one in found] == [
        ("linux/amd64", "3.11.2", "glibc 2.36"),
        ("linux/arm64", "3.11.2", "glibc 2.36"),
    ]
    assert [one.platform for one in (await shelf.fleet("x:1", platforms=[ARM64])).images] == ["linux/arm64"]
    foreign = await shelf.fleet("x:1", platforms=[Platform(os="linux", architecture="s390x")])
    assert "no image for linux/s390x" in foreign.missing[0].why


async def test_layers_of_zstd_and_images_of_nothing(shelf: Shelf) -> None:
    shelf.images["x:1"] = add_image(shelf.far, files=[{"etc/TZ": b"x"}], compression="zstd")
    shelf.put("empty:1", [])
    empty, x = (await shelf.fleet("x:1", "empty:1")).images
    assert (x.layers[0].causes, x.python.found, x.distributions, x.unread) == ({Cause.OTHER: 1}, "", (), ())
    assert (empty.layers, empty.system, empty.libc, empty.timezone) == ((), "", "", "UTC")


async def test_alpine(shelf: Shelf) -> None:
    found = await shelf.image(
        [*alpine(), file("lib/apk/db/installed", APK), file("bin/busybox", b"12"), file("etc/alpine", b"1")]
    )
    assert [f"{one.name}-{one.version}" for one in found.os_packages] == ["busybox-1.36.1-r2", "musl-1.2.3-r5"]
    assert {one.kind for one in found.os_packages} == {"apk"}
    assert (found.libc, found.python.found) == ("musl 1.2.3", "3.12.3")
    assert [(one.name, one.version) for one in found.distributions] == [("six", "1.16.0")]
    assert found.layers[0].causes[Cause.OS] > len(APK)


async def test_rpm(shelf: Shelf) -> None:
    content = database(header(name="glibc", version="2.34"))
    found = await shelf.image([file("var/lib/rpm/rpmdb.sqlite", content), file("usr/lib/a.so", b"12345")])
    assert [(one.kind, one.name, one.version) for one in found.os_packages] == [("rpm", "glibc", "2.34")]
    assert (found.libc, found.layers[0].causes) == ("glibc 2.34", {Cause.OS: len(content) + 5})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x00\x01\x02 no database", f"{STATUS}: not a readable package database"),
        (b"Package: a\nVersion: 1\nStatus: install ok installed\n\nPackage: b\nVersi", f"{STATUS}: a damaged package"),
        (
            (
                b"Package: a\nVersion: 1\nStatus: install ok installed\n\nPackage: b\nStatus: install ok installed\n\n"
                b"Package: c\nStatus: unknown ok not-installed\n"
            ),
            f"{STATUS}: 1 without a version, not listed",
        ),
    ],
)
async def test_broken_databases(shelf: Shelf, content: bytes, expected: str) -> None:
    found = await shelf.image([file(STATUS, content)])
    assert [one[: len(expected)] for one in found.unread] == [expected]


async def test_a_database_of_apk_that_lacks_versions(shelf: Shelf) -> None:
    found = await shelf.image([file("lib/apk/db/installed", APK + b"P:b\nF:V\n\n")])
    assert len(found.os_packages) == 2
    assert found.unread == ("lib/apk/db/installed: 1 without a version, not listed",)


async def test_a_bomb_leaves_nothing_open(shelf: Shelf) -> None:
    from reprobuild.image import plain

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "_ALLOWANCE", 1 << 20)
        shelf.put("x:1", [layer([file("big", bytes(30 << 20))])])
        fleet = await shelf.fleet("x:1")
        # An exception that is ignored, as in a generator that is left to the garbage, fails the test here.
        gc.collect()
    assert ("a bomb" in fleet.missing[0].why, fleet.images) == (True, ())


async def test_distributions_are_those_that_pip_lists(shelf: Shelf) -> None:
    site = "usr/local/lib/python3.11/site-packages"
    vendored = distribution(f"{site}/setuptools/_vendor", "wheel", "0.43.0", files={})
    elsewhere = distribution("opt/app/lib/python3.9/site-packages", "pip", "1.0", files={})
    found = await shelf.image(
        [*python_org(), *vendored, *elsewhere, *distribution(site, "setuptools", "65.5.1", files={})],
        Env=["PATH=/usr/local/bin", "PYTHON_VERSION=3.11.8", "PYTHON_PIP_VERSION=24.0"],
    )
    assert [(one.name, one.version) for one in found.distributions] == [("pip", "24.0"), ("setuptools", "65.5.1")]
    assert (found.python.claimed, found.python.found) == ("3.11.8", "3.11.9")
    assert (found.pip.claimed, found.pip.found, found.setuptools.found) == ("24.0", "24.0", "65.5.1")


@pytest.mark.parametrize(
    ("env", "files", "expected"),
    [
        ([], [], "UTC"),
        (["TZ=Europe/Berlin"], [], "Europe/Berlin"),
        (["TZ=:/usr/share/zoneinfo/Europe/Berlin"], [], "Europe/Berlin"),
        (["TZ=Etc/UTC"], [link("etc/localtime", "/usr/share/zoneinfo/Europe/Berlin")], "UTC"),
        ([], [link("etc/localtime", "../usr/share/zoneinfo/Asia/Tokyo")], "Asia/Tokyo"),
        ([], [link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")], "UTC"),
        ([], [file("etc/localtime", b"TZif2\nUTC0\n")], "UTC"),
        ([], [file("etc/localtime", b"TZif2\nCET-1CEST,M3.5.0,M10.5.0/3\n")], "CET-1CEST,M3.5.0,M10.5.0/3"),
    ],
)
async def test_timezones(shelf: Shelf, env: list[str], files: Files, expected: str) -> None:
    assert (await shelf.image(files, Env=env)).timezone == expected


async def test_sizes_by_cause(shelf: Shelf) -> None:
    site = "usr/local/lib/python3.11/site-packages"
    files = [
        file("var/lib/dpkg/info/curl.list", b"/.\n/bin\n/bin/curl\n"),
        file("usr/bin/curl", b"1" * 10),
        file(f"{site}/requests/api.py", b"1" * 200),
        file(f"{site}/requests/__pycache__/api.cpython-311.pyc", b"1" * 3000),
        file(f"{site}/source_x/source.py", b"1" * 40_000),
        file(f"{site}/source_x-1.0.dist-info/INSTALLER", b"1" * 50_000),
        file("airbyte/integration_code/main.py", b"1" * 600_000),
        file("root/.cache/pip/http/1", b"1" * 7_000_000),
        file("srv/anything", b"1" * 80_000),
    ]
    shelf.put("x:1", [layer(files)], WorkingDir="/airbyte/integration_code")
    subject = Subject(connector="source-x", reference="x:1")
    (found,) = (await shelf.fleet(subject)).images
    assert found.layers[0].causes == {
        Cause.OS: 10 + len(files[0][1]),
        Cause.DEPENDENCIES: 200,
        Cause.BYTECODE: 3000,
        Cause.CODE: 690_000,
        Cause.CACHES: 7_000_000,
        Cause.OTHER: 80_000,
    }


async def test_configs_that_are_odd(shelf: Shelf) -> None:
    found = await shelf.image(
        [], Entrypoint="/run me", Cmd=[1], Labels=["no"], User=7, WorkingDir=None, Env=["A", "B=="]
    )
    assert (found.entrypoint, found.command, found.labels) == (("/run me",), ("1",), {})
    assert (found.user, found.workdir, found.environment) == ("", "", (("A", ""), ("B", "=")))


async def test_a_layer_that_is_not_what_the_config_says(shelf: Shelf) -> None:
    shelf.put("x:1", [packed(END, claimed=b"other")])
    found = await shelf.fleet("x:1")
    assert "its plain bytes are" in found.missing[0].why
