"""What the dynamic linker would ask of an ELF file, and what it would find in it; nothing is executed.

System V ABI, gabi 4, "Dynamic Linking"; symbol versions as in the LSB Core Specification, "Symbol Versioning".
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import Section

__all__ = ["SharedObject", "from_json", "is_elf", "read_shared_object", "to_json"]

_SECTIONS = 2_000
_ENTRIES = 4_000
"""Entries of a table that are looked at: no library seen has a tenth, and a file may announce any number."""
_WEAK = 2
"""VER_FLG_WEAK: the linker does not mind if such a version is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedObject:
    """A library or module that is loaded (ET_DYN): its machine (``e_machine``) and its dynamic section.

    ``needed`` are names of libraries (DT_NEEDED), ``paths`` where to look for them first (DT_RUNPATH, else
    DT_RPATH), ``$ORIGIN`` as it stands. ``requires`` are the symbol versions it needs by library, ``provides``
    those that it defines.
    """

    machine: int
    soname: str = ""
    needed: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    provides: tuple[str, ...] = ()


def is_elf(head: bytes) -> bool:
    """Say whether a file that begins with *head* is an ELF file."""
    return head[:4] == b"\x7fELF"


def read_shared_object(file: IO[bytes]) -> SharedObject | None:
    """Return what *file*, which can be sought, says; None if it is nothing that could be loaded."""
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415 - 60 ms

    if not is_elf(file.read(4)):
        return None
    try:
        elf = ELFFile(file)
        return _shared_object(elf) if elf.header["e_type"] == "ET_DYN" else None
    except Exception:  # Damaged tables raise from anywhere in the parser; the linker refuses such files, too.
        return None


def to_json(shared: SharedObject) -> list[Any]:
    """Return *shared* as JSON has it."""
    requires = {name: list(versions) for name, versions in sorted(shared.requires.items())}
    return [shared.machine, shared.soname, list(shared.needed), list(shared.paths), requires, list(shared.provides)]


def from_json(value: list[Any]) -> SharedObject:
    """Return what `to_json` made *value* of; raise TypeError, ValueError or AttributeError for anything else."""
    machine, soname, needed, paths, requires, provides = value
    return SharedObject(
        machine=machine,
        soname=soname,
        needed=tuple(needed),
        paths=tuple(paths),
        requires={name: tuple(versions) for name, versions in requires.items()},
        provides=tuple(provides),
    )


def _shared_object(elf: "ELFFile") -> SharedObject:
    from elftools.elf.enums import ENUM_E_MACHINE  # noqa: PLC0415

    machine = elf.header["e_machine"]
    tables = _tables(elf)
    tags = _tags(tables.get("SHT_DYNAMIC"))
    return SharedObject(
        machine=machine if isinstance(machine, int) else ENUM_E_MACHINE[machine],
        soname=(tags["DT_SONAME"] or [""])[0],
        needed=tuple(dict.fromkeys(tags["DT_NEEDED"])),
        paths=tuple(_paths(tags["DT_RUNPATH"] or tags["DT_RPATH"])),
        requires=_requires(tables.get("SHT_GNU_verneed")),
        provides=tuple(next(auxiliaries).name for _, auxiliaries in _versions(tables.get("SHT_GNU_verdef"))),
    )


def _tables(elf: "ELFFile") -> dict[str, Any]:
    """Return the three tables that matter, by the type of their sections; a file without sections has one at least."""
    wanted = {"SHT_DYNAMIC", "SHT_GNU_verneed", "SHT_GNU_verdef"}
    found: dict[str, Any] = {}
    sections: Iterable[Section] = islice(elf.iter_sections(), _SECTIONS)
    for section in sections:
        if (kind := section.header["sh_type"]) in wanted:
            found.setdefault(kind, section)
    if "SHT_DYNAMIC" not in found:
        found["SHT_DYNAMIC"] = next(elf.iter_segments("PT_DYNAMIC"), None)
    return found


def _tags(dynamic: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"DT_SONAME": [], "DT_NEEDED": [], "DT_RUNPATH": [], "DT_RPATH": []}
    for tag in islice(dynamic.iter_tags(), _ENTRIES) if dynamic else ():
        kind = tag.entry.d_tag
        if kind in found:
            found[kind].append(getattr(tag, kind.removeprefix("DT_").lower()))
    return found


def _paths(tags: list[str]) -> Iterator[str]:
    return (path for tag in tags for path in tag.split(":") if path)


def _versions(table: Any) -> Iterator[Any]:
    return islice(table.iter_versions(), _ENTRIES) if table else iter(())


def _requires(table: Any) -> dict[str, tuple[str, ...]]:
    pairs = ((version.name, one) for version, auxiliaries in _versions(table) for one in auxiliaries)
    found: dict[str, list[str]] = {}
    for library, one in islice(pairs, _ENTRIES):
        if not one["vna_flags"] & _WEAK:
            found.setdefault(library, []).append(one.name)
    return {library: tuple(dict.fromkeys(versions)) for library, versions in found.items()}
