"""A Dockerfile → the specification of the same image, the hooks that it needs, and what cannot be carried over.

Nothing is lost silently: an instruction becomes a key, a hook or a note.
"""

import posixpath
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reprobuild.analysis.dockerfile import Dockerfile, Instruction
from reprobuild.analysis.dockerfile_facts import image_stages
from reprobuild.analysis.facts import DockerfileFacts
from reprobuild.analysis.installs import Install, installs
from reprobuild.analysis.needless import is_needless
from reprobuild.analysis.shell_commands import commands, slices
from reprobuild.workspace.types import DEFAULT_WORKDIR

__all__ = ["ConnectorContents", "Migration", "Note", "migration"]

_VERSION = "io.airbyte.version"
_TOOLS = frozenset({"pip", "setuptools", "wheel", "uv", "poetry"})
_SETUP = frozenset({"setup.py", "setup.cfg", "requirements.txt", "pyproject.toml", "poetry.lock", "README.md"})
_ZONE = "usr/share/zoneinfo"
_INPUTS = "/run/reprobuild/inputs"


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
    """Something of a Dockerfile, by its line, that is not in the specification, and what to do."""

    line: int
    text: str
    hint: str


@dataclass(slots=True, kw_only=True)
class Migration:
    """``settings`` are the keys of the connector's own table, ``hooks`` scripts by path. ``notes`` are by line."""

    settings: dict[str, Any] = field(default_factory=dict)
    hooks: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


def migration(
    dockerfile: Dockerfile, facts: DockerfileFacts, contents: ConnectorContents, *, base: str = ""
) -> Migration:
    """Return what the connector *contents* needs for an image like that of *dockerfile*, whose *facts* are given.

    *base* is the name of the base image that is to be said; nothing if the workspace knows.
    """
    walk = _Walk(contents=contents, facts=facts)
    for stage in image_stages(dockerfile):
        for one in stage.instructions:
            walk.take(one)
    _entrypoint(walk)
    settings, found = walk.made.settings, {"base": base} if base else {}
    found |= {key: settings[key] for key in _KEYS if settings.get(key)}
    return Migration(settings=found, hooks=walk.hooks(), notes=sorted(walk.made.notes, key=lambda note: note.line))


_KEYS = (
    *("requirements", "main", "packages", "include", "entrypoint", "workdir", "user"),
    *("env", "labels", "files", "input"),
)


