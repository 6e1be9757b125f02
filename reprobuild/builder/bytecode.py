"""The bytecode of a wheel: what its base's own Python compiles of it, as a fragment beside the wheel's own.

Two things are remembered. What the compiler answered is a function of the modules, their places, our driver and the
interpreter's own files: it serves the wheels of all platforms, and every base that has the same interpreter. The
fragment that it becomes is known by the lock alone.
"""

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from reprobuild.builder.compress import Compression
from reprobuild.builder.fragment import Fragment, Tick, fragment_key, make_fragment, nobody
from reprobuild.builder.layering import is_large
from reprobuild.builder.site import Site, site_of
from reprobuild.builder.tar import archive
from reprobuild.builder.tree import Entry, directory, regular_file
from reprobuild.builder.wheel import Planned, contents, open_wheel, plan_wheel
from reprobuild.canonical import Digest, canonical_json, digest_of
from reprobuild.derivation import Derivation
from reprobuild.errors import ContentError
from reprobuild.lockfile import Wheel
from reprobuild.store import Store

__all__ = [
    "DRIVER",
    "Compiled",
    "bytecode_fragment",
    "bytecode_key",
    "compiled_key",
    "driver",
    "modules_of",
    "open_compiled",
    "verify_modules",
]

DRIVER = Path(__file__).with_name("bytecode_driver.py")
"""The program that compiles, in a sandbox; it is read and mounted, never imported."""

_HEADER_LIMIT = 1024
_SIZE = 4
_UNCHECKED = (1).to_bytes(4, "little")
"""The flags of a .pyc file that is never held against its source (PEP 552)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """The driver's answer for a wheel: the Python that compiled, and where each .pyc file is, in bytes.

    A file that does not compile has the size 0. ``tag`` and ``magic`` are the interpreter's (PEP 3147).
    """

    python: str
    tag: str
    magic: bytes
    places: tuple[tuple[int, int], ...]

    def path(self, source: str) -> str:
        """Return where the .pyc file of *source* belongs."""
        folder, name = posixpath.split(source)
        return f"{folder}/__pycache__/{name.removesuffix('.py')}.{self.tag}.pyc"


@cache
def driver() -> tuple[bytes, Digest]:
    """Return the driver's bytes and their digest."""
    data = DRIVER.read_bytes()
    return data, digest_of(data)


def modules_of(wheel: Wheel, site: Site, store: Store) -> tuple[Planned, ...]:
    """Return the modules that installing *wheel*, which is in *store*, puts where Python looks for them.

    Blocking. Raises what `plan_wheel` does; the bytes of the modules are not read.
    """
    with store.open(wheel.digest) as file, open_wheel(file, wheel.file) as zip_:
        plan = plan_wheel(zip_, wheel.file, site)
    roots = tuple(site.path(scheme, "x", "")[:-1] for scheme in ("purelib", "platlib"))
    return tuple(item for item in plan if item.member and _is_module(item.entry.path, roots))


def verify_modules(wheel: Wheel, modules: Sequence[Planned], store: Store) -> None:
    """Read the *modules* of *wheel*; raise ContentError if they are not what its RECORD, and so their key, says."""
    with store.open(wheel.digest) as file, open_wheel(file, wheel.file) as zip_:
        for module in modules:
            for _ in contents(zip_, module, wheel.file):
                pass


def bytecode_key(wheel: Wheel, derivation: Derivation) -> Digest:
    """Return the key of the fragment that the bytecode of *wheel* becomes in *derivation*, on whatever platform."""
    base = derivation.base
    site = site_of(base, derivation.platform)
    return digest_of(
        canonical_json(
            {
                "wheel": fragment_key(wheel, site, epoch=derivation.epoch, compression=derivation.compression),
                "bytecode": derivation.bytecode,
                "base": sorted(locked.manifest for locked in base.platforms.values()),
                "driver": driver()[1],
            }
        )
    )


