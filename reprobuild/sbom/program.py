"""What a program says of itself, remembered by the digest of its bytes: scanned once in a store's life."""

from dataclasses import dataclass
from typing import Any

from reprobuild.canonical import Digest, canonical_json, digest_of
from reprobuild.image.elf import Elf
from reprobuild.lockfile import Libc
from reprobuild.store import Store

__all__ = ["Program", "known_program", "remember_program"]

_KIND = "program"
_FORMAT = 1
"""Of the record; another one is another key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A file that was scanned; ``elf`` is None if it is no ELF file."""

    elf: Elf | None


def remember_program(digest: Digest, elf: Elf | None, store: Store) -> None:
    """Keep in *store* that the file *digest* was scanned and gave *elf*."""
    value: dict[str, Any] = {"elf": None}
    if elf is not None:
        libcs = sorted([one.family, one.major, one.minor] for one in elf.libcs)
        found = {"machine": elf.machine, "loader": elf.loader, "pythons": sorted(elf.pythons), "libcs": libcs}
        value = {"elf": found}
    store.write_record(_KIND, _key(digest), value)


def known_program(digest: Digest, store: Store) -> Program | None:
    """Return what *store* remembers of the file *digest*; None if that is nothing that can be believed."""
    record = store.record(_KIND, _key(digest))
    try:
        return Program(elf=_elf(record["elf"]) if record["elf"] is not None else None) if record is not None else None
    except (KeyError, TypeError, ValueError):
        return None


def _elf(value: dict[str, Any]) -> Elf:
    libcs = (Libc(family=family, major=int(major), minor=int(minor)) for family, major, minor in value["libcs"])
    return Elf(
        machine=int(value["machine"]),
        loader=value["loader"],
        pythons=frozenset(map(str, value["pythons"])),
        libcs=frozenset(libcs),
    )


def _key(digest: Digest) -> Digest:
    return digest_of(canonical_json([_KIND, _FORMAT, digest]))
