"""Where the dynamic linker of a base would look, and what it would find there, read from layers."""

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest

from reprobuild.builder.tree import Entry
from reprobuild.errors import ContentError
from reprobuild.lockfile import BaseImage, Libc
from reprobuild.oci.types import parse_manifest
from reprobuild.resolver.base_libraries import base_libraries, remembered_libraries
from reprobuild.resolver.needs import BaseLibraries
from reprobuild.store import Store
from tests.elf_files import AARCH64, shared_object
from tests.images import AMD64
from tests.resolver.base_images import Files, Image, file, folder, image, layer, link
from tests.resolver.worlds import base_image

HERE = "usr/lib/x86_64-linux-gnu"
MUSL = Libc(family="musl", major=1, minor=2)
Look = Callable[..., BaseLibraries]


def locked(made: Image, store: Store, libc: Libc | None = None) -> BaseImage:
    """Return what a lock says of *made*, which goes into *store*."""
    descriptor = made.add(store)
    manifest = parse_manifest(store.read(descriptor.digest), where="test")
    base = base_image()
    platform = replace(
        base.platforms[AMD64], manifest=descriptor.digest, config=manifest.config.digest, size=descriptor.size
    )
    return replace(base, platforms={AMD64: platform}, libc=libc or base.libc)


@pytest.fixture
def look(store: Store) -> Look:
    """Read the libraries of a base of layers, twice: from the layers, and as they are remembered."""

    def look_(*layers: Files, libc: Libc | None = None, env: tuple[str, ...] = ()) -> BaseLibraries:
        base = locked(image(*layers, env=env), store, libc)
        found = base_libraries(base, AMD64, store)
        assert remembered_libraries(base, AMD64, store) == found
        return found

    return look_


def whiteout(path: str) -> tuple[Entry, bytes]:
    above, _, name = path.rpartition("/")
    return file(f"{above}/.wh.{name}")


def test_debians_directories_and_links(look: Look) -> None:
    found = look(
        [
            link("lib", "usr/lib"),
            file(
                "etc/ld.so.conf",
                b"# comment\ninclude  /etc/ld.so.conf.d/*.conf\nhwcap 1 old\n/opt/a:/opt/b /opt/nowhere\n",
            ),
            file("etc/ld.so.conf.d/libc.conf", b"# libc\n/usr/local/lib\n"),
            file("etc/ld.so.conf.d/x86_64.conf", b"/lib/x86_64-linux-gnu\n"),
            file("etc/ld.so.conf.d/ignored.txt", b"/opt/c\n"),
            file("etc/os-release", b'NAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'),
            *(folder(path) for path in ("opt/a", "opt/b", "opt/c", "usr/local/lib")),
            file(f"{HERE}/libx.so.1.2", shared_object("libx.so.1", provides=["X_1"])),
            link(f"{HERE}/libx.so.1", "libx.so.1.2"),
            link("usr/lib/liblinked.so.1", "/lib/x86_64-linux-gnu/libx.so.1"),
        ]
    )
    assert found.directories == ("usr/local/lib", HERE, "opt/a", "opt/b", "usr/lib")
    assert set(found.libraries) == {f"{HERE}/libx.so.1.2", f"{HERE}/libx.so.1", "usr/lib/liblinked.so.1"}
    assert found.libraries[f"{HERE}/libx.so.1"].provides == ("libx.so.1", "X_1")
    assert found.links == {"lib": "usr/lib"}
    assert found.release == {"ID": "debian", "VERSION_ID": "12"}
    assert found.real("/lib/x86_64-linux-gnu/") == HERE


def test_alpines_directories(look: Look) -> None:
    files = [
        folder("lib"),
        folder("usr/lib"),
        folder("usr/local/lib"),
        link("lib/libc.musl-x86_64.so.1", "ld-musl.so.1"),
    ]
    files += [file("lib/ld-musl.so.1", shared_object())]
    found = look(files, libc=MUSL)
    assert found.directories == ("lib", "usr/local/lib", "usr/lib")
    assert "lib/libc.musl-x86_64.so.1" in found.libraries
    own = [*files, file("etc/ld-musl-x86_64.path", b"/opt/lib:/lib\n/usr/lib\n"), folder("opt/lib")]
    assert look(own, libc=MUSL).directories == ("opt/lib", "lib", "usr/lib")


def test_the_library_path_of_the_image_comes_first(look: Look) -> None:
    found = look([folder("usr/lib"), folder("opt/lib")], env=("LD_LIBRARY_PATH=/opt/lib::/nowhere",))
    assert found.directories == ("opt/lib", "usr/lib")


def test_layers_add_up(look: Look) -> None:
    lower = [file(f"{HERE}/{name}", shared_object(name)) for name in ("liba.so.1", "libb.so.1")]
    upper = [whiteout(f"{HERE}/liba.so.1"), file(f"{HERE}/libb.so.1", shared_object("libb.so.1", provides=["B_2"]))]
    found = look(lower, upper)
    assert set(found.libraries) == {f"{HERE}/libb.so.1"}
    assert found.libraries[f"{HERE}/libb.so.1"].provides == ("libb.so.1", "B_2")


def test_only_what_could_be_loaded_is_a_library(look: Look) -> None:
    found = look(
        [
            file("usr/lib/libscript.so", b"/* GNU ld script */ GROUP ( /lib/libc.so.6 )"),
            file("usr/lib/libforeign.so.1", shared_object(machine=AARCH64)),
            file("usr/lib/python3.11/lib-dynload/_ssl.so", shared_object()),
            file(f"{HERE}/gconv/UTF-7.so", shared_object()),
            link("usr/lib/libgone.so.1", "libgone.so.1.0"),
            link("usr/lib/libloop.so.1", "libloop.so.1"),
        ]
    )
    assert found.libraries == {}


def test_configurations_that_include_themselves_come_to_an_end(look: Look) -> None:
    assert look([file("etc/ld.so.conf", b"include ld.so.conf\n/usr/lib\n"), folder("usr/lib")]).directories == (
        "usr/lib",
    )


def test_what_is_remembered_is_read_again_where_it_is_damaged(store: Store) -> None:
    base = locked(image([file("usr/lib/libx.so.1", shared_object())]), store)
    found = base_libraries(base, AMD64, store)
    for record in (store.root / "records" / "base-libraries").rglob("*"):
        if record.is_file():
            record.write_bytes(b'{"blob": "sha256:0"}')
    assert remembered_libraries(base, AMD64, store) is None
    assert base_libraries(base, AMD64, store) == found
    shutil.rmtree(store.root / "records")
    assert base_libraries(base, AMD64, store) == found


def test_a_layer_that_is_another_is_refused(store: Store) -> None:
    made = layer([file("usr/lib/libx.so.1", shared_object())])
    wrong = replace(made, diff_id=layer([]).diff_id)
    with pytest.raises(ContentError, match="the config says"):
        base_libraries(locked(Image(layers=[wrong]), store), AMD64, store)
