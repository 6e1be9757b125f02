"""How far the way through a Dockerfile's instructions is, and what has come of them: keys, hooks, notes."""

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reprobuild.analysis.dockerfile import Instruction
from reprobuild.analysis.facts import DockerfileFacts

__all__ = ["INPUTS", "ConnectorContents", "Migration", "Note", "Walk"]

INPUTS = "/run/reprobuild/inputs"
_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_ROOT = frozenset({"", "0", "root", "0:0", "root:root"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorContents:
    """What a connector's folder has: *files* and *folders*, relative; what it *requires*, None if nobody can tell.

    *main* is the file that is copied if nothing else is said, *labels* are those that metadata gives.
    """

    name: str
    files: frozenset[str]
    folders: frozenset[str]
    requires: tuple[str, ...] | None
    has_own_requirements: bool = False
    """Whether *requires* stands where a build finds it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    main: str = "main.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something of a Dockerfile, by its line, that is not in the specification, and what to do.

    *about* is the promise that tells whether anything is lost by it; empty if none does.
    """

    line: int
    text: str
    hint: str
    about: str = ""


@dataclass(slots=True, kw_only=True)
class Migration:
    """``settings`` are the keys of the connector's own table, ``hooks`` scripts by path. ``notes`` are by line."""

    settings: dict[str, Any] = field(default_factory=dict)
    hooks: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Walk:
    """The way so far. *workdir*, *user*, *shell* and *arguments* are those of the next instruction.

    *installed* says whether the connector's distributions are in the image yet.
    """

    contents: ConnectorContents
    facts: DockerfileFacts
    made: Migration = field(default_factory=Migration)
    workdir: str = "/"
    user: str = ""
    shell: Sequence[str] = ("/bin/sh", "-c")
    arguments: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    installed: bool = False
    lines: dict[str, list[str]] = field(default_factory=dict)
    shells: dict[str, Sequence[str]] = field(default_factory=dict)
    entered: dict[str, str] = field(default_factory=dict)

    @property
    def known(self) -> Mapping[str, str]:
        """The variables that have a value in an instruction; what ENV sets wins over ARG."""
        return {**self.arguments, **self.variables}

    def set(self, key: str, value: str) -> None:
        """Say *key*, whatever was said before."""
        self.made.settings[key] = value

    def merge(self, key: str, values: Mapping[str, str]) -> None:
        """Add to the table *key*."""
        self.made.settings.setdefault(key, {}).update(values)

    def note(self, one: Instruction, text: str, hint: str, *, about: str = "") -> None:
        """Say what of *one* is not carried over."""
        note = Note(line=one.line, text=text, hint=hint, about=about)
        if note not in self.made.notes:
            self.made.notes.append(note)

    def hook(self, parts: Sequence[str], one: Instruction) -> None:
        """Run *parts*, of the instruction *one*, in a hook: before the installation, or after it."""
        name = "post-install" if self.installed else "pre-install"
        script = self.lines.setdefault(name, [])
        script.append(f"# {self.facts.path}:{one.line}")
        enter = f"cd {shlex.quote(self.workdir)}"
        if self.entered.get(name, "cd /") != enter:
            self.entered[name] = enter
            script += [*([f"mkdir -p {shlex.quote(self.workdir)}"] if not self.installed else []), enter]
        for argument, value in self.arguments.items():
            said = f"export {argument}={shlex.quote(value)}"
            if said not in script and any(re.search(rf"\b{argument}\b", part) for part in parts):
                script.append(said)
        script += parts
        if self.shells.setdefault(name, self.shell) != self.shell or not _is_shell(self.shell):
            self.note(one, f"runs in the shell {' '.join(self.shell)}", f"look at hooks/{name}: it has one shell")
        if self.user not in _ROOT:
            self.note(one, f"runs as {self.user}", "hooks run as root: chown what has to belong to somebody else")

    def input(self, url: str) -> str:
        """Declare what *url* gives as an input, and return where hooks find it."""
        inputs = self.made.settings.setdefault("input", [])
        taken = {each["url"]: each["name"] for each in inputs}
        if url in taken:
            return f"{INPUTS}/{shlex.quote(taken[url])}"
        name = _input_name(url)
        if name in taken.values():
            name = f"{len(inputs)}-{name}"
        inputs.append({"name": name, "url": url})
        return f"{INPUTS}/{shlex.quote(name)}"

    def hooks(self) -> dict[str, str]:
        """Return the scripts that are needed, by their path in the folder."""
        return {
            f"hooks/{name}": _head(self.shells[name]) + "".join(f"{line}\n" for line in lines)
            for name, lines in self.lines.items()
        }


def _is_shell(shell: Sequence[str]) -> bool:
    return bool(shell) and shell[0].startswith("/") and posixpath.basename(shell[0]) in _SHELLS


def _head(shell: Sequence[str]) -> str:
    """Return how a script for *shell* begins, with the options that it is given."""
    if not _is_shell(shell):
        shell = ("/bin/sh", "-c")
    options = " -o pipefail" if "pipefail" in shell else ""
    return f"#!{shell[0]}\nset -eu{options}\n"


def _input_name(url: str) -> str:
    last = posixpath.basename(url.rstrip("/").partition("?")[0].partition("#")[0])
    return "".join(_letters(last)).lstrip(".-")[:100] or "download"


def _letters(text: str) -> Iterator[str]:
    for letter in text:
        yield letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-"
