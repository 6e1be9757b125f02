"""One file of a layer → the disk: its bytes, hashed on the way, its owner, mode and times."""

import hashlib
import os

from reprobuild.canonical import Digest
from reprobuild.engines.file_metadata import set_metadata
from reprobuild.image.layer_files import LayerFile

__all__ = ["write_file"]


def write_file(place: str, file: LayerFile, *, where: str) -> Digest:
    """Write *file* at *place*, where nothing was before, and return the digest of its bytes."""
    found = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(place, flags, file.entry.mode & 0o777)
    try:
        for chunk in file.chunks():
            found.update(chunk)
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(handle, rest) :]
        set_metadata(handle, file.entry, file.mtime, where=where)
    finally:
        os.close(handle)
    return Digest("sha256:" + found.hexdigest())
