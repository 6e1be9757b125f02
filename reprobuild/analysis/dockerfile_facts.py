"""A Dockerfile → what it says about the image: bases, installs, entrypoint, environment, labels."""

import re
from collections.abc import Iterator
from dataclasses import replace

from reprobuild.analysis.dockerfile import Dockerfile, Instruction, Stage
from reprobuild.analysis.dockerfile_words import replaced
from reprobuild.analysis.facts import DockerfileFacts
from reprobuild.analysis.installs import Install, installs
from reprobuild.analysis.shell_commands import commands

__all__ = ["dockerfile_facts", "image_base", "image_installs", "image_stages", "is_pinned"]

_SCRATCH = "scratch"
_SHELL = ("/bin/sh", "-c")
_ADDRESS = re.compile(r"(?:https?|ftp|git|ssh)://|git@")
_GIT = re.compile(r"\.git(?:#|$)|^git(?:@|://)")
_PINNED = re.compile(r"@sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$")
_REVISION = re.compile(r"#[0-9a-f]{40}(?::|$)")


def is_pinned(base: str) -> bool:
    """Say whether *base* leads to the same image for ever: it names a digest."""
    return _PINNED.search(base) is not None


def image_base(dockerfile: Dockerfile) -> str:
    """Return what the last stage of *dockerfile* begins with, through stages of its own; nothing if from scratch."""
    base = image_stages(dockerfile)[0].base
    return "" if base == _SCRATCH or "$" in base else base


def dockerfile_facts(
    dockerfile: Dockerfile, *, connector: str, variant: str, language: str = "", support_level: str = ""
) -> DockerfileFacts:
    """Return what *dockerfile* says. *variant* and what follows it are taken as they are."""
    bases = tuple(_bases(dockerfile))
    found = [one for stage in dockerfile.stages for one in _installs(stage)]
    chain = image_stages(dockerfile)
    image = _image(chain)
    own = [one for stage in chain for one in stage.instructions if not one.is_trigger]
    return DockerfileFacts(
        connector=connector,
        path=dockerfile.path,
        variant=variant,
        bases=bases,
        moving_bases=tuple(base for base in bases if not is_pinned(base)),
        stages=len(dockerfile.stages),
        instructions=tuple(one.keyword for stage in dockerfile.stages for one in _with_from(stage)),
        os_packages=_names(found, "os"),
        unpinned_os_packages=_names(found, "os", pinned=False),
        pip_installs=_names(found, "pip"),
        unpinned_pip_installs=_names(found, "pip", pinned=False),
        downloads=_names(found, "download", pinned=False),
        entrypoint=image.get("ENTRYPOINT", ()),
        command=image.get("CMD", ()),
        workdir=_workdir(own),
        user="".join(image.get("USER", ())),
        environment=dict(pair for one in own if one.keyword == "ENV" for pair in one.pairs),
        labels=dict(pair for one in own if one.keyword == "LABEL" for pair in one.pairs),
        language=language,
        support_level=support_level,
    )


def _bases(dockerfile: Dockerfile) -> Iterator[str]:
    """Yield the images that stages begin with or are copied from: none of the Dockerfile's own stages."""
    names = set[str]()
    for number, stage in enumerate(dockerfile.stages):
        if stage.base.lower() not in names and stage.base != _SCRATCH:
            yield stage.base
        for one in stage.instructions:
            source = next((flag.partition("=")[2] for flag in one.flags if flag.startswith("--from=")), "")
            if one.keyword == "COPY" and source and source.lower() not in names and not source.isdecimal():
                yield source
        names |= {stage.name or str(number)}


def image_stages(dockerfile: Dockerfile) -> list[Stage]:
    """Return the stages that the image is made of: the last one, and before it those that it begins with."""
    chain, at = [dockerfile.stages[-1]], len(dockerfile.stages) - 1
    while True:
        wanted = chain[0].base.lower()
        at = next((here for here in range(at - 1, -1, -1) if dockerfile.stages[here].name == wanted), -1)
        if at < 0:
            return chain
        chain.insert(0, dockerfile.stages[at])


def _image(chain: list[Stage]) -> dict[str, tuple[str, ...]]:
    """Return what the last ENTRYPOINT, CMD and USER say; an ENTRYPOINT takes away a CMD from before."""
    found: dict[str, tuple[str, ...]] = {}
    shell: tuple[str, ...] = _SHELL
    for stage in chain:
        for one in stage.instructions:
            if one.keyword == "SHELL" and one.is_json and not one.is_trigger:
                shell = one.words
            if one.is_trigger or one.keyword not in {"ENTRYPOINT", "CMD", "USER"}:
                continue
            words = one.words if one.is_json or one.keyword == "USER" else (*shell, one.text)
            if one.keyword == "ENTRYPOINT":
                found.pop("CMD", None)
            found[one.keyword] = words
    return found


def _workdir(own: list[Instruction]) -> str:
    place = ""
    for one in own:
        if one.keyword == "WORKDIR":
            to = " ".join(one.words)
            place = to if to.startswith("/") else f"{place or '/'}".rstrip("/") + f"/{to}"
    return place


def _with_from(stage: Stage) -> Iterator[Instruction]:
    yield Instruction(line=stage.line, keyword="FROM")
    yield from stage.instructions


def image_installs(dockerfile: Dockerfile) -> Iterator[Install]:
    """Yield what the stages bring in that the image of *dockerfile* is made of, variables that are known replaced."""
    environment: dict[str, str] = {}
    for stage in image_stages(dockerfile):
        arguments: dict[str, str] = {}
        for one in stage.instructions:
            known = {**arguments, **environment}
            for install in _brought(one):
                yield replace(install, name=replaced(install.name, known, "\\"))
            if one.keyword in {"ARG", "ENV"} and not one.is_trigger:
                (arguments if one.keyword == "ARG" else environment).update(one.pairs)


def _installs(stage: Stage) -> Iterator[Install]:
    for one in stage.instructions:
        yield from _brought(one)


def _brought(one: Instruction) -> Iterator[Install]:
    if one.keyword == "RUN":
        run = [one.words] if one.is_json else list(commands(one.text))
        scripts = [text.content for text in one.heredocs if one.text.strip().startswith("<<")]
        yield from installs([*run, *(words for script in scripts for words in commands(script))])
    elif one.keyword == "ADD":
        yield from _added(one)


def _added(one: Instruction) -> Iterator[Install]:
    checked = any(flag.startswith("--checksum=") for flag in one.flags)
    for word in one.words[:-1]:
        if _ADDRESS.match(word):
            pinned = checked or (_GIT.search(word) is not None and _REVISION.search(word) is not None)
            yield Install(kind="download", name=word, pinned=pinned)


def _names(found: list[Install], kind: str, *, pinned: bool | None = None) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(one.name for one in found if one.kind == kind and (pinned is None or one.pinned == pinned))
    )
