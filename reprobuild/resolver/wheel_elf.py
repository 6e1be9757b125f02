"""What the ELF files of a wheel ask of the dynamic linker, read from the wheel in the store and remembered."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from zipfile import ZipFile, ZipInfo

from reprobuild.builder.wheel import open_wheel
from reprobuild.builder.zip import checked_members, stream_member
from reprobuild.canonical import Digest, canonical_json, digest_of, parse_digest
from reprobuild.errors import ContentError
from reprobuild.image.shared_object import SharedObject, from_json, is_elf, read_shared_object, to_json
from reprobuild.lockfile import Wheel
from reprobuild.store import Store, machine_errors

__all__ = ["remembered_objects", "wheel_objects"]

_KIND = "wheel-elf"
_FORMAT = 1
"""Of what is remembered; another one is another key."""
_MEMORY = 64 * 1024 * 1024
"""The largest file that is held in memory; of some wheels, libraries have gigabytes."""


def wheel_objects(wheel: Wheel, store: Store) -> Mapping[str, SharedObject]:
    """Return the libraries and modules in *wheel*, which is in *store*, by their paths below site-packages.

    What is no ELF file that could be loaded is left out; files of other machines are not. What the wheel puts
    elsewhere has the path that it has in the wheel. Blocking. Raises ContentError for a wheel that cannot be read.
    """
    if (known := remembered_objects(wheel, store)) is not None:
        return known
    found = dict(_read(wheel, store))
    value = {path: to_json(shared) for path, shared in sorted(found.items())}
    blob = store.add(canonical_json(value))
    store.write_record(_KIND, _key(wheel.digest), {"blob": blob})
    return found


def remembered_objects(wheel: Wheel, store: Store) -> Mapping[str, SharedObject] | None:
    """Return what `wheel_objects` would, if *store* remembers it."""
    record = store.record(_KIND, _key(wheel.digest))
    if record is None:
        return None
    try:
        value = json.loads(store.read(parse_digest(record.get("blob"))))
        return {path: from_json(shared) for path, shared in value.items()}
    except (ContentError, AttributeError, TypeError, ValueError):
        return None


def _key(digest: Digest) -> Digest:
    return digest_of(canonical_json([_KIND, _FORMAT, digest]))


def _read(wheel: Wheel, store: Store) -> Iterator[tuple[str, SharedObject]]:
    with store.open(wheel.digest) as file, open_wheel(file, wheel.file) as archive:
        for path, info in checked_members(archive, wheel.file).items():
            if _may_be_loaded(path, info) and (shared := _shared_object(archive, path, wheel, store)) is not None:
                yield _installed(path), shared


def _may_be_loaded(path: str, info: ZipInfo) -> bool:
    """Say whether *path* is called as libraries and modules are (``libx.so.1``, ``x.abi3.so``), or is a program."""
    name = path.rpartition("/")[2]
    executable = bool(info.external_attr >> 16 & 0o111) or ".data/scripts/" in path
    return ".so" in name or ("." not in name and executable)


def _shared_object(archive: ZipFile, path: str, wheel: Wheel, store: Store) -> SharedObject | None:
    chunks = stream_member(archive, path, wheel.file)
    first = next(chunks, b"")
    if not is_elf(first):
        return None
    with (
        machine_errors(store.root / "tmp"),
        tempfile.SpooledTemporaryFile(max_size=_MEMORY, dir=str(store.root / "tmp")) as file,
    ):
        file.write(first)
        for chunk in chunks:
            file.write(chunk)
        file.seek(0)
        return read_shared_object(file)


def _installed(path: str) -> str:
    """Return where *path* of a wheel goes below site-packages; what goes elsewhere stays where it is."""
    top, _, rest = path.partition("/")
    scheme, _, inner = rest.partition("/")
    return inner if top.endswith(".data") and scheme in {"platlib", "purelib"} else path
