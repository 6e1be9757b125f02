"""Versions of Python and of the C library from the programs' own bytes, checked against what stands beside them."""

import posixpath
import re
from collections.abc import Iterator

from reprobuild.errors import LockError
from reprobuild.image.elf import Elf, machine_of
from reprobuild.image.tree import Found, ImageTree
from reprobuild.lockfile import Libc
from reprobuild.oci.types import Platform

__all__ = ["elf_of", "libc_version", "python_version", "stdlib_of"]

_MINOR = re.compile(r"(?:platform-)?python(3\.\d+)[a-z]?")
_HEADER = re.compile(rb'^#\s*define\s+PY_VERSION\s+"([0-9a-z.]{1,40})\+?"', re.MULTILINE)
_OTHER_BASE = "use another base image, or ask whoever publishes it"


def elf_of(found: Found, platform: Platform, *, where: str) -> Elf:
    """Return what the executable *found* says; raise LockError unless it is a program for *platform*."""
    elf, machine = found.node.elf, machine_of(platform.architecture)
    if elf is None:
        raise LockError(
            f"/{found.path} is not a program but perhaps a script that starts one",
            where=where,
            hint="put the folder of the real python3 first on the base image's PATH",
        )
    if machine is None:
        raise LockError(f"nobody taught reprobuild the architecture {platform.architecture}", where=where)
    if elf.machine != machine:
        raise LockError(
            f"/{found.path} is for another machine (ELF machine {elf.machine}, {platform} has {machine})",
            where=where,
            hint=_OTHER_BASE,
        )
    return elf


def stdlib_of(tree: ImageTree, home: str, minor: str) -> str | None:
    """Return where the standard library of the Python *minor* (``3.11``) below *home* is, None if nowhere."""
    places = (f"{home}/{lib}/python{minor}" for lib in ("lib", "lib64"))
    return next((place for place in places if tree.find(f"{place}/os.py") is not None), None)


def python_version(tree: ImageTree, found: Found, elf: Elf, home: str, *, where: str) -> str:
    """Return the full version of the Python *found* with the prefix *home*, from it or its libpython.

    What its bytes hold must agree with its name, with a standard library of that version, and with
    ``patchlevel.h`` if that is there. Raises LockError if they do not, or leave more than one version.
    """
    written = elf.pythons or next(_libpythons(tree, home, elf.machine), frozenset())
    if not written:
        raise LockError(
            f"the version of /{found.path} stands neither in it nor in a libpython", where=where, hint=_OTHER_BASE
        )
    named = _MINOR.fullmatch(posixpath.basename(found.path))
    fitting = {
        version
        for version in written
        if (named is None or named[1] == _minor(version)) and stdlib_of(tree, home, _minor(version))
    }
    headers = {header for version in fitting if (header := _header(tree, home, _minor(version)))}
    agreed = fitting & headers if headers else fitting
    if len(agreed) == 1:
        return agreed.pop()
    beside = f", patchlevel.h says {_list(headers)}" if headers else f", its standard library is not below {home}/lib"
    raise LockError(
        f"the version of /{found.path} is not clear: its bytes say {_list(agreed or written)}"
        + ("" if agreed else beside),
        where=where,
        hint=_OTHER_BASE,
    )


def libc_version(tree: ImageTree, found: Found, elf: Elf, *, where: str) -> Libc:
    """Return the C library that the program *found* runs with: its loader's own; raise LockError if it is not clear."""
    loader = tree.find(elf.loader or "")
    if elf.loader is None or loader is None or loader.node.kind != "file":
        static = "is linked statically and cannot load wheels"
        what = f"cannot start: there is no {elf.loader}, which it asks for" if elf.loader else static
        raise LockError(f"/{found.path} {what}", where=where, hint=_OTHER_BASE)
    if posixpath.basename(elf.loader).startswith("ld-musl-"):
        family, library = "musl", loader.node.elf
    else:
        family, library = "glibc", _glibc(tree, loader, elf.machine)
    versions = {libc for libc in (library.libcs if library is not None else ()) if libc.family == family}
    if len(versions) != 1:
        raise LockError(f"the version of {family} cannot be told from its files", where=where, hint=_OTHER_BASE)
    return versions.pop()


def _libpythons(tree: ImageTree, home: str, machine: int) -> Iterator[frozenset[str]]:
    """Yield the versions that stand in each libpython, those nearest to the prefix *home* first."""
    for folder in _library_folders(tree, home):
        for name in tree.names(folder):
            found = tree.find(f"{folder}/{name}") if name.startswith("libpython3.") else None
            elf = found.node.elf if found is not None else None
            if elf is not None and elf.machine == machine and elf.pythons:
                yield elf.pythons


def _glibc(tree: ImageTree, loader: Found, machine: int) -> Elf | None:
    """Return the libc.so.6 beside *loader*, or else the first for *machine* where such libraries are."""
    for folder in (posixpath.dirname(loader.path), *_library_folders(tree, "/usr"), *_library_folders(tree, "")):
        found = tree.find(f"{folder}/libc.so.6")
        if found is not None and found.node.elf is not None and found.node.elf.machine == machine:
            return found.node.elf
    return None


def _library_folders(tree: ImageTree, prefix: str) -> Iterator[str]:
    """Yield the folders of shared libraries below *prefix*, Debian's one per architecture included."""
    for lib in ("lib", "lib64"):
        if (found := tree.find(f"{prefix}/{lib}")) is not None:
            yield found.path
            yield from (f"{found.path}/{name}" for name in tree.names(found.path) if "-linux-" in name)


def _header(tree: ImageTree, home: str, minor: str) -> str:
    found = tree.find(f"{home}/include/python{minor}/patchlevel.h")
    match = _HEADER.search((found.node.content if found is not None else None) or b"")
    return match[1].decode() if match else ""


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _list(versions: set[str] | frozenset[str]) -> str:
    return " and ".join(sorted(versions)[:5])
