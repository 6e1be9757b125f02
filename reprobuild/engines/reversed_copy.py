"""A directory that lists its files in another order: a copy in memory, made from the last name to the first."""

import os
import shutil
import stat
from pathlib import Path

__all__ = ["reversed_copy", "size_of"]


def size_of(root: Path) -> int:
    """Return how many bytes the files below *root* take up in memory."""
    total = 0
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            found = (Path(folder) / name).lstat()
            total += 4096 + (found.st_size if stat.S_ISREG(found.st_mode) else 0)
    return total


def reversed_copy(source: Path, place: Path) -> None:
    """Copy all that the directory *source* holds, whiteouts and extended attributes included, to *place*, new."""
    _folder(source, place, {})


def _folder(source: Path, place: Path, links: dict[tuple[int, int], Path]) -> None:
    place.mkdir()
    for name in sorted(os.listdir(source), reverse=True):  # noqa: PTH208 - names alone
        _one(source / name, place / name, links)
    _settle(source, place, source.lstat())


def _one(source: Path, place: Path, links: dict[tuple[int, int], Path]) -> None:
    found = source.lstat()
    first = links.setdefault((found.st_dev, found.st_ino), place)
    if stat.S_ISDIR(found.st_mode):
        _folder(source, place, links)
        return
    if found.st_nlink > 1 and first != place:
        os.link(first, place, follow_symlinks=False)
        return
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(source), place)  # noqa: PTH115, PTH211 - as it is, unlike a Path
    elif stat.S_ISREG(found.st_mode):
        shutil.copyfile(source, place)
    else:
        os.mknod(place, found.st_mode, found.st_rdev)
    _settle(source, place, found)


def _settle(source: Path, place: Path, found: os.stat_result) -> None:
    os.chown(place, found.st_uid, found.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        place.chmod(stat.S_IMODE(found.st_mode))
    for name in os.listxattr(source, follow_symlinks=False):
        os.setxattr(place, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)
    os.utime(place, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)
