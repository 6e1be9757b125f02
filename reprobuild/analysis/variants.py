"""Dockerfiles that say the same, grouped: what is only the connector's name or version does not count.

The rule is the notebook's: the technical name is replaced, comments, blank lines and ``LABEL io.airbyte.version`` go,
each line loses the white space around it, and the first seven digits of the SHA-256 name the variant. What the
notebook did by looking at the beginnings of lines is done here on what the Dockerfile says: a ``#`` inside a script is
no comment, and a label beside the version counts.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reprobuild.analysis.comparison import ReadDockerfile, differences
from reprobuild.analysis.dockerfile_names import Names
from reprobuild.analysis.dockerfile_text import DockerfileText, Line
from reprobuild.analysis.facts import Variant

__all__ = ["Normalised", "normalised", "variants"]

_VERSION = re.compile(r"""(?<!\S)["']?io\.airbyte\.version["']?(?:=|[ \t]+)(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"']*)""")
_LABEL = re.compile(r"\s*LABEL\b", re.IGNORECASE)


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


def variants(found: Iterable[ReadDockerfile]) -> tuple[Variant, ...]:
    """Group *found* by their variant: the most common first, then by digest; connectors by name.

    All are compared with the first.
    """
    groups: dict[str, list[ReadDockerfile]] = {}
    for one in sorted(found, key=lambda one: (one.facts.connector, one.facts.path)):
        groups.setdefault(one.facts.variant, []).append(one)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(
        Variant(
            digest=digest,
            example=members[0].facts.connector,
            connectors=tuple(one.facts.connector for one in members),
            text=members[0].text,
            differences=tuple(differences(ordered[0][1][0], members[0])) if number else (),
        )
        for number, (digest, members) in enumerate(ordered)
    )


def _kept(text: DockerfileText) -> Iterator[str]:
    by_instruction: dict[int, list[Line]] = {}
    for line in text.lines:
        if line.kind not in {"blank", "comment"}:
            by_instruction.setdefault(line.instruction or -line.number, []).append(line)
    for lines in by_instruction.values():
        yield from _without_version(lines) if _LABEL.match(lines[0].text) else map(_stripped, lines)


def _stripped(line: Line) -> str:
    """Return *line* without white space around it; in a heredoc it is part of what is built."""
    return line.text if line.kind == "heredoc" else line.text.strip()


def _without_version(lines: list[Line]) -> Iterator[str]:
    """Yield the lines of a LABEL without the version; nothing if no other label is left."""
    rest = [_VERSION.sub("", line.text).strip() for line in lines]
    if rest == [line.text.strip() for line in lines]:
        yield from rest
        return
    words = " ".join(rest).replace("\\", " ").replace("`", " ").split()[1:]
    if words:
        # However it was wrapped: with the version's own line gone, the wrapping says nothing any more.
        yield "LABEL " + " ".join(words)
