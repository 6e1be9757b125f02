"""How one Dockerfile differs from another, in words: what a reader would say who has both side by side."""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reprobuild.analysis.dockerfile import Dockerfile
from reprobuild.analysis.dockerfile_names import Names
from reprobuild.analysis.facts import DockerfileFacts
from reprobuild.analysis.steps import steps

__all__ = ["ReadDockerfile", "differences"]

_MOST = 12
_WIDTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDockerfile:
    """A Dockerfile with what was found out about it; *text* is normalised."""

    facts: DockerfileFacts
    dockerfile: Dockerfile
    text: str


def differences(one: ReadDockerfile, other: ReadDockerfile) -> Iterator[str]:
    """Yield how *other* differs from *one*, the most telling first.

    What only the connectors' names make different is none. If nothing else is, it is the order, or how it is written:
    then lines are shown that are there or gone.
    """
    said, old, new = list(_said(one, other)), one.text.splitlines(), other.text.splitlines()
    yield from said
    if not said:
        yield from _lines(old, new)
    elif one.facts.stages == other.facts.stages and _both(old, new) != _both(new, old):
        yield "what both have in another order"


def _said(one: ReadDockerfile, other: ReadDockerfile) -> Iterator[str]:
    mine, theirs = (Names(each.facts.connector.partition("/")[0]) for each in (one, other))
    old, new = one.facts, other.facts
    yield from _bases(old, new)
    if old.stages != new.stages:
        yield f"{new.stages} {'stage' if new.stages == 1 else 'stages'} instead of {old.stages}"
    yield from _several("installs {} as an OS package", old.os_packages, new.os_packages)
    yield from _several("installs {} with pip", mine.all(old.pip_installs), theirs.all(new.pip_installs))
    yield from _changed("entrypoint", mine.line(old.entrypoint), theirs.line(new.entrypoint))
    yield from _changed("command", mine.line(old.command), theirs.line(new.command))
    yield from _changed("working directory", mine.of(old.workdir), theirs.of(new.workdir))
    yield from _changed("user", mine.of(old.user), theirs.of(new.user))
    yield from _mapping("variable", mine.mapping(old.environment), theirs.mapping(new.environment))
    yield from _mapping("label", mine.mapping(_labels(old)), theirs.mapping(_labels(new)))
    before, after = steps(one.dockerfile, mine), steps(other.dockerfile, theirs)
    yield from map(_times, sorted((after - before).items()))
    yield from (f"no longer {_times(one)}" for one in sorted((before - after).items()))


def _bases(one: DockerfileFacts, other: DockerfileFacts) -> Iterator[str]:
    if one.bases == other.bases:
        return
    if len(one.bases) == len(other.bases):
        for old, new in zip(one.bases, other.bases, strict=True):
            if old != new:
                yield f"base {new} instead of {old}"
    else:
        yield f"bases {_listed(other.bases)} instead of {_listed(one.bases)}"


def _several(words: str, before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    old, new = Counter(before), Counter(after)
    if more := sorted((new - old).elements()):
        yield words.format(_listed(more))
    if less := sorted((old - new).elements()):
        yield "no longer " + words.format(_listed(less))


def _changed(what: str, before: str, after: str) -> Iterator[str]:
    if before == after:
        return
    if not before:
        yield f"{what} {_short(after)}"
    elif not after:
        yield f"no {what}, instead of {_short(before)}"
    else:
        yield f"{what} {_short(after)} instead of {_short(before)}"


def _mapping(what: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if name not in before:
            yield f"{what} {name}={_short(after[name])}"
        elif name not in after:
            yield f"no {what} {name}"
        elif before[name] != after[name]:
            yield f"{what} {name}={_short(after[name])} instead of {_short(before[name])}"


def _labels(one: DockerfileFacts) -> dict[str, str]:
    return {name: value for name, value in one.labels.items() if name != "io.airbyte.version"}


def _lines(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Yield lines that are gone or there; only their order, where all of them are in both."""
    if sorted(old) == sorted(new):
        if old != new:
            yield "the same instructions in another order"
        return
    changes = [line for line in difflib.ndiff(old, new) if line[:2] in {"- ", "+ "}]
    for line in changes[:_MOST]:
        yield f"{'without' if line[0] == '-' else 'with'} the line: {_short(line[2:])}"
    if len(changes) > _MOST:
        yield f"and {len(changes) - _MOST} more lines"


def _both(lines: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return those of *lines* that *others* have, too, as often, in their order."""
    left, found = Counter(others), []
    for line in lines:
        if left[line] > 0:
            left[line] -= 1
            found.append(line)
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(_short(name) for name in names) or "none"


def _times(counted: tuple[str, int]) -> str:
    words, count = counted
    return _short(words) if count == 1 else f"{_short(words)} ({count} times)"


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
