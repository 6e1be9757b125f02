"""The loader's cache, /etc/ld.so.cache, as ldconfig would write it for the libraries of one folder.

Libraries are found without it, but ctypes.util.find_library asks ldconfig, which knows the cache alone.
The format is glibc's "glibc-ld.so.cache1.1" (sysdeps/generic/dl-cache.h), little endian, without extensions.
"""

import re
import struct
from collections.abc import Iterable, Mapping

__all__ = ["library_cache", "library_names"]

_HEADER = struct.Struct("<20sIIB3xI12x")
_ENTRY = struct.Struct("<iIIIQ")
_LITTLE_ENDIAN = 2
_LIBRARY = re.compile(r"(lib|ld-)[^/]*\.so(\.[^/]*)?")
# FLAG_ELF_LIBC6, with the machine's own flag above it.
_FLAGS = {"x86_64-linux-gnu": 0x0303, "aarch64-linux-gnu": 0x0A03}


def library_names(links: Mapping[str, str]) -> list[str]:
    """Return the names that libraries go by in a folder; *links* maps its files to what they link to, or to ``""``.

    A name that another one links to is a version's file, not what programs ask for.
    """
    return sorted(name for name in links.keys() - set(links.values()) if _LIBRARY.fullmatch(name))


def library_cache(triplet: str, names: Iterable[str]) -> bytes:
    """Return the cache that finds *names* in ``/lib/<triplet>``."""
    folder = f"/lib/{triplet}/"
    # The loader searches by halves, from the largest name down.
    paths = [f"{folder}{name}".encode() + b"\0" for name in sorted(names, key=_order, reverse=True)]
    offset = _HEADER.size + _ENTRY.size * len(paths)
    entries = []
    for path in paths:
        entries.append(_ENTRY.pack(_FLAGS[triplet], offset + len(folder), offset, 0, 0))
        offset += len(path)
    strings = b"".join(paths)
    head = _HEADER.pack(b"glibc-ld.so.cache1.1", len(paths), len(strings), _LITTLE_ENDIAN, 0)
    return head + b"".join(entries) + strings


def _order(name: str) -> list[tuple[int, int]]:
    """Return the key of glibc's _dl_cache_libcmp: runs of digits are numbers, and above all other bytes."""
    parts = re.findall(r"\d+|\D", name)
    return [(1, int(part)) if part.isdigit() else (0, ord(part)) for part in parts]
