"""What an ELF file says about itself, read from its bytes: machine, loader, and the versions written into it.

Nothing is executed: CPython, glibc and musl hold their version as text, which is looked for while the file
passes by. ELF: System V ABI, gabi 4, "ELF Header" and "Program Header".
"""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reprobuild.lockfile import Libc

__all__ = ["Elf", "machine_of", "scan"]

_MACHINES = {
    "386": 3,
    "amd64": 62,
    "arm": 40,
    "arm64": 183,
    "loong64": 258,
    "ppc64le": 21,
    "riscv64": 243,
    "s390x": 22,
}
_LOADER = 3
"""PT_INTERP: the program header that holds the loader's path."""
_OVERLAP = 512
"""Bytes of a chunk that are looked at again with the next one; no text that is looked for is longer."""

# Py_GetVersion's PY_VERSION, `__libc_version` of musl and glibc's banner: a C string, perhaps the tail of a
# longer one, since linkers merge strings that end alike.
_PYTHON = re.compile(rb"3\.(?<![0-9A-Za-z._+-]3\.)(\d{1,2}\.\d{1,3}(?:(?:a|b|rc)\d{1,3})?)\+?\0")
_MUSL = re.compile(rb"1\.(?<![0-9A-Za-z._+-]1\.)(\d{1,3})\.\d{1,3}[0-9A-Za-z._+-]{0,40}\0")
_MUSL_BANNER = b"musl libc ("
_GLIBC = re.compile(rb"GNU C Library [^\n\0]{0,160}?release version (\d{1,3})\.(\d{1,3})[^0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Elf:
    """An ELF file: its machine (``e_machine``), the loader it asks for, and the versions that stand in it.

    ``pythons`` holds every text that could be a version of Python 3, ``libcs`` what a C library calls itself.
    """

    machine: int
    loader: str | None
    pythons: frozenset[str]
    libcs: frozenset[Libc]


def machine_of(architecture: str) -> int | None:
    """Return the ``e_machine`` of Go's name for an architecture; None if it is not known here."""
    return _MACHINES.get(architecture)


def scan(chunks: Iterable[bytes]) -> Elf | None:
    """Return what the file in *chunks* says; None if it is not an ELF file.

    The first chunk holds at least the program headers, which linkers write right behind the ELF header.
    """
    head: _Head | None = None
    loader, pythons, libcs, musl = b"", set[str](), set[Libc](), set[Libc]()
    tail, position, is_musl = b"", 0, False
    for chunk in chunks:
        if head is None and (head := _head(chunk)) is None:
            return None
        loader += chunk[max(0, head.start - position) : max(0, head.end - position)]
        window = tail + chunk
        pythons.update(f"3.{found[1].decode()}" for found in _matches(_PYTHON, window, cut=bool(tail)))
        libcs.update(_libc("glibc", *found.groups()) for found in _GLIBC.finditer(window))
        musl.update(_libc("musl", b"1", found[1]) for found in _matches(_MUSL, window, cut=bool(tail)))
        is_musl = is_musl or _MUSL_BANNER in window
        tail, position = window[-_OVERLAP:], position + len(chunk)
    if head is None:
        return None
    return Elf(
        machine=head.machine,
        loader=loader.rstrip(b"\0").decode("utf-8", "replace") or None,
        pythons=frozenset(pythons),
        libcs=frozenset(libcs | musl if is_musl else libcs),
    )


def _matches(pattern: re.Pattern[bytes], window: bytes, *, cut: bool) -> Iterator[re.Match[bytes]]:
    """Yield matches, but not one at a cut: what stood before it is gone, and the last window has seen it whole."""
    return (found for found in pattern.finditer(window) if found.start() or not cut)


def _libc(family: str, major: bytes, minor: bytes) -> Libc:
    return Libc(family=family, major=int(major), minor=int(minor))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    machine: int
    start: int = 0
    end: int = 0
    """Where in the file the loader's path is."""


def _head(data: bytes) -> _Head | None:
    if data[:4] != b"\x7fELF" or data[4:5] not in {b"\1", b"\2"} or data[5:6] not in {b"\1", b"\2"}:
        return None
    order, wide = "<" if data[5] == 1 else ">", data[4] == 2
    try:
        (machine,) = struct.unpack_from(f"{order}H", data, 18)
        (table,) = struct.unpack_from(order + ("Q" if wide else "I"), data, 32 if wide else 28)
        size, count = struct.unpack_from(f"{order}HH", data, 54 if wide else 42)
        for number in range(count):
            kind, start, length = _program_header(data, table + number * size, order, wide=wide)
            if kind == _LOADER and length <= 4096:
                return _Head(machine=machine, start=start, end=start + length)
    except struct.error:
        return None
    return _Head(machine=machine)


def _program_header(data: bytes, offset: int, order: str, *, wide: bool) -> tuple[int, int, int]:
    """Return type, file offset and file size of the program header at *offset*."""
    if wide:
        kind, start, length = struct.unpack_from(f"{order}I4xQ16xQ", data, offset)
    else:
        kind, start, length = struct.unpack_from(f"{order}II8xI", data, offset)
    return kind, start, length
