"""`reprobuild build NAME…` in its plain forms, understood without the command-line library.

Importing that library takes as long as all the rest of a build with nothing to do (docs/adr/0005). Only what
leaves no doubt is understood here; everything else, help and mistakes included, is the library's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from reprobuild.cli.building import BuildRequest
from reprobuild.cli.settings import Color, Settings

__all__ = ["plain_build"]

_FLAGS = ("--all", "--offline")


def plain_build(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[BuildRequest, Settings] | None:
    """Return the build that *arguments* ask for, None if they are not `[-C DIR] build [NAME…]` with plain options.

    A variable of *environ* that stands for an option leaves it to the library, too.
    """
    directory, rest = Path(), list(arguments)
    if rest[:1] in (["-C"], ["--directory"]) and len(rest) > 2:
        directory, rest = Path(rest[1]), rest[2:]
    options = any(name.startswith(("REPROBUILD_", "_REPROBUILD_")) for name in environ if name != "REPROBUILD_STORE")
    if rest[:1] != ["build"] or options or not directory.is_dir():
        return None
    request = _request(rest[1:])
    if request is None or (request.everything and request.names):
        return None
    color = Color.NEVER if environ.get("NO_COLOR") else Color.AUTO
    return request, Settings(directory=directory, color=color)


def _request(arguments: list[str]) -> BuildRequest | None:
    names: list[str] = []
    platforms: list[str] = []
    flags: set[str] = set()
    while arguments:
        word, *arguments = arguments
        if word in _FLAGS:
            flags.add(word)
        elif word == "--platform" and arguments and not arguments[0].startswith("-"):
            platforms.append(arguments.pop(0))
        elif word and not word.startswith("-"):
            names.append(word)
        else:
            return None
    return BuildRequest(
        names=tuple(names), platforms=tuple(platforms), everything="--all" in flags, offline="--offline" in flags
    )
