"""What is found in images: distributions of every form, packages of three systems, Python, the base."""

from dataclasses import replace
from pathlib import Path

import pytest

from reprobuild.builder.tree import Entry
from reprobuild.canonical import digest_of, parse_json
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer, layer_index
from reprobuild.lockfile import Wheel
from reprobuild.oci.types import parse_manifest
from reprobuild.progress import Silent
from reprobuild.sbom.component import Component
from reprobuild.sbom.inventory import inventory_of
from reprobuild.sbom.reading import has_layers, read_image
from reprobuild.store import Store
from reprobuild.verify.reading import Origin
from reprobuild.verify.stored import Stored
from tests.contract.test_packages import APK, DPKG
from tests.image.test_rpm import database, header
from tests.images import AMD64, add_document
from tests.resolver.base_images import ENV, Image, alpine, debian, file, image, link, python_org
from tests.sbom.images import DEBIAN, SITE, Unreadable, inventory, metadata, names, one
from tests.verify import pairs

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


async def test_distributions_wherever_they_are(store: Store) -> None:
    found = await inventory(
        store,
        [
            metadata("Typing_Extensions", "4.12.2"),
            metadata("idna", "3.7", site="srv/app/deps"),
            metadata("idna", "3.7", site=f"{SITE}/pip/_vendor"),
            file("usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO", b"Name: six\nVersion: 1.16.0\n"),
            file("usr/lib/python3/dist-packages/old-1.egg-info", b"Name: old\nVersion: 1\n"),
            file(f"{SITE}/egg-2.0-py3.11.egg/EGG-INFO/PKG-INFO", b"Name: egg\nVersion: 2.0\n"),
            file(f"{SITE}/nameless-3.0.dist-info/METADATA", b"Metadata-Version: 2.1\n\n"),
            file(f"{SITE}/idna/METADATA", b"Name: no\nVersion: 1\n"),
        ],
    )
    assert names(found, "distribution") == [
        ("egg", "2.0"),
        ("idna", "3.7"),
        ("nameless", "3.0"),
        ("old", "1"),
        ("six", "1.16.0"),
        ("typing-extensions", "4.12.2"),
    ]
    assert one(found, "idna").paths == (
        "srv/app/deps/idna-3.7.dist-info",
        f"{SITE}/pip/_vendor/idna-3.7.dist-info",
    )
    assert one(found, "typing-extensions").purl == "pkg:pypi/typing-extensions@4.12.2"


async def test_what_names_no_distribution_is_said(store: Store) -> None:
    broken = file(f"{SITE}/broken.dist-info/METADATA", b"\xff\xfe\0")
    foul = file(f"{SITE}/foul-1.dist-info/METADATA", b"Name: ../foul\nVersion: 1\n")
    found = await inventory(store, [broken, foul])
    assert names(found, "distribution") == []
    assert found.unread == (
        f"{SITE}/broken.dist-info/METADATA: names no distribution and version",
        f"{SITE}/foul-1.dist-info/METADATA: names no distribution and version",
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["License-Expression: MIT OR Apache-2.0", "License: other"], "MIT OR Apache-2.0"),
        (["Classifier: License :: OSI Approved :: MIT License", "License: see file"], "MIT License"),
        (["Classifier: License :: OSI Approved", "License: BSD"], "BSD"),
        (["License: " + "x" * 101], ""),
        (["License: Apache-2.0 \U0001fae8"], "Apache-2.0 \U0001fae8"),  # A letter that Python 3.11 does not know.
        (["License: MIT\x1b[0m"], ""),
        ([], ""),
    ],
)
async def test_licenses(store: Store, lines: list[str], expected: str) -> None:
    assert one(await inventory(store, [metadata("idna", "3.7", *lines)]), "idna").license == expected


async def test_layers_add_up(store: Store) -> None:
    gone = Entry(path=f"{SITE}/idna-3.6.dist-info/.wh.METADATA"), b""
    found = await inventory(
        store, [metadata("idna", "3.6"), metadata("six", "1.16.0")], [gone, metadata("idna", "3.7")]
    )
    assert names(found, "distribution") == [("idna", "3.7"), ("six", "1.16.0")]
    layers = [one(found, name).layer for name in ("six", "idna")]
    assert layers[0] != layers[1]


async def test_wheels_that_are_known_give_hashes(store: Store) -> None:
    wheels = [
        Wheel(file="idna-3.7.0-py3-none-any.whl", size=1, digest=digest_of(b"idna")),
        Wheel(file="Typing_Extensions-4.12.2-py3-none-any.whl", size=1, digest=digest_of(b"typing")),
    ]
    files = [metadata("typing-extensions", "4.12.2"), metadata("idna", "3.7")]
    found = await inventory(store, files, wheels=wheels)
    assert one(found, "typing-extensions").digest == digest_of(b"typing")
    assert one(found, "idna").digest is None


