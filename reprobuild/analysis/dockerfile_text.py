"""The bytes of a Dockerfile → its lines, each known for what it is, and the logical lines that instructions stand on.

Source: the Dockerfile reference ("Format", "Parser directives", "Escape", "Here-Documents").
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from reprobuild.analysis.dockerfile import Heredoc
from reprobuild.errors import SpecificationError

__all__ = ["DockerfileText", "Line", "Logical", "read_text"]

_DIRECTIVE = re.compile(r"#[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(.+?)[ \t]*")
_KNOWN = frozenset({"syntax", "escape", "check"})
_HEREDOC = re.compile(r"""(?<!\S)\d*<<(-?)(?:"([^"<]+)"|'([^'<]+)'|([^\s<"'|&;()]+))""")
_TAKES_HEREDOC = re.compile(r"\s*(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\b", re.IGNORECASE)
_QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*\"""")
_MOST = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line as it stands in the file, without its end. *instruction* is the line that its instruction begins on."""

    number: int
    text: str
    kind: Literal["blank", "comment", "directive", "instruction", "heredoc"]
    instruction: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Logical:
    """What one instruction is written as: continuations joined, comments left out, with its heredocs."""

    number: int
    text: str
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerfileText:
    """A Dockerfile, taken apart into lines. *escape* is the sign at the end of a line that goes on."""

    path: str
    directives: tuple[tuple[str, str], ...]
    escape: str
    lines: tuple[Line, ...]
    logical: tuple[Logical, ...]


def read_text(data: bytes, path: str) -> DockerfileText:
    """Take apart the Dockerfile *data*, which errors call *path*; raise SpecificationError for what is none."""
    texts = [line.removesuffix("\r") for line in _decoded(data, path).split("\n")]
    directives = dict(_directives(texts))
    escape = directives.get("escape", "\\")
    if escape not in {"\\", "`"}:
        raise SpecificationError(f"not an escape: {escape[:20]!r}", where=f"{path}:1", hint="it is \\ or `")
    scan = _Scan(texts, escape, path, len(directives))
    logical = tuple(scan.logical())
    return DockerfileText(
        path=path, directives=tuple(directives.items()), escape=escape, lines=tuple(scan.lines), logical=logical
    )


def _decoded(data: bytes, path: str) -> str:
    if len(data) > _MOST:
        raise SpecificationError(f"has {len(data)} bytes", where=path, hint="a Dockerfile is a small text")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SpecificationError("is UTF-16, which no builder reads", where=path, hint="save it as UTF-8")
    if b"\0" in data:
        raise SpecificationError("is no text: it holds zero bytes", where=path, hint="name Dockerfiles only")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # Builders take bytes as they are; here each byte is a character, so that no two files become one.
        return data.decode("latin-1")


def _directives(texts: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the parser directives: they stand before everything else, comments included."""
    seen = set[str]()
    for text in texts:
        found = _DIRECTIVE.fullmatch(text.strip())
        if found is None or (name := found[1].lower()) not in _KNOWN or name in seen:
            return
        seen.add(name)
        yield name, found[2]


@dataclass(slots=True)
class _Scan:
    """A walk over the lines of a file; ``lines`` grows on the way."""

    texts: list[str]
    escape: str
    path: str
    directives: int
    lines: list[Line] = field(default_factory=list)

    def logical(self) -> Iterator[Logical]:
        """Yield what each instruction is written as."""
        for number in range(self.directives):
            self.lines.append(Line(number=number + 1, text=self.texts[number], kind="directive"))
        at = self.directives
        while at < len(self.texts):
            if self._is_skipped(at, 0):
                at += 1
                continue
            begin, parts = at, list[str]()
            at = self._joined(at, parts)
            text = "".join(parts).strip()
            heredocs, at = self._heredocs(text, begin, at)
            if text:
                yield Logical(number=begin + 1, text=text, heredocs=heredocs)

    def _joined(self, at: int, parts: list[str]) -> int:
        """Collect in *parts* the pieces of the instruction from line *at* on; return the line after it."""
        begin, ending = at + 1, re.compile(rf"(?<!{re.escape(self.escape)}){re.escape(self.escape)}[ \t]*$")
        while at < len(self.texts):
            if at >= begin and self._is_skipped(at, begin):
                at += 1
                continue
            text = self.texts[at]
            self.lines.append(Line(number=at + 1, text=text, kind="instruction", instruction=begin))
            at += 1
            short = ending.sub("", text)
            parts.append(short)
            if short == text:
                break
        return at

    def _is_skipped(self, at: int, instruction: int) -> bool:
        text = self.texts[at].strip()
        if text and not text.startswith("#"):
            return False
        kind: Literal["blank", "comment"] = "comment" if text else "blank"
        self.lines.append(Line(number=at + 1, text=self.texts[at], kind=kind, instruction=instruction))
        return True

    def _heredocs(self, text: str, begin: int, at: int) -> tuple[tuple[Heredoc, ...], int]:
        if "<<" not in text or _TAKES_HEREDOC.match(text) is None:
            return (), at
        found = []
        for match in _HEREDOC.finditer(_QUOTED.sub(_blanked, text)):
            name = next(text[start:end] for start, end in map(match.span, (2, 3, 4)) if start >= 0)
            one, at = self._heredoc(name, begin, at, tabs=bool(match[1]), expands=match.span(4)[0] >= 0)
            found.append(one)
        return tuple(found), at

    def _heredoc(self, name: str, begin: int, at: int, *, tabs: bool, expands: bool) -> tuple[Heredoc, int]:
        content = list[str]()
        while at < len(self.texts):
            text = self.texts[at].lstrip("\t") if tabs else self.texts[at]
            self.lines.append(Line(number=at + 1, text=self.texts[at], kind="heredoc", instruction=begin + 1))
            at += 1
            if text == name:
                return Heredoc(name=name, content="".join(f"{one}\n" for one in content), expands=expands), at
            content.append(text)
        raise SpecificationError(
            f"the text that <<{name} begins has no end", where=f"{self.path}:{begin + 1}", hint=f"end it with {name}"
        )


def _blanked(found: re.Match[str]) -> str:
    """Hide a quoted text, in which nothing begins a heredoc, unless it is the name of one."""
    text, at = found.string, found.start()
    return found[0] if text[:at].endswith(("<<", "<<-")) else " " * len(found[0])
