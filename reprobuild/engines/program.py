"""The program of an execution, looked up in its root filesystem as execvp(3) does, before anything is started."""

import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path

from reprobuild.engines.execution import Execution
from reprobuild.engines.job import Answer
from reprobuild.engines.link_free import link_free

__all__ = ["missing_program"]


def missing_program(one: Execution, root: Path, mounted: Mapping[str, Path]) -> Answer | None:
    """Return the answer, with the exit code that a shell would give, if there is nothing to run; else None.

    *mounted* are the files that will be seen at paths of *root*.
    """
    folder = link_free(root, one.cwd)
    if folder is None or not (root / folder).is_dir():
        return Answer(code=126, message=f"there is no folder {one.cwd} to start in")
    found = list(_found(one, root, mounted))
    for path, place in found:
        if place.stat().st_mode & 0o111:
            return _without_interpreter(path, place, root)
    if found:
        return Answer(code=126, message=f"{found[0][0]} is not executable")
    return Answer(code=127, message=f"{one.argv[0]} is not there")


def _found(one: Execution, root: Path, mounted: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Yield the files that the program's name may mean, by their paths inside and on this machine."""
    name = one.argv[0]
    folders = [""] if "/" in name else one.env.get("PATH", "").split(":")
    for folder in folders:
        path = posixpath.join(one.cwd, folder, name)
        inside = link_free(root, path)
        if inside is None:
            continue
        place = mounted.get(f"/{inside}", root / inside)
        if place.is_file():
            yield path, place


def _without_interpreter(path: str, place: Path, root: Path) -> Answer | None:
    """Return an answer if the file is a script for a program that is not there: not every runtime says so."""
    with place.open("rb") as file:
        first = file.read(256).partition(b"\n")[0]
    words = first.removeprefix(b"#!").split()
    if not first.startswith(b"#!") or not words:
        return None
    interpreter = os.fsdecode(words[0])
    inside = link_free(root, interpreter)
    if inside is not None and (root / inside).is_file():
        return None
    return Answer(code=127, message=f"{path} is a script for {interpreter}, which is not there")
