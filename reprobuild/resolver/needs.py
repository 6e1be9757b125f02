"""Shared libraries and symbol versions that an image's wheels need and that nothing in it has.

The rules are the dynamic linkers' (ld.so(8) of glibc; musl's ``ldso/dynlink.c``), with one exception: a library
that any wheel of the image brings counts as there, because a package may have loaded it before it is asked for.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reprobuild.image.shared_object import SharedObject
from reprobuild.lockfile import normal_name

__all__ = ["BaseLibraries", "Missing", "missing"]

_GIVEN = re.compile(r"linux-(?:vdso|gate)\d*\.so.*|ld-linux.*|ld64\.so\.\d|ld\.so\.1|ld-musl-.*")
"""The kernel's, and the linker itself."""
_DRIVER = re.compile(r"lib(?:cuda|nvcuvid|nvidia-.*|nvoptix)\.so\.\d+")
"""What comes with a graphics driver, from the host that runs the container."""
_MUSL_OWN = re.compile(r"lib(?:c|pthread|rt|m|dl|util|xnet)\..*")
"""Names that musl's linker takes for itself (``reserved`` in dynlink.c)."""
_OPTIONAL = {
    "numba": re.compile(r"lib(?:tbb|gomp)\.so\..*"),
    "nvidia-cufile": re.compile(r"lib(?:mlx5|rdmacm|ibverbs)\.so\.\d+"),
    "onnxruntime-gpu": re.compile(r"libnvinfer.*|libnvonnxparser.*"),
}
"""What some distributions are known to do without, by the beginning of their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseLibraries:
    """The shared libraries of a base image on one platform.

    ``libraries`` are by path, links to them included; ``directories`` are searched for all programs, first to
    last; ``links`` are links to directories. All paths are relative to the root, and those of ``directories``
    and the targets of ``links`` are real. ``release`` is what ``os-release`` says (ID, VERSION_ID…).
    """

    libraries: Mapping[str, SharedObject] = field(default_factory=dict)
    directories: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    release: Mapping[str, str] = field(default_factory=dict)

    def real(self, directory: str) -> str:
        """Return the real path of *directory*, which is absolute or relative to the root."""
        path = posixpath.normpath("/" + directory).strip("/")
        for link, target in self.links.items():
            if path == link or path.startswith(link + "/"):
                return self.real(target + path[len(link) :])
        return path

    def find(self, name: str, directories: Sequence[str]) -> str | None:
        """Return the path of the library *name* in the first of *directories*, which are real, that has it."""
        paths = (f"{directory}/{name}" if directory else name for directory in directories)
        return next((path for path in paths if path in self.libraries), None)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Missing:
    """A library that nothing has, or ``versions`` of its symbols that none of those that are there has.

    ``needed_by`` is a wheel's file name and ``path`` a file in it, or a library of the base that the wheel needs.
    """

    library: str
    versions: tuple[str, ...] = ()
    needed_by: str
    path: str


def missing(
    wheels: Mapping[str, Mapping[str, SharedObject]],
    base: BaseLibraries,
    *,
    machine: int,
    libc: str,
    site: str,
    directories: Sequence[str] = (),
) -> tuple[Missing, ...]:
    """Return what *wheels* (objects by path, by file name) need on *base*, and is not there; sorted, each once.

    Files for another machine than *machine* or another C library than *libc* (glibc or musl) are passed over.
    *site* is where wheels are installed; *directories* are searched besides the base's (LD_LIBRARY_PATH).
    """
    search = _Search(wheels, base, machine=machine, libc=libc, site=site, directories=directories)
    return tuple(sorted(set(search.missing())))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    """A file whose needs are looked up: a wheel's, or a library of the base that a wheel needs; ``own`` is its path."""

    wheel: str
    path: str
    shared: SharedObject
    own: str = ""


class _Search:
    """The libraries of one image by name, and the files that have been looked at."""

    def __init__(
        self,
        wheels: Mapping[str, Mapping[str, SharedObject]],
        base: BaseLibraries,
        *,
        machine: int,
        libc: str,
        site: str,
        directories: Sequence[str],
    ) -> None:
        self._base = base
        self._libc = libc
        self._site = site
        self._directories = (*map(base.real, directories), *base.directories)
        self._needs = [
            _Need(wheel=wheel, path=path, shared=shared)
            for wheel, objects in sorted(wheels.items())
            for path, shared in sorted(objects.items())
            if shared.machine == machine and _libc_of(shared) in {libc, ""}
        ]
        self._names: dict[str, list[SharedObject]] = {}
        for need in self._needs:
            for name in {need.shared.soname, posixpath.basename(need.path)}:
                self._names.setdefault(name, []).append(need.shared)

    def missing(self) -> Iterator[Missing]:
        """Yield what is missing for each file of the wheels, and for each of the base's that they lead to."""
        todo, seen = self._needs[::-1], set[str]()
        while todo:
            need = todo.pop()
            for name in need.shared.needed:
                if self._is_given(name, need):
                    continue
                path = self._in_base(name, need)
                if path is not None and path not in seen:
                    seen.add(path)
                    todo.append(_Need(wheel=need.wheel, path=f"/{path}", shared=self._base.libraries[path], own=path))
                yield from self._missing(name, need, path)

    def _missing(self, name: str, need: _Need, path: str | None) -> Iterator[Missing]:
        providers = self._names.get(name, []) + ([self._base.libraries[path]] if path is not None else [])
        if not providers:
            yield Missing(library=name, needed_by=need.wheel, path=need.path)
            return
        if all(one.provides for one in providers):
            there = {version for one in providers for version in one.provides}
            if lacking := tuple(one for one in need.shared.requires.get(name, ()) if one not in there):
                yield Missing(library=name, versions=lacking, needed_by=need.wheel, path=need.path)

    def _is_given(self, name: str, need: _Need) -> bool:
        own = self._libc == "musl" and _MUSL_OWN.fullmatch(name)
        if own or _GIVEN.fullmatch(name) or _DRIVER.fullmatch(name):
            return True
        distribution = normal_name(need.wheel.split("-")[0])
        return any(distribution.startswith(key) and some.fullmatch(name) for key, some in _OPTIONAL.items())

    def _in_base(self, name: str, need: _Need) -> str | None:
        """Return the path of what the linker would load from the base for *name*."""
        if "/" in name:
            return self._base.find(posixpath.basename(name), [self._base.real(posixpath.dirname(name))])
        found = self._base.find(name, [*self._own_directories(need), *self._directories])
        if found is None and name.startswith("libpython3"):
            # An interpreter that has a libpython of its own has loaded it, wherever it is.
            found = next((path for path in self._base.libraries if posixpath.basename(path) == name), None)
        return found

    def _own_directories(self, need: _Need) -> Iterator[str]:
        origin = posixpath.dirname(need.own or f"{self._site}/{need.path}")
        for path in need.shared.paths:
            expanded = re.sub(r"\$(?:ORIGIN|\{ORIGIN\})", lambda _: f"/{origin.strip('/')}", path)
            if expanded.startswith("/"):
                yield self._base.real(expanded)


def _libc_of(shared: SharedObject) -> str:
    """Return the C library that *shared* was linked with; nothing if it does not tell."""
    if any(name.startswith("libc.musl-") for name in shared.needed):
        return "musl"
    return "glibc" if "libc.so.6" in shared.needed else ""
