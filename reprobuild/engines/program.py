"""The program of an execution, looked up in its root filesystem as execvp(3) does, before anything is started."""

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path

from reprobuild.engines.execution import Execution
from reprobuild.engines.job import Answer
from reprobuild.engines.link_free import link_free

__all__ = ["missing_program"]


def missing_program(one: Execution, root: Path, mounted: Mapping[str, bool]) -> Answer | None:
    """Return the answer, with the exit code that a shell would give, if there is nothing to run; else None.

    *mounted* says of paths at which files are mounted whether those are executable.
    """
    folder = link_free(root, one.cwd)
    if folder is None or not ((folder and (root / folder).is_dir()) or not folder):
        return Answer(code=126, message=f"there is no folder {one.cwd} to start in")
    found = list(_found(one, root, mounted))
    if any(executable for _, executable in found):
        return None
    if found:
        return Answer(code=126, message=f"{found[0][0]} is not executable")
    return Answer(code=127, message=f"{one.argv[0]} is not there")


def _found(one: Execution, root: Path, mounted: Mapping[str, bool]) -> Iterator[tuple[str, bool]]:
    """Yield the files that the program's name may mean, and whether they are executable."""
    name = one.argv[0]
    folders = [""] if "/" in name else one.env.get("PATH", "").split(":")
    for folder in folders:
        path = posixpath.join(one.cwd, folder, name)
        place = link_free(root, path)
        if place is None:
            continue
        if f"/{place}" in mounted:
            yield path, mounted[f"/{place}"]
        elif (root / place).is_file():
            yield path, bool((root / place).stat().st_mode & 0o111)
