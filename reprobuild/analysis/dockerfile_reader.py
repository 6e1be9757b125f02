"""The bytes of a Dockerfile → stages and instructions. Nothing is executed, and no base image is looked at."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from reprobuild.analysis.dockerfile import Dockerfile, Instruction, Stage
from reprobuild.analysis.dockerfile_text import DockerfileText, Logical, read_text
from reprobuild.analysis.dockerfile_words import replaced, split_words
from reprobuild.errors import SpecificationError

__all__ = ["parse_dockerfile", "read_dockerfile"]

_KEYWORDS = frozenset(
    {
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    }
)
_JSON = frozenset({"ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"})
_FLAGS = frozenset({"ADD", "COPY", "FROM", "HEALTHCHECK", "RUN"})
_FLAG = re.compile(r"--[a-z][a-z-]*(?:=\S*)?(?=\s|$)")
_PAIRS = frozenset({"ARG", "ENV", "LABEL"})
_SHELL = frozenset({"CMD", "ENTRYPOINT", "HEALTHCHECK", "MAINTAINER", "RUN", "SHELL"})
"""Those whose text is not ours to take apart."""
_TEMPLATE = re.compile(r"\{\{|\{%|<%|^\s*(?:INCLUDE|%include)\b|^@|^\$\{?[A-Za-z_]\w*\}?\s*$", re.IGNORECASE)


def read_dockerfile(data: bytes, path: str) -> Dockerfile:
    """Return what the Dockerfile *data* says. Errors call it *path*.

    Raises SpecificationError, naming path and line, for what is no Dockerfile.
    """
    return parse_dockerfile(read_text(data, path))


def parse_dockerfile(text: DockerfileText) -> Dockerfile:
    """Return what *text* says; raise SpecificationError for what is no Dockerfile."""
    reader = _Reader(text=text)
    for logical in text.logical:
        reader.take(logical)
    if not reader.stages:
        raise SpecificationError("no FROM: nothing is built here", where=text.path, hint="name Dockerfiles only")
    return Dockerfile(
        path=text.path,
        directives=text.directives,
        arguments=tuple(reader.arguments.items()),
        stages=tuple(one.done() for one in reader.stages),
    )


@dataclass(slots=True)
class _Stage:
    """A stage under way: *known* are the variables that have a value, *environment* those that stay in the image."""

    stage: Stage
    known: dict[str, str]
    environment: dict[str, str]
    instructions: list[Instruction] = field(default_factory=list)

    def done(self) -> Stage:
        one = self.stage
        return Stage(
            line=one.line, base=one.base, name=one.name, platform=one.platform, instructions=tuple(self.instructions)
        )


@dataclass(slots=True)
class _Reader:
    text: DockerfileText
    arguments: dict[str, str] = field(default_factory=dict)
    stages: list[_Stage] = field(default_factory=list)

    def take(self, logical: Logical) -> None:
        """Add the instruction that *logical* writes."""
        known = self.stages[-1].known if self.stages else self.arguments
        one = self._instruction(logical, known)
        if one.keyword == "FROM":
            self._begin(one)
        elif self.stages:
            self._add(one, self.stages[-1])
        elif one.keyword == "ARG":
            self.arguments |= dict(one.pairs)
        else:
            raise self._wrong(logical, f"{one.keyword} before FROM", "a Dockerfile begins with FROM")

    def _instruction(self, logical: Logical, known: Mapping[str, str]) -> Instruction:
        keyword, rest = self._keyword(logical)
        is_trigger = keyword == "ONBUILD"
        if is_trigger:
            keyword, rest = self._keyword(Logical(number=logical.number, text=rest))
        flags = []
        while keyword in _FLAGS and (found := _FLAG.match(rest)) is not None:
            flags.append(found[0])
            rest = rest[found.end() :].lstrip()
        words = _json_words(rest) if keyword in _JSON else None
        return Instruction(
            line=logical.number,
            keyword=keyword,
            flags=tuple(flags),
            words=tuple(words if words is not None else self._words(keyword, rest, known)),
            text=rest,
            is_json=words is not None,
            pairs=tuple(self._pairs(keyword, rest, known, logical)),
            heredocs=logical.heredocs,
            is_trigger=is_trigger,
        )

    def _keyword(self, logical: Logical) -> tuple[str, str]:
        keyword = next(iter(logical.text.split(maxsplit=1)), "")
        if keyword.upper() in _KEYWORDS:
            return keyword.upper(), logical.text[len(keyword) :].strip()
        if _TEMPLATE.search(logical.text):
            raise self._wrong(logical, f"a template: {logical.text[:60]!r}", "give the Dockerfile that is made of it")
        raise self._wrong(logical, f"no instruction: {keyword[:60]!r}", "is a \\ missing at the end of the line above?")

    def _words(self, keyword: str, rest: str, known: Mapping[str, str]) -> list[str]:
        if keyword in _SHELL | _PAIRS:
            return []
        return [replaced(word, known, self.text.escape) for word in split_words(rest, self.text.escape)]

    def _pairs(self, keyword: str, rest: str, known: Mapping[str, str], logical: Logical) -> list[tuple[str, str]]:
        if keyword not in _PAIRS:
            return []
        escape, words = self.text.escape, split_words(rest, self.text.escape)
        if not words:
            raise self._wrong(logical, f"{keyword} of nothing", "write NAME=VALUE")
        if keyword == "ARG":
            parts = [word.partition("=") for word in words]
            given = {**self.arguments} if self.stages else {}
            return [
                (name, replaced(value, known, escape) if equals else given.get(name, ""))
                for name, equals, value in parts
            ]
        if "=" not in words[0]:
            # The old form: one name, and all the rest is its value.
            if len(words) == 1:
                raise self._wrong(logical, f"{keyword} {words[0][:60]} has no value", "write NAME=VALUE")
            value = rest[len(words[0]) :].strip()
            return [(replaced(words[0], {}, escape), replaced(value, known, escape))]
        if bare := [word for word in words if "=" not in word]:
            raise self._wrong(logical, f"{bare[0][:60]!r} has no value", "put values with spaces in quotes")
        split = [word.partition("=") for word in words]
        return [(replaced(name, known, escape), replaced(value, known, escape)) for name, _, value in split]

    def _begin(self, one: Instruction) -> None:
        escape = self.text.escape
        words = [replaced(word, self.arguments, escape) for word in split_words(one.text, escape)]
        if len(words) not in {1, 3} or (len(words) == 3 and words[1].lower() != "as"):
            where = f"{self.text.path}:{one.line}"
            if _TEMPLATE.search(one.text):
                hint = "give the Dockerfile that is made of it"
                raise SpecificationError(f"a template: {one.text[:60]!r}", where=where, hint=hint)
            hint = "name one image, and the stage after AS"
            raise SpecificationError(f"not FROM IMAGE [AS NAME]: {one.text[:80]!r}", where=where, hint=hint)
        platform = next((flag.partition("=")[2] for flag in one.flags if flag.startswith("--platform=")), "")
        name = words[2].lower() if len(words) == 3 else ""
        above = next((stage for stage in reversed(self.stages) if stage.stage.name == words[0].lower()), None)
        environment = dict(above.environment) if above is not None and above.stage.name else {}
        stage = Stage(line=one.line, base=words[0], name=name, platform=replaced(platform, self.arguments, escape))
        self.stages.append(_Stage(stage=stage, known=dict(environment), environment=environment))

    def _add(self, one: Instruction, stage: _Stage) -> None:
        stage.instructions.append(one)
        if one.is_trigger:
            return
        if one.keyword == "ENV":
            stage.environment |= dict(one.pairs)
            stage.known |= dict(one.pairs)
        elif one.keyword == "ARG":
            # What ENV sets wins; an ARG without a value has none that we know.
            stage.known |= {name: value for name, value in one.pairs if value and name not in stage.environment}

    def _wrong(self, logical: Logical, what: str, hint: str) -> SpecificationError:
        return SpecificationError(what, where=f"{self.text.path}:{logical.number}", hint=hint)


def _json_words(text: str) -> list[str] | None:
    """Return the strings of the JSON form, None for what is the shell form; so is a list that is no JSON."""
    if not text.startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) and all(isinstance(word, str) for word in value) else None
