"""Dockerfiles that say the same, grouped: what is only the connector's name or version does not count.

The rule is the notebook's: the technical name is replaced, comments, blank lines and ``LABEL io.airbyte.version`` go,
each line loses the white space around it, and the first seven digits of the SHA-256 name the variant. What the
notebook did by looking at the beginnings of lines is done here on what the Dockerfile says: a ``#`` inside a script is
no comment, and a label beside the version counts.
"""

import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from reprobuild.analysis.comparison import ReadDockerfile, differences
from reprobuild.analysis.dockerfile_facts import dockerfile_facts
from reprobuild.analysis.dockerfile_names import KEBAB, Names
from reprobuild.analysis.dockerfile_reader import parse_dockerfile
from reprobuild.analysis.dockerfile_text import DockerfileText, Line, read_text
from reprobuild.analysis.facts import DockerfileFacts, Variant
from reprobuild.errors import ReprobuildError

__all__ = ["Normalised", "normalised", "told_apart", "variant_differences", "variants"]

_COMPARED = 8
"""Variants that are as near as each other, and of which the order of lines is looked at."""
_VERSION = "io.airbyte.version"
_LABEL = re.compile(r"\s*LABEL\b", re.IGNORECASE)
_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+""", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """A Dockerfile without what differs between connectors, and the seven digits that name its variant."""

    text: str
    digest: str


def normalised(text: DockerfileText, name: str) -> Normalised:
    """Return what is left of *text*, the Dockerfile of the connector with the technical *name*."""
    kept = "\n".join(_kept(text))
    plain = Names(name).of(kept)
    return Normalised(text=plain, digest=hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:7])


def variants(found: Iterable[tuple[DockerfileFacts, str]]) -> tuple[Variant, ...]:
    """Group *found*, facts with the normalised text, by variant: the most common first, then by digest."""
    groups: dict[str, list[tuple[DockerfileFacts, str]]] = {}
    for one in sorted(found, key=lambda one: (one[0].connector, one[0].path)):
        groups.setdefault(one[0].variant, []).append(one)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return told_apart(
        Variant(
            digest=digest,
            example=members[0][0].connector,
            connectors=tuple(facts.connector for facts, _ in members),
            text=members[0][1],
        )
        for digest, members in ordered
    )


def told_apart(ordered: Iterable[Variant]) -> tuple[Variant, ...]:
    """Return *ordered*, the most common first, each with how it differs from the one before it that it is most like.

    What a variant is like is a matter of lines, so that a reader has as few of them to look at as can be.
    """
    told: list[Variant] = []
    lines: list[list[str]] = []
    for one in ordered:
        own = one.text.splitlines()
        if told:
            nearest = told[_nearest(lines, own)]
            told.append(replace(one, compared_with=nearest.digest, differences=variant_differences(nearest, one)))
        else:
            told.append(replace(one, compared_with="", differences=()))
        lines.append(own)
    return tuple(told)


def _nearest(lines: Sequence[list[str]], own: list[str]) -> int:
    """Return the place in *lines* of those that most of are in *own*; of several, in the same order; then the first."""
    counts = Counter(own)
    distances = [((other := Counter(one)) - counts).total() + (counts - other).total() for one in lines]
    least = [place for place, distance in enumerate(distances) if distance == min(distances)][:_COMPARED]
    if len(least) == 1:
        return least[0]
    orders = [difflib.SequenceMatcher(None, lines[place], own, autojunk=False).ratio() for place in least]
    return least[orders.index(max(orders))]


def variant_differences(one: Variant, other: Variant) -> tuple[str, ...]:
    """Return how *other* differs from *one*; nothing where a text, of somebody's report, is no Dockerfile."""
    try:
        return tuple(differences(_read(one), _read(other)))
    except ReprobuildError:
        return ()


def _read(variant: Variant) -> ReadDockerfile:
    text = read_text(variant.text.encode("utf-8", "surrogatepass"), variant.digest)
    dockerfile = parse_dockerfile(text)
    facts = dockerfile_facts(dockerfile, connector=KEBAB, variant=variant.digest)
    return ReadDockerfile(facts=facts, dockerfile=dockerfile, text=variant.text)


def _kept(text: DockerfileText) -> Iterator[str]:
    by_instruction: dict[int, list[Line]] = {}
    for line in text.lines:
        if line.kind not in {"blank", "comment"}:
            by_instruction.setdefault(line.instruction or -line.number, []).append(line)
    for lines in by_instruction.values():
        stripped = [_stripped(line) for line in lines]
        yield from _without_version(stripped, text.escape) if _LABEL.match(lines[0].text) else stripped


def _stripped(line: Line) -> str:
    """Return *line* without white space around it; in a heredoc it is part of what is built."""
    return line.text if line.kind == "heredoc" else line.text.strip()


def _without_version(lines: list[str], escape: str) -> Iterator[str]:
    """Yield the *lines* of a LABEL without the version; nothing if no other label is left."""
    whole = " ".join(line.removesuffix(escape) for line in lines)
    words = _WORD.findall(whole)[1:]
    keys = [word.partition("=")[0].strip("\"'") for word in words]
    if _VERSION not in keys or _WORD.sub("", whole).strip():
        yield from lines
    elif "=" in words[0]:
        # However it was wrapped: with the version's own line gone, the wrapping says nothing any more.
        rest = [word for word, key in zip(words, keys, strict=True) if key != _VERSION]
        yield from [" ".join(["LABEL", *rest])] if rest else []
    elif keys[0] != _VERSION:
        # The old form, of one label alone: what looks like the version's is the value.
        yield from lines