@dataclass(slots=True, kw_only=True)
class _Walk:
    """The way through an image's instructions; *workdir* and *installed* are how far the image is."""

    contents: ConnectorContents
    facts: DockerfileFacts
    made: Migration = field(default_factory=Migration)
    workdir: str = "/"
    installed: bool = False
    lines: dict[str, list[str]] = field(default_factory=dict)

    def take(self, one: Instruction) -> None:
        """Carry *one* over, as far as that goes."""
        if one.is_trigger:
            self.note(one, "a trigger for images that are built on this one", "write it into their hooks")
        elif one.keyword == "RUN":
            self.run(one)
        elif one.keyword in {"COPY", "ADD"}:
            self.copy(one)
        elif one.keyword == "WORKDIR":
            self.workdir = posixpath.normpath(posixpath.join(self.workdir, " ".join(one.words)))
            self.set("workdir", self.workdir if self.workdir != DEFAULT_WORKDIR else "")
        elif one.keyword == "USER":
            self.set("user", " ".join(one.words))
        elif one.keyword == "ENV":
            self.env(one)
        elif one.keyword == "LABEL":
            derived = self.contents.labels
            labels = {name: value for name, value in one.pairs if derived.get(name) != value}
            if _VERSION in derived:
                labels.pop(_VERSION, None)
            self.merge("labels", labels)
        elif one.keyword not in {"ARG", "ENTRYPOINT", "MAINTAINER", "SHELL"}:
            self.rarer(one)

    def env(self, one: Instruction) -> None:
        for name, value in one.pairs:
            if "$" in value:
                self.note(one, f"{name}={value} has a value that only a build knows", "write the whole value to `env`")
            else:
                self.merge("env", {name: value})

    def rarer(self, one: Instruction) -> None:
        if one.keyword == "CMD":
            if self.facts.entrypoint and self.facts.command:
                self.note(one, f"CMD {one.text}", "there is only an entrypoint: write the arguments into it")
            return
        self.note(one, f"{one.keyword} {one.text}", "no key says this, and the new image does not have it")

    def run(self, one: Instruction) -> None:
        """Carry over a RUN: what the build does anyway goes, what installs is noted, the rest becomes a hook."""
        scripts = [shlex.join(one.words)] if one.is_json else [] if one.text.startswith("<<") else [one.text]
        scripts += [text.content for text in one.heredocs]
        rest: list[str] = []
        for part in (part for script in scripts for part in slices(script)):
            found = list(installs(commands(part)))
            if found:
                self.install(one, found)
            elif not is_needless(part, self.workdir):
                rest.append(part)
        if rest:
            self.hook(rest, one)

    def install(self, one: Instruction, found: Sequence[Install]) -> None:
        for install in found:
            name = install.name
            if install.kind == "os":
                hint = "the base image must have it: hooks have no network"
                self.note(one, f"{name} is installed as an OS package", hint)
            elif install.kind == "download":
                self.input(one, name, "")
            elif name.startswith((".", "-r", "-e", "/")):
                self.installed = True
            elif name.partition("=")[0].strip() not in _TOOLS:
                self.installed = True
                self.made.settings.setdefault("requirements", list(self.contents.requires or ())).append(name)

    def input(self, one: Instruction, url: str, target: str) -> None:
        name = posixpath.basename(url.rstrip("/").partition("?")[0]) or "download"
        self.made.settings.setdefault("input", []).append({"name": name, "url": url})
        if target:
            self.hook([f"install -D -m 0644 {_INPUTS}/{shlex.quote(name)} {shlex.quote(target)}"], one)
        else:
            self.note(one, f"{url} is fetched", f"it is an input now: let a hook take {_INPUTS}/{name}")

    def copy(self, one: Instruction) -> None:
        source = next((flag.partition("=")[2] for flag in one.flags if flag.startswith("--from=")), "")
        places, target = one.words[:-1], self.target(one)
        for place in places:
            whole = posixpath.join(target, posixpath.basename(place)) if target.endswith("/") else target
            if source:
                self.from_stage(one, place, whole)
            elif "://" in place:
                self.input(one, place, whole)
            else:
                self.from_folder(one, posixpath.normpath(place), whole)
        if one.heredocs:
            self.note(one, f"a file is written to {target}", "put it into the folder and name it in `files`")
        if flags := [flag for flag in one.flags if not flag.startswith("--from=")]:
            self.note(one, f"{one.keyword} with {' '.join(flags)}", "files belong to root, readable by all; use a hook")

    def target(self, one: Instruction) -> str:
        said = one.words[-1] if one.words else ""
        whole = posixpath.join(self.workdir, said)
        is_folder = said.endswith("/") or said in {".", ".."} or len(one.words) > 2
        return posixpath.normpath(whole) + ("/" if is_folder and posixpath.normpath(whole) != "/" else "")

    def from_stage(self, one: Instruction, place: str, target: str) -> None:
        """Pass over what a builder stage has installed, and the timezone: the build does both."""
        if target.rstrip("/") in {"/usr/local", "/usr/local/lib", "/usr/local/bin"} or "-packages" in target:
            self.installed = True
        elif _ZONE not in place:
            self.note(one, f"{place} comes out of another stage", "make it a file of the folder, an input or a hook")

    def from_folder(self, one: Instruction, place: str, target: str) -> None:
        inside = posixpath.relpath(target.rstrip("/") or "/", self.workdir)
        settings = self.made.settings
        if place == ".":
            self.note(
                one, "the whole folder is copied", "main file and package are; name what else is needed in `include`"
            )
        elif place in _SETUP and not inside.startswith(".."):
            return
        elif place not in self.contents.files | self.contents.folders:
            self.note(one, f"{place} is not in the folder", "name what is meant in `include` or `files`")
        elif place == self.contents.main and inside == place:
            return
        elif place in self.contents.folders:
            if inside == posixpath.basename(place):
                packages = settings.setdefault("packages", [])
                packages += [place] if place not in packages else []
            else:
                self.note(
                    one, f"the folder {place} goes to {target}", "name its files in `files`, or copy it in a hook"
                )
        elif inside == place:
            settings.setdefault("include", []).append(place)
        else:
            self.merge("files", {inside if not inside.startswith("..") else target.rstrip("/"): place})

    def hook(self, lines: Sequence[str], one: Instruction) -> None:
        script = self.lines.setdefault("post-install" if self.installed else "pre-install", [])
        where = f"# {self.facts.path}:{one.line}"
        enter = f"cd {shlex.quote(self.workdir)}"
        script += [where, *([enter] if self.workdir != "/" and enter not in script else []), *lines]

    def hooks(self) -> dict[str, str]:
        """Return the scripts that are needed, by their path in the folder."""
        head = "#!/bin/sh\nset -eu\n"
        return {f"hooks/{name}": head + "".join(f"{line}\n" for line in lines) for name, lines in self.lines.items()}

    def set(self, key: str, value: str) -> None:
        self.made.settings[key] = value

    def merge(self, key: str, values: Mapping[str, str]) -> None:
        self.made.settings.setdefault(key, {}).update(values)

    def note(self, one: Instruction, text: str, hint: str) -> None:
        self.made.notes.append(Note(line=one.line, text=text, hint=hint))


def _entrypoint(walk: _Walk) -> None:
    """Say how the image starts, as far as it is not what the build derives."""
    settings, contents = walk.made.settings, walk.contents
    workdir = settings.get("workdir") or DEFAULT_WORKDIR
    words = walk.facts.entrypoint or walk.facts.command
    main = next(iter(_main(words, workdir)), "")
    if main and main in contents.files:
        settings["include"] = [place for place in settings.get("include", ()) if place != main]
        if main != contents.main:
            settings["main"] = main
    elif words:
        settings["entrypoint"] = list(words)
    derived = ["python", posixpath.join(workdir, main)] if main else list(words)
    env = settings.get("env", {})
    if env.get("AIRBYTE_ENTRYPOINT") == shlex.join(derived):
        del env["AIRBYTE_ENTRYPOINT"]
    snake = contents.name.replace("-", "_")
    if settings.get("packages") == [snake]:
        del settings["packages"]
    if contents.requires is not None and not contents.has_own_requirements:
        settings.setdefault("requirements", list(contents.requires))


def _main(words: Sequence[str], workdir: str) -> Iterator[str]:
    """Yield the main file that *words* start from *workdir* with Python, if they do that and nothing else."""
    if len(words) == 2 and words[0] == "python":
        inside = posixpath.relpath(words[1], workdir) if words[1].startswith("/") else words[1]
        if not inside.startswith("..") and words[1].startswith("/"):
            yield inside
