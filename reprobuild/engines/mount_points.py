"""Where things are mounted into a root filesystem; what it lacks for that is put beside it and leaves no trace."""

import os
import posixpath
from pathlib import Path

from reprobuild.engines.file_metadata import copy_folder
from reprobuild.engines.link_free import link_free
from reprobuild.errors import SpecificationError

__all__ = ["MountPoints"]


class MountPoints:
    """Places in *view*, a root filesystem, and what it lacks for them, in the directory *made*, empty at first.

    *made*, put on top of the layers, has a file or folder for every place; folders that are in *view* are there
    as they are. ``invented`` are the paths of those that are not.
    """

    def __init__(self, view: Path, made: Path, epoch: int, where: str) -> None:
        self._view, self._made, self._epoch, self._where = view, made, epoch, where
        self.invented: set[str] = set()
        copy_folder(view, made)

    def folder(self, target: str) -> str:
        """Return where *target* leads to in the root filesystem, with a folder there."""
        return self._point(target, is_folder=True)

    def file(self, target: str) -> str:
        """Return where *target* leads to in the root filesystem, with a file there."""
        return self._point(target, is_folder=False)

    def finish(self) -> None:
        """Set the times of folders, which what was put into them changed."""
        for folder, _, _ in os.walk(self._made, topdown=False):
            path = Path(folder).relative_to(self._made).as_posix()
            if path in self.invented:
                os.utime(folder, (self._epoch, self._epoch))
            else:
                found = (self._view / path).lstat()
                os.utime(folder, ns=(found.st_atime_ns, found.st_mtime_ns))

    def _point(self, target: str, *, is_folder: bool) -> str:
        path = self._resolved(target)
        there = self._view / path
        if there.exists() or path in self.invented:
            if is_folder != ((there.is_dir() and not there.is_symlink()) or path in self.invented):
                raise SpecificationError(
                    f"{target} cannot be mounted: there is a {'file' if is_folder else 'folder'}",
                    where=self._where,
                    hint="choose another target",
                )
            return f"/{path}"
        self._folders(posixpath.dirname(path), target)
        if is_folder:
            self._folders(path, target)
        else:
            (self._made / path).touch(mode=0o444)
            os.utime(self._made / path, (self._epoch, self._epoch))
        return f"/{path}"

    def _folders(self, path: str, target: str) -> None:
        if not path or (self._made / path).is_dir():
            return
        self._folders(posixpath.dirname(path), target)
        (self._made / path).mkdir()
        if (self._view / path).is_dir():
            copy_folder(self._view / path, self._made / path)
        elif (self._view / path).exists():
            raise SpecificationError(f"{target} cannot be mounted: /{path} is no folder", where=self._where)
        else:
            (self._made / path).chmod(0o755)
            self.invented.add(path)

    def _resolved(self, target: str) -> str:
        found = link_free(self._view, target)
        if found is None:
            raise SpecificationError(f"{target}: links lead in a circle", where=self._where)
        return found
