"""What the dynamic linker would read in an ELF file, and no exception whatever the bytes are."""

import io
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.image.shared_object import SharedObject, from_json, read_shared_object, to_json
from tests.elf_files import AARCH64, shared_object

WHOLE = shared_object(
    "libgreet.so.1",
    needed=["libc.so.6", "libm.so.6"],
    runpath="$ORIGIN/../greet.libs:/opt/lib",
    requires={"libc.so.6": ["GLIBC_2.17", "GLIBC_2.34"], "libm.so.6": ["GLIBC_2.29"]},
    weak={"libm.so.6": ["GLIBC_2.99"]},
    provides=["GREET_1", "GREET_2"],
    machine=AARCH64,
)


def read(data: bytes) -> SharedObject | None:
    return read_shared_object(io.BytesIO(data))


def test_what_the_linker_would_read() -> None:
    found = read(WHOLE)
    assert found == SharedObject(
        machine=AARCH64,
        soname="libgreet.so.1",
        needed=("libc.so.6", "libm.so.6"),
        paths=("$ORIGIN/../greet.libs", "/opt/lib"),
        requires={"libc.so.6": ("GLIBC_2.17", "GLIBC_2.34"), "libm.so.6": ("GLIBC_2.29",)},
        provides=("libgreet.so.1", "GREET_1", "GREET_2"),
    )
    assert from_json(to_json(found)) == found


def test_a_runpath_takes_the_place_of_an_rpath() -> None:
    both = read(shared_object(rpath="/old", runpath="/new"))
    old = read(shared_object(rpath="/old"))
    assert both is not None
    assert old is not None
    assert (both.paths, old.paths) == (("/new",), ("/old",))


def test_a_file_without_sections_tells_what_it_needs() -> None:
    found = read(shared_object("libx.so", needed=["liby.so"], sections=False))
    assert found == SharedObject(machine=62, soname="libx.so", needed=("liby.so",))


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"#!/bin/sh\n", shared_object(kind=2), shared_object(kind=1)])
def test_what_is_not_loaded_is_nothing(data: bytes) -> None:
    assert read(data) is None


def test_the_c_library_of_this_machine_defines_versions() -> None:
    name = f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}/libc.so.6"
    path = next((path for path in map(Path, (name, "/usr/lib64/libc.so.6")) if path.exists()), None)
    if path is None:
        pytest.skip("this machine has no glibc in a place that is known here")
    with path.open("rb") as file:
        found = read_shared_object(file)
    assert found is not None
    assert found.soname == "libc.so.6"
    assert {"GLIBC_2.17", "GLIBC_2.34"} <= set(found.provides)


@given(st.data())
def test_damaged_files_are_borne(data: st.DataObject) -> None:
    damaged = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(4, len(WHOLE) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(damaged[: data.draw(st.integers(0, len(WHOLE)))]))
    read(bytes(damaged))


@given(st.binary(max_size=300))
def test_any_bytes_are_borne(data: bytes) -> None:
    read(b"\x7fELF" + data)
