"""What becomes of RUN: nothing where the build does the same, requirements, inputs, a hook, or notes."""

import posixpath
import shlex
from collections.abc import Iterator, Sequence

from reprobuild.analysis.dockerfile import Heredoc, Instruction
from reprobuild.analysis.dockerfile_words import replaced
from reprobuild.analysis.fetching import Fetching, fetching
from reprobuild.analysis.installs import INSTALLERS, Install, installs, os_package
from reprobuild.analysis.migration_walk import Walk
from reprobuild.analysis.needless import installs_project, is_needless
from reprobuild.analysis.shell_commands import commands, slices

__all__ = ["take_run"]

_ENTERS = frozenset({"cd", "export", "set", "umask"})
"""They count only for what comes after them."""
_INDEX = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--pre")
_CONSTRAINTS = ("-c", "--constraint")
_ELSEWHERE = ("git+", "http://", "https://", "file:", "/", "./", "../")
_NO_NETWORK = "hooks have no network: put it into the folder, or declare it as an input"
_SAME = frozenset({"--network=none", "--network=default"})


def take_run(walk: Walk, one: Instruction) -> None:
    """Carry over *one*: what the build does anyway goes, what installs becomes a requirement, the rest a hook."""
    kept: list[str] = []
    for part in _parts(one):
        words = list(commands(part))
        found = [_whole(install, walk) for install in installs(words)]
        if fetched := fetching(part):
            kept += _fetch(walk, one, fetched)
        elif found:
            _install(walk, one, found, words)
        elif installs_project(words):
            walk.installed = True
        elif _enters(words) or not is_needless(part, walk.workdir):
            kept.append(part)
    while kept and _program(kept[-1]) in _ENTERS:
        kept.pop()
    if kept:
        walk.hook(["(", *kept, ")"] if any(_program(part) in _ENTERS for part in kept) else kept, one)
        if flags := [flag for flag in one.flags if flag not in _SAME and "type=cache" not in flag]:
            walk.note(one, f"RUN with {' '.join(flags)}", "a hook has inputs and secrets instead, and no network")


def _parts(one: Instruction) -> Iterator[str]:
    """Yield the commands of *one*, as they stand there; one that reads a text, with that text."""
    if one.is_json:
        yield shlex.join(one.words)
    elif one.heredocs and one.text.startswith("<<"):
        for text in one.heredocs:
            yield from _script(text)
    elif one.heredocs:
        yield "".join([one.text, *(f"\n{_ended(text.content)}{text.name}" for text in one.heredocs)])
    else:
        yield from slices(one.text)


def _script(text: Heredoc) -> Iterator[str]:
    """Yield the commands of a script that is written out; one for another interpreter is given to that."""
    first, _, rest = text.content.partition("\n")
    if not first.startswith("#!"):
        yield from slices(text.content)
    elif posixpath.basename(first.split()[-1]) in {"sh", "bash", "ash", "dash"}:
        yield from slices(rest)
    else:
        yield f"{first[2:].strip()} <<'{text.name}'\n{_ended(rest)}{text.name}"


def _program(part: str) -> str:
    return next((command[0] for command in commands(part)), "")


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _enters(words: Sequence[Sequence[str]]) -> bool:
    return bool(words) and all(command[0] in _ENTERS for command in words)


def _whole(install: Install, walk: Walk) -> Install:
    name = replaced(install.name, walk.known, "\\") if "$" in install.name else install.name
    return Install(kind=install.kind, name=name, pinned=install.pinned)


def _fetch(walk: Walk, one: Instruction, fetched: Fetching) -> Iterator[str]:
    """Yield what a hook does instead of *fetched*: it takes an input. What it cannot take is noted."""
    url = replaced(fetched.url, walk.known, "\\")
    if "$" in url or not url.startswith(("http://", "https://")):
        walk.note(one, f"{url} is fetched", _NO_NETWORK)
        return
    hint = "it is an input now, locked by digest; `lock update` says when it changes"
    if fetched.is_run:
        hint = "the script is an input now, locked by digest; whatever it fetches itself has to be one, too"
    walk.note(one, f"{url} is fetched", hint)
    yield fetched.instead(walk.input(url))


def _install(walk: Walk, one: Instruction, found: Sequence[Install], words: Sequence[Sequence[str]]) -> None:
    for install in found:
        if install.kind == "os":
            name, _ = os_package(install.name)
            hint = "the base image must have it: hooks have no network"
            walk.note(one, f"{name} is installed as an OS package", hint, about=f"OS package {name}")
        elif install.kind == "download":
            walk.note(one, f"{install.name} is fetched", _NO_NETWORK)
        else:
            _distribution(walk, one, install.name)
    options = [word.partition("=")[0] for command in words for word in command]
    if said := [option for option in options if option in _INDEX]:
        hint = "which index is asked is a matter of your configuration, of pip or uv"
        walk.note(one, f"pip is given {said[0]}", hint)
    if any(option in _CONSTRAINTS for option in options):
        walk.note(one, "pip is given constraints", "write what they pin as requirements, or let the lock pin it")


def _distribution(walk: Walk, one: Instruction, name: str) -> None:
    place = name.removeprefix("-e ")
    inside = posixpath.normpath(posixpath.join(walk.workdir, place.partition("[")[0]))
    if name.startswith("-r ") or (place.startswith((".", "/")) and inside == walk.workdir):
        walk.installed = True
        if "[" in place:
            hint = "only what is always required is: add the rest to `requirements`"
            walk.note(one, f"the extra {place.partition('[')[2].rstrip(']')} is installed", hint)
    elif place.startswith((".", *_ELSEWHERE)) or " @ " in name or "$" in name:
        walk.installed = True
        hint = "only versions from an index can be locked: publish it, and add it to `requirements`"
        walk.note(one, f"{place} is installed", hint)
    elif name.partition("=")[0].strip() not in INSTALLERS:
        walk.installed = True
        walk.made.settings.setdefault("requirements", list(walk.contents.requires or ())).append(name)
