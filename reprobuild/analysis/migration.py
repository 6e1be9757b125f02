"""A Dockerfile → the specification of the same image, the hooks that it needs, and what cannot be carried over.

Nothing is lost silently: an instruction becomes a key, a hook or a note.
"""

import posixpath
import shlex
from collections.abc import Iterator, Sequence

from reprobuild.analysis.dockerfile import Dockerfile, Instruction
from reprobuild.analysis.dockerfile_facts import image_stages
from reprobuild.analysis.facts import DockerfileFacts
from reprobuild.analysis.migrated_copy import take_copy
from reprobuild.analysis.migrated_run import take_run
from reprobuild.analysis.migration_walk import ConnectorContents, Migration, Note, Walk
from reprobuild.workspace.types import DEFAULT_WORKDIR

__all__ = ["ConnectorContents", "Migration", "Note", "migration"]

_VERSION = "io.airbyte.version"
_KEYS = (
    *("requirements", "main", "packages", "include", "entrypoint", "workdir", "user"),
    *("env", "labels", "files", "input"),
)


def migration(
    dockerfile: Dockerfile, facts: DockerfileFacts, contents: ConnectorContents, *, base: str = ""
) -> Migration:
    """Return what the connector *contents* needs for an image like that of *dockerfile*, whose *facts* are given.

    *base* is the name of the base image that is to be said; nothing if the workspace knows.
    """
    walk = Walk(contents=contents, facts=facts)
    for stage in image_stages(dockerfile):
        walk.arguments = {}
        for one in stage.instructions:
            _take(walk, one)
    _entrypoint(walk)
    settings, found = walk.made.settings, {"base": base} if base else {}
    found |= {key: settings[key] for key in _KEYS if settings.get(key)}
    return Migration(settings=found, hooks=walk.hooks(), notes=sorted(walk.made.notes, key=lambda note: note.line))


def _take(walk: Walk, one: Instruction) -> None:
    """Carry *one* over, as far as that goes."""
    if one.is_trigger:
        walk.note(one, "a trigger for images that are built on this one", "write it into their hooks")
    elif one.keyword == "RUN":
        take_run(walk, one)
    elif one.keyword in {"COPY", "ADD"}:
        take_copy(walk, one)
    elif one.keyword == "WORKDIR":
        walk.workdir = posixpath.normpath(posixpath.join(walk.workdir, " ".join(one.words)))
        walk.set("workdir", walk.workdir if walk.workdir != DEFAULT_WORKDIR else "")
    elif one.keyword == "USER":
        walk.user = " ".join(one.words)
        walk.set("user", walk.user)
    elif one.keyword == "ARG":
        walk.arguments |= dict(one.pairs)
    elif one.keyword == "SHELL":
        walk.shell = one.words
    elif one.keyword in {"ENV", "LABEL"}:
        _pairs(walk, one)
    elif one.keyword not in {"ENTRYPOINT", "MAINTAINER"}:
        _rarer(walk, one)


def _pairs(walk: Walk, one: Instruction) -> None:
    """Say the variables or labels that *one* sets, as far as metadata does not give the same labels."""
    key, derived = ("env", {}) if one.keyword == "ENV" else ("labels", walk.contents.labels)
    for name, value in one.pairs:
        if name == _VERSION and _VERSION in derived:
            continue
        if "$" in value:
            walk.note(one, f"{name}={value} has a value that only a build knows", f"write the whole value to `{key}`")
        elif derived.get(name) != value:
            walk.merge(key, {name: value})
    if one.keyword == "ENV":
        walk.variables |= dict(one.pairs)


def _rarer(walk: Walk, one: Instruction) -> None:
    if one.keyword == "CMD":
        if walk.facts.entrypoint and walk.facts.command:
            walk.note(
                one, f"CMD {one.text}", "there is only an entrypoint: write the arguments into it", about="command"
            )
        return
    walk.note(one, f"{one.keyword} {one.text}", "no key says this, and the new image does not have it")


def _entrypoint(walk: Walk) -> None:
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
