"""What a Dockerfile does besides what its facts name: commands, copies and the rarer instructions, as phrases."""

from collections import Counter
from collections.abc import Iterator, Sequence

from reprobuild.analysis.dockerfile import Dockerfile, Instruction
from reprobuild.analysis.dockerfile_names import Names
from reprobuild.analysis.installs import installs
from reprobuild.analysis.shell_commands import commands

__all__ = ["steps"]

_SAID = frozenset({"ENV", "LABEL", "ENTRYPOINT", "CMD", "WORKDIR", "USER", "MAINTAINER"})
"""Those of which the last word counts, which facts have."""


def steps(dockerfile: Dockerfile, names: Names) -> Counter[str]:
    """Return phrases for what *dockerfile* does, each as often as it does so, without the connector's *names*."""
    found = Counter[str]()
    for stage in dockerfile.stages:
        for one in stage.instructions:
            found.update(names.of(phrase) for phrase in _phrases(one))
    return found


def _phrases(one: Instruction) -> Iterator[str]:
    if one.is_trigger:
        yield f"triggers {one.keyword} {one.text}"
    elif one.keyword == "RUN":
        for flag in one.flags:
            yield f"runs a step with {flag}"
        run = [one.words] if one.is_json else list(commands(one.text))
        scripts = [list(commands(text.content)) for text in one.heredocs]
        for command in (*run, *(words for script in scripts for words in script)):
            yield _command(command)
    elif one.keyword in {"COPY", "ADD"}:
        yield _copy(one)
    elif one.keyword == "ARG":
        yield from (f"takes the argument {name}" + (f"={value}" if value else "") for name, value in one.pairs)
    elif one.keyword not in _SAID:
        yield f"has {one.keyword} {one.text}"


def _command(command: Sequence[str]) -> str:
    """Return a phrase for *command*; of one that installs, what it installs is said elsewhere."""
    said = {one.name for one in installs([command])} | {"-r", "--requirement"}
    said |= {name.removeprefix("-r ") for name in said if name.startswith("-r ")}
    # A program may be what it installs: pip.
    return f"runs {' '.join([command[0], *(word for word in command[1:] if word not in said)])}"


def _copy(one: Instruction) -> str:
    source = next((flag.partition("=")[2] for flag in one.flags if flag.startswith("--from=")), "")
    flags = [flag for flag in one.flags if not flag.startswith("--from=")]
    verb = "copies" if one.keyword == "COPY" else "adds"
    words = [f"{verb} {' '.join(one.words[:-1])} to {' '.join(one.words[-1:])}"]
    words += [f"from {source}"] if source else []
    words += [f"with {' '.join(flags)}"] if flags else []
    texts = "".join(text.content for text in one.heredocs)
    return " ".join([*words, f"({texts!r})"] if texts else words)
