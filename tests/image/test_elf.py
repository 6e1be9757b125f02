"""What ELF files say, in pieces of any size."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.image.elf import Elf, machine_of, scan
from reprobuild.lockfile import Libc
from tests.images import ARM64
from tests.resolver.base_images import elf


def _pieces(data: bytes, size: int, first: int = 256) -> Iterator[bytes]:
    yield data[:first]
    for start in range(first, len(data), size):
        yield data[start : start + size]


def test_machine_loader_and_version_are_read() -> None:
    said = scan([elf(b"3.11.2", platform=ARM64, loader="/lib/ld-linux-aarch64.so.1")])
    assert said == Elf(
        machine=183, loader="/lib/ld-linux-aarch64.so.1", pythons=frozenset({"3.11.2"}), libcs=frozenset()
    )


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\2\1" + bytes(20), b"MZ" + bytes(200)])
def test_other_files_are_none(data: bytes) -> None:
    assert scan([data]) is None


@given(st.binary(max_size=200))
def test_no_bytes_break_it(tail: bytes) -> None:
    scan([b"\x7fELF" + tail])
    scan([elf()[:64] + tail])


@given(st.integers(1, 700), st.integers(0, 1200))
def test_a_version_is_found_wherever_a_piece_ends(size: int, before: int) -> None:
    banner = b"GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\nCopyright"
    data = elf(b"x" * before, b"3.13.0rc2", b"13.11.2", b"OpenSSL 3.10.1 ", banner, b"1.2.3")
    said = scan(_pieces(data, size))
    assert said is not None
    assert said.pythons == {"3.13.0rc2"}
    assert said.libcs == {Libc(family="glibc", major=2, minor=36)}


def test_a_development_version_counts_without_its_plus() -> None:
    said = scan([elf(b"3.14.0a3+")])
    assert said is not None
    assert said.pythons == {"3.14.0a3"}


def test_musl_is_recognised_by_its_banner() -> None:
    said = scan([elf(b"musl libc (x86_64)\nVersion %s", b"1.2.4_git20230717")])
    assert said is not None
    assert said.libcs == {Libc(family="musl", major=1, minor=2)}


def test_a_loader_after_the_program_is_found() -> None:
    data = bytearray(elf(b"a" * 5000, loader="/lib/ld-musl-x86_64.so.1"))
    data += b"/nix/store/ld-linux-x86-64.so.2\0"
    data[72:80] = (len(data) - 32).to_bytes(8, "little")
    data[96:104] = (32).to_bytes(8, "little")
    said = scan(_pieces(bytes(data), 700))
    assert said is not None
    assert said.loader == "/nix/store/ld-linux-x86-64.so.2"


def test_this_machines_own_python_says_its_version() -> None:
    places = [Path(sys.executable).resolve(), *(Path(sys.base_prefix) / "lib").glob("libpython3.*.so.1.0")]
    said = [scan(_pieces(path.read_bytes(), 1024 * 1024, 65536)) for path in places]
    found = {version for item in said if item is not None for version in item.pythons}
    assert ".".join(map(str, sys.version_info[:3])) in {version.partition("rc")[0] for version in found}


def test_architectures_are_gos() -> None:
    assert (machine_of("amd64"), machine_of("arm64"), machine_of("vax")) == (62, 183, None)