async def test_packages_of_debian(store: Store) -> None:
    status = DPKG + b"\nPackage: g++\nVersion: 1:1+b1\nArchitecture: amd64\nSource: gcc-12 (12.2.0-14)\n"
    found = await inventory(store, [DEBIAN, file("var/lib/dpkg/status", status)])
    assert names(found, "operating-system") == [("debian", "12")]
    assert [one.purl for one in found.components if one.kind == "package"] == [
        "pkg:deb/debian/g%2B%2B@1:1%2Bb1?arch=amd64&distro=debian-12&upstream=gcc-12%4012.2.0-14",
        "pkg:deb/debian/libc6@2.36-8?arch=i386&distro=debian-12",
        "pkg:deb/debian/libc6@2.36-9?distro=debian-12",
        "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12",
    ]


async def test_packages_of_images_without_dpkg(store: Store) -> None:
    files = [
        DEBIAN,
        file("var/lib/dpkg/status.d/base-files", b"Package: base-files\nVersion: 12.4\nArchitecture: amd64\n"),
        file("var/lib/dpkg/status.d/base-files.md5sums", b"d41d8  etc/debian_version\n"),
    ]
    assert one(await inventory(store, files), "base-files") == Component(
        kind="package",
        name="base-files",
        version="12.4",
        purl="pkg:deb/debian/base-files@12.4?arch=amd64&distro=debian-12",
        paths=("var/lib/dpkg/status.d/base-files",),
    )


async def test_packages_of_alpine(store: Store) -> None:
    release = file("etc/os-release", b"ID=alpine\nVERSION_ID=3.18.4\n")
    found = await inventory(store, [release, *alpine(), file("lib/apk/db/installed", APK + b"P:a\nV:1\no:b\nL:MIT\n")])
    assert one(found, "musl").purl == "pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine-3.18.4"
    assert one(found, "a").purl == "pkg:apk/alpine/a@1?distro=alpine-3.18.4&upstream=b"
    assert one(found, "a").license == "MIT"
    assert names(found, "interpreter") == [("python", "3.12.3")]


async def test_packages_of_alpine_below_usr(store: Store) -> None:
    installed = file("usr/lib/apk/db/installed", b"P:a\nV:1\n")
    assert names(await inventory(store, [installed]), "package") == [("a", "1")]
    assert names(await inventory(store, [installed, link("lib", "usr/lib")]), "package") == [("a", "1")]


async def test_packages_of_rpm(store: Store) -> None:
    files = [
        file("usr/lib/sysimage/rpm/rpmdb.sqlite", database(header(name="bash", version="5.2"))),
        link("var/lib/rpm", "../../usr/lib/sysimage/rpm"),
        file("usr/lib/os-release", b"ID=fedora\nVERSION_ID=38\n"),
        link("etc/os-release", "../usr/lib/os-release"),
    ]
    found = await inventory(store, files)
    assert one(found, "bash").purl == "pkg:rpm/fedora/bash@5.2?distro=fedora-38"
    assert one(found, "bash").paths == ("usr/lib/sysimage/rpm/rpmdb.sqlite",)


async def test_databases_that_cannot_be_read_are_said(store: Store) -> None:
    files = [file("var/lib/rpm/rpmdb.sqlite", b"SQLite"), file("var/lib/rpm/Packages", b"RpmP")]
    found = await inventory(store, files)
    assert found.components == ()
    assert found.unread == (
        "var/lib/rpm/Packages: not a readable rpm database: it ends too early",
        "var/lib/rpm/rpmdb.sqlite: not a readable rpm database: it ends too early",
    )


@pytest.mark.parametrize(("files", "version"), [(python_org("3.11.9"), "3.11.9"), (debian("3.11.2"), "3.11.2")])
async def test_the_interpreter(store: Store, files: list[tuple[Entry, bytes]], version: str) -> None:
    found = await inventory(store, files)
    assert names(found, "interpreter") == [("python", version)]
    assert one(found, "python").purl == f"pkg:generic/python@{version}"
    # From what the store remembers, too.
    assert await inventory(store, files) == found


async def test_an_interpreter_that_is_not_there(store: Store) -> None:
    assert (await inventory(store, [DEBIAN])).unread == ()
    (text,) = (await inventory(store, [metadata("idna", "3.7")])).unread
    assert text.startswith("its Python: there is no python3 on its PATH")