def compiled_key(modules: Sequence[Planned], *, python: str, interpreter: Digest) -> Digest:
    """Return the key of what the compiler answers for *modules*; *interpreter* stands for the files that it is."""
    return digest_of(
        canonical_json(
            {
                "modules": [[module.entry.path, module.digest] for module in modules],
                "python": python,
                "interpreter": interpreter,
                "driver": driver()[1],
            }
        )
    )


def open_compiled(file: BinaryIO, where: str) -> Compiled:
    """Return what is in the driver's answer *file*, for the wheel *where*; raise ContentError if it is none."""
    line = file.readline(_HEADER_LIMIT)
    try:
        header = json.loads(line)
        python, tag, magic = header["python"], header["tag"], bytes.fromhex(header["magic"])
        if re.fullmatch(r"[a-z]+-[0-9]+[a-z]*", tag) is None or len(magic) != 4:
            raise ContentError(f"a compiler that calls itself {tag[:100]!r}", where=where)
    except (ValueError, KeyError, TypeError) as error:
        raise ContentError("not an answer of the compiler", where=where) from error
    return Compiled(python=str(python), tag=tag, magic=magic, places=tuple(_places(file, len(line), where)))


def bytecode_fragment(
    wheel: Wheel,
    compiled: Digest,
    site: Site,
    store: Store,
    *,
    epoch: int,
    compression: Compression,
    tick: Tick = nobody,
) -> Fragment:
    """Turn the compiler's answer *compiled* for *wheel*, both in the store, into a fragment in the store, streaming.

    Directories of the wheel stand in it again, as they stand in the wheel's own fragment. Blocking, and safe to call
    from several threads. *tick*: see `wheel_fragment`.
    """
    for _ in store.chunks(compiled):
        pass  # A store is a cache, and a cache is believed by digest only.
    modules = modules_of(wheel, site, store)
    with store.open(compiled) as file:
        answer = open_compiled(file, wheel.file) if modules else None
        pieces = _pieces(modules, answer, file, site, wheel.file) if answer is not None else {}
        ordered = (pieces[path] for path in sorted(pieces, key=str.encode))
        return make_fragment(archive(ordered, epoch=epoch), store, compression, tick=tick, flushed=is_large(wheel))


def _is_module(path: str, roots: tuple[str, ...]) -> bool:
    return path.endswith(".py") and not path.endswith("/.py") and path.startswith(roots)


def _pieces(
    modules: Sequence[Planned], answer: Compiled, file: BinaryIO, site: Site, where: str
) -> dict[str, tuple[Entry, Iterable[bytes]]]:
    if len(answer.places) != len(modules):
        raise ContentError(f"{len(answer.places)} modules were compiled of {len(modules)}", where=where)
    pieces: dict[str, tuple[Entry, Iterable[bytes]]] = {}
    for module, (start, size) in zip(modules, answer.places, strict=True):
        path = answer.path(module.entry.path)
        if size:
            pieces |= {folder: (directory(folder), ()) for folder in site.parents(path)}
            entry = regular_file(path, size, executable=False)
            pieces[path] = (entry, _content(file, start, size, answer.magic, where))
    return pieces


def _content(file: BinaryIO, start: int, size: int, magic: bytes, where: str) -> Iterator[bytes]:
    file.seek(start)
    data = file.read(size)
    if data[:8] != magic + _UNCHECKED:
        raise ContentError("the compiler wrote something else than unchecked bytecode", where=where)
    yield data


def _places(file: BinaryIO, start: int, where: str) -> Iterator[tuple[int, int]]:
    """Yield where each .pyc file begins and how long it is; *file* stands at *start*, the first one's size."""
    end = file.seek(0, 2)
    while start < end:
        file.seek(start)
        size = int.from_bytes(file.read(_SIZE), "little")
        start += _SIZE
        if start + size > end:
            raise ContentError("the compiler's answer is cut short", where=where)
        yield start, size
        start += size
