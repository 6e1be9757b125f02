"""What a file is besides its bytes: owner, mode, extended attributes, set as an image has them."""

import os
import stat
from pathlib import Path
from typing import Any

from reprobuild.builder.tree import Entry
from reprobuild.errors import MachineError

__all__ = ["bounded_time", "copy_folder", "kept_xattr", "set_metadata"]

_TIMES = (-(2**31), 2**33)
"""What every usual file system can hold, in seconds since 1970."""


def set_metadata(place: str | int, entry: Entry, mtime: int, *, where: str) -> None:
    """Give the file at *place*, a path or a descriptor, the owner, mode and extended attributes of *entry*.

    What it has already is not set again: file systems write each change down, and there are many files. Raises
    MachineError for an id that is not mapped.
    """
    # By a descriptor it is never a link.
    follow: dict[str, Any] = {"follow_symlinks": False} if isinstance(place, str) else {}
    found = os.stat(place, **follow)  # noqa: PTH116 - may be a descriptor
    mode = stat.S_IMODE(found.st_mode)
    try:
        if (found.st_uid, found.st_gid) != (entry.uid, entry.gid):
            os.chown(place, entry.uid, entry.gid, **follow)
            mode = -1  # It may have cost the file its special bits.
    except OSError as error:
        raise MachineError(
            f"/{entry.path} belongs to {entry.uid}:{entry.gid}, an id that is not mapped here: {error.strerror}",
            where=where,
            hint="give your user more ids in /etc/subuid and /etc/subgid (subuid(5)), or run reprobuild as root",
        ) from error
    if entry.kind != "symlink" and mode != entry.mode:
        os.chmod(place, entry.mode)  # noqa: PTH101 - may be a descriptor
    for name, value in entry.xattrs:
        if kept_xattr(name):
            os.setxattr(place, name, value, **follow)
    time = bounded_time(mtime)
    os.utime(place, (time, time), **follow)


def kept_xattr(name: str) -> bool:
    """Say whether an extended attribute is the file's rather than the engine's or the machine's."""
    if name.startswith("user."):
        return not name.startswith("user.overlay.")
    return name == "security.capability" or name.startswith("system.posix_acl_")


def bounded_time(mtime: int) -> int:
    """Return *mtime*, or the nearest time that file systems can hold."""
    return mtime if _TIMES[0] <= mtime <= _TIMES[1] else max(_TIMES[0], min(_TIMES[1], mtime))


def copy_folder(source: Path, place: Path) -> None:
    """Give the directory *place* owner, mode, extended attributes and times of the directory *source*."""
    found = source.lstat()
    os.chown(place, found.st_uid, found.st_gid)
    place.chmod(found.st_mode & 0o7777)
    for name in os.listxattr(source):
        if kept_xattr(name):
            os.setxattr(place, name, os.getxattr(source, name))
    os.utime(place, ns=(found.st_atime_ns, found.st_mtime_ns))