async def test_the_base_and_the_image_itself(store: Store) -> None:
    digest = digest_of(b"base")
    key = "org.opencontainers.image"
    annotations = {
        f"{key}.base.digest": digest,
        f"{key}.base.name": "docker.io/library/python:3.11-slim",
        f"{key}.title": "source-one",
        f"{key}.version": "1.2.3",
    }
    plain = image([DEBIAN])
    value = {**_manifest(store, plain), "annotations": annotations}
    descriptor = add_document(value, plain.manifest_type, store)
    origin = Origin(reference="test", source=Unreadable(descriptor, store), kept=False)
    read = await read_image(origin, descriptor, store, Silent())
    found = inventory_of(read, name="registry.example:5000/team/one")
    assert (found.name, found.version) == ("source-one", "1.2.3")
    place = "repository_url=registry.example:5000%2Fteam%2Fone"
    assert found.purl == f"pkg:oci/one@{descriptor.digest}?arch=amd64&{place}"
    base = one(found, "docker.io/library/python:3.11-slim")
    assert base.digest == digest
    assert base.purl == f"pkg:oci/python@{digest}?repository_url=docker.io%2Flibrary%2Fpython"
    assert inventory_of(read, name="two").purl == ""


def _manifest(store: Store, plain: Image) -> dict[str, object]:
    return parse_json(store.read(plain.add(store).digest))


async def test_a_file_that_is_a_hard_link(store: Store) -> None:
    info = f"{SITE}/idna-3.7.dist-info/METADATA"
    content = b"Name: idna\nVersion: 3.7\n"
    linked = Entry(path=info, kind="hardlink", target="root/cache/1"), b""
    found = await inventory(store, [file("root/cache/1", content), linked])
    assert names(found, "distribution") == [("idna", "3.7")]
    store = Store(store.root / "another")
    found = await inventory(store, [file("root/cache/1", content)], [linked])
    assert names(found, "distribution") == []
    assert found.unread == (f"{info}: a hard link to what a layer below has, not read",)


async def test_a_name_that_is_no_text(store: Store) -> None:
    path = "opt/caf\udce9/idna-3.7.dist-info/METADATA"
    descriptor = pairs.Image(files=[pairs.File(path=path, data=b"Name: idna\nVersion: 3.7\n")]).add(store)
    origin = Origin(reference="test", source=Stored(descriptor, store), kept=False)
    found = inventory_of(await read_image(origin, descriptor, store, Silent()), name="test")
    assert one(found, "idna").paths == ("opt/caf\ufffd/idna-3.7.dist-info",)


async def test_layers_are_read_once(store: Store) -> None:
    plain = image([DEBIAN, metadata("idna", "3.7"), *python_org()])
    descriptor = replace(plain.add(store), platform=None)
    first = await inventory(store, built=plain)
    for layer in plain.layers:
        store.discard(digest_of(layer.data))
    assert has_layers(descriptor, store)
    origin = Origin(reference="test", source=Unreadable(descriptor, store), kept=False)
    assert inventory_of(await read_image(origin, descriptor, store, Silent()), name="test") == first
    store.discard(digest_of(DEBIAN[1]))
    with pytest.raises(ContentError, match="a layer was read"):
        await read_image(origin, descriptor, store, Silent())


async def test_a_layer_that_others_have_indexed_is_read_for_its_contents(store: Store, tmp_path: Path) -> None:
    plain = image([DEBIAN, metadata("idna", "3.7"), *python_org()])
    first = await inventory(store, built=plain)
    other = Store(tmp_path / "other")
    manifest = parse_manifest(other.read(plain.add(other).digest))
    layer = RootLayer(descriptor=manifest.layers[0], diff_id=plain.layers[0].diff_id)
    layer_index(layer, other, where="test")
    assert await inventory(other, built=plain) == first


async def test_config_and_manifest_of_different_images(store: Store) -> None:
    plain = image([DEBIAN])
    extra = replace(plain, layers=[*plain.layers, *plain.layers])
    value = _manifest(store, extra)
    value["config"] = _manifest(store, plain)["config"]
    descriptor = add_document(value, plain.manifest_type, store)
    origin = Origin(reference="test", source=Unreadable(descriptor, store), kept=False)
    with pytest.raises(ContentError, match="2 layers, the config 1"):
        await read_image(origin, descriptor, store, Silent())


async def test_platform_and_time(store: Store) -> None:
    found = await inventory(store, built=image([DEBIAN], platform=AMD64, env=ENV))
    assert (str(found.platform), found.created) == ("linux/amd64", None)
