"""How one Dockerfile differs from another, in words: what a reader would say who has both side by side."""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from reprobuild.analysis.dockerfile_names import Names
from reprobuild.analysis.facts import DockerfileFacts

__all__ = ["differences"]

_MOST = 12
_WIDTH = 100


def differences(one: DockerfileFacts, other: DockerfileFacts, *, before: str, after: str) -> Iterator[str]:
    """Yield how *other* differs from *one*, the most telling first; their normalised texts are *before* and *after*.

    What only the connectors' names make different is none. What has no words of its own is shown as lines that are
    there or gone.
    """
    mine, theirs = (Names(each.connector.partition("/")[0]) for each in (one, other))
    said = False
    for words in (
        *_bases(one, other),
        *_stages(one, other),
        *_several("installs {} as an OS package", one.os_packages, other.os_packages),
        *_several("installs {} with pip", mine.all(one.pip_installs), theirs.all(other.pip_installs)),
        *_several("downloads {}", mine.all(one.downloads), theirs.all(other.downloads)),
        *_changed("entrypoint", mine.line(one.entrypoint), theirs.line(other.entrypoint)),
        *_changed("command", mine.line(one.command), theirs.line(other.command)),
        *_changed("working directory", mine.of(one.workdir), theirs.of(other.workdir)),
        *_changed("user", mine.of(one.user), theirs.of(other.user)),
        *_mapping("variable", mine.mapping(one.environment), theirs.mapping(other.environment)),
        *_mapping("label", mine.mapping(_labels(one)), theirs.mapping(_labels(other))),
    ):
        said = True
        yield words
    yield from _lines(before, after, others_said=said)


def _bases(one: DockerfileFacts, other: DockerfileFacts) -> Iterator[str]:
    if one.bases == other.bases:
        return
    if len(one.bases) == len(other.bases):
        for old, new in zip(one.bases, other.bases, strict=True):
            if old != new:
                yield f"base {new} instead of {old}"
    else:
        yield f"bases {_listed(other.bases)} instead of {_listed(one.bases)}"


def _stages(one: DockerfileFacts, other: DockerfileFacts) -> Iterator[str]:
    if one.stages != other.stages:
        yield f"{other.stages} {'stage' if other.stages == 1 else 'stages'} instead of {one.stages}"


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


def _lines(before: str, after: str, *, others_said: bool) -> Iterator[str]:
    """Yield lines that are gone or there; only their order, where all of them are in both."""
    old, new = before.splitlines(), after.splitlines()
    if sorted(old) == sorted(new):
        if old != new:
            yield "the same instructions in another order"
        return
    changes = [line for line in difflib.ndiff(old, new) if line[:2] in {"- ", "+ "}]
    shown = changes[: _MOST if not others_said else _MOST // 2]
    for line in shown:
        yield f"{'without' if line[0] == '-' else 'with'} the line: {_short(line[2:])}"
    if len(changes) > len(shown):
        yield f"and {len(changes) - len(shown)} more lines"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(_short(name) for name in names) or "none"


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
