"""ELF files for tests, written byte by byte: a dynamic section, and symbol versions, for whatever machine."""

import struct
from collections.abc import Mapping, Sequence

__all__ = ["AARCH64", "X86_64", "shared_object"]

X86_64 = 62
AARCH64 = 183
_NEEDED, _STRTAB, _SONAME, _RPATH, _RUNPATH = 1, 5, 14, 15, 29
_HEADER, _PROGRAM, _SECTION = 64, 56, 64


class _Strings:
    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        self.data += text.encode() + b"\0"
        return len(self.data) - len(text.encode()) - 1


def shared_object(
    soname: str = "",
    *,
    needed: Sequence[str] = (),
    runpath: str = "",
    rpath: str = "",
    requires: Mapping[str, Sequence[str]] = {},
    weak: Mapping[str, Sequence[str]] = {},
    provides: Sequence[str] = (),
    machine: int = X86_64,
    kind: int = 3,
    sections: bool = True,
) -> bytes:
    """Return an ELF file of 64 bits, little-endian, as linkers write them; *kind* 3 is ET_DYN."""
    strings = _Strings()
    tags = [(_NEEDED, strings.add(name)) for name in needed]
    tags += [
        (tag, strings.add(text)) for tag, text in ((_SONAME, soname), (_RPATH, rpath), (_RUNPATH, runpath)) if text
    ]
    versions = {name: [(one, 0) for one in some] for name, some in requires.items()}
    for name, some in weak.items():
        versions.setdefault(name, []).extend((one, 2) for one in some)
    verneed = _verneed(versions, strings)
    verdef = _verdef([soname, *provides] if provides else [], strings)
    base = _HEADER + 2 * _PROGRAM
    tags += [(_STRTAB, base), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    bodies = [strings.data, dynamic, verneed, verdef]
    starts = [base + sum(map(len, bodies[:number])) for number in range(len(bodies))]
    end = base + sum(map(len, bodies))
    headers = [(0, 0, 0, 0, 0)]
    headers += [(3, starts[0], len(strings.data), 0, 0), (6, starts[1], len(dynamic), 1, 0)]
    headers += [(0x6FFFFFFE, starts[2], len(verneed), 1, len(versions))] if versions else []
    headers += [(0x6FFFFFFD, starts[3], len(verdef), 1, 1 + len(provides))] if provides else []
    count = len(headers) if sections else 0
    identity = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    numbers = (kind, machine, 1, 0, _HEADER, end if sections else 0, 0, _HEADER, _PROGRAM, 2, _SECTION, count, 0)
    head = identity + struct.pack("<HHIQQQIHHHHHH", *numbers)
    programs = _program(1, 0, end) + _program(2, starts[1], len(dynamic))
    table = b"".join(struct.pack("<IIQQQQIIQQ", 0, *_section(*one)) for one in headers) if sections else b""
    return head + programs + b"".join(bodies) + table


def _program(kind: int, start: int, size: int) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, 4, start, start, start, size, size, 1)


def _section(kind: int, start: int, size: int, link: int, info: int) -> tuple[int, ...]:
    return kind, 0, start, start, size, link, info, 1, 16 if kind == 6 else 0


def _verneed(versions: Mapping[str, Sequence[tuple[str, int]]], strings: _Strings) -> bytes:
    parts = []
    for number, (name, some) in enumerate(versions.items()):
        last = number == len(versions) - 1
        parts.append(struct.pack("<HHIII", 1, len(some), strings.add(name), 16, 0 if last else 16 + 16 * len(some)))
        for place, (version, flags) in enumerate(some):
            following = 16 if place < len(some) - 1 else 0
            parts.append(struct.pack("<IHHII", 0, flags, 2 + place, strings.add(version), following))
    return b"".join(parts)


def _verdef(names: Sequence[str], strings: _Strings) -> bytes:
    parts = []
    for number, name in enumerate(names):
        following = 28 if number < len(names) - 1 else 0
        parts.append(struct.pack("<HHHHIII", 1, not number, number + 1, 1, 0, 20, following))
        parts.append(struct.pack("<II", strings.add(name), 0))
    return b"".join(parts)
