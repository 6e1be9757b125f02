"""Commands of a Dockerfile that need no place in a new image: the build does the same, or nothing of it stays."""

import posixpath
import re
from collections.abc import Iterable, Sequence

from reprobuild.analysis.shell_commands import commands

__all__ = ["installs_project", "is_needless"]

_INSTALLERS = frozenset({"apt-get", "apt", "apk", "dnf", "yum", "microdnf", "pip", "pip3"})
"""Without anything that they install: an update, an upgrade, a cleaning."""
_PROJECT_TOOLS = {
    "poetry": {"install", "sync"},
    "uv": {"sync"},
    "pdm": {"install", "sync"},
    "pipenv": {"install", "sync"},
}
"""What installs the project that it stands in, with all that it requires."""
_NOTHING = frozenset({"true", ":", "set", "cd", "echo", "printf"})
_TRASH = ("/var/lib/apt", "/var/cache", "/root/.cache", "/tmp/", "/var/tmp/")  # noqa: S108 - paths in an image
_ZONE = "usr/share/zoneinfo"
_TARGET = re.compile(r"\d?>>?\s*(?P<place>[^\s&|;]+|&\d)")
_HARMLESS = frozenset({"/etc/timezone", "/etc/localtime", "/dev/null", "&1", "&2"})


def is_needless(script: str, workdir: str) -> bool:
    """Say whether every command of *script*, run in *workdir*, is one of those."""
    places = [found["place"] for found in _TARGET.finditer(script)]
    return all(place in _HARMLESS for place in places) and all(
        _leaves_nothing(command, workdir) for command in commands(script)
    )


def installs_project(words: Iterable[Sequence[str]]) -> bool:
    """Say whether a command of *words* installs the project in the folder by itself, and not through pip."""
    for program, *arguments in words:
        name = posixpath.basename(program)
        if set(arguments) & _PROJECT_TOOLS.get(name, set()):
            return True
        if name.startswith("python") and arguments[:1] == ["setup.py"] and {"install", "develop"} & set(arguments):
            return True
    return False


def _leaves_nothing(command: Sequence[str], workdir: str) -> bool:
    program = posixpath.basename(command[0])
    named = [word for word in command[1:] if not word.startswith("-")]
    if program == "rm":
        return all(word.startswith(_TRASH) for word in named)
    if program == "mkdir":
        return all(posixpath.join(workdir, word) in {workdir, "/airbyte"} for word in named)
    if program in {"ln", "cp"}:
        return any(_ZONE in word for word in named)
    is_pip = program.startswith("python") and command[1:3] == ("-m", "pip")
    return program in _INSTALLERS | _NOTHING | _PROJECT_TOOLS.keys() or is_pip
