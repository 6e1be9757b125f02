"""A command that fetches one file with curl or wget, and what does the same with a file that is there already."""

import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reprobuild.analysis.shell_commands import commands

__all__ = ["Fetching", "fetching"]

_PROGRAMS = frozenset({"curl", "wget"})
_ADDRESS = re.compile(r"(?:https?|ftp)://\S+")
_OUTPUTS = frozenset({"-o", "--output", "-O", "--output-document"})
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "python", "python3", "perl"})
_STRUCTURE = re.compile(r"\|\||&|;|\n|<|>|\$\(|`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """``url`` goes to *target*, or to the command *rest*, which reads it; *is_run* says that it is a script to run."""

    url: str
    target: str
    rest: str = ""
    is_run: bool = False

    def instead(self, file: str) -> str:
        """Return the command that does this with *file*, which holds what the address gave."""
        if self.rest:
            return f"cat {file} | {self.rest}"
        return f"install -D -m 0644 {file} {self.target}"


def fetching(part: str) -> Fetching | None:
    """Return what *part*, a command or a pipeline, fetches; None if it does anything else, or more than that."""
    first, _, rest = (text.strip() for text in part.partition("|"))
    if rest.startswith("|") or _STRUCTURE.search(first):
        return None
    words = next(iter(commands(first)), ())
    if not words or posixpath.basename(words[0]) not in _PROGRAMS:
        return None
    urls = [word for word in words[1:] if _ADDRESS.match(word)]
    if len(urls) != 1:
        return None
    target = _target(words, urls[0])
    if rest and target not in {"", "-", "/dev/stdout"}:
        return None
    if not rest:
        return Fetching(url=urls[0], target=shlex.quote(target)) if target not in {"", "-"} else None
    readers = {posixpath.basename(command[0]) for command in commands(rest)}
    return Fetching(url=urls[0], target="", rest=rest, is_run=bool(readers & _SHELLS) or "bash" in rest)


def _target(words: Sequence[str], url: str) -> str:
    """Return the file that *words* write what they fetch to; nothing for the standard output."""
    is_curl = posixpath.basename(words[0]) == "curl"
    last = posixpath.basename(url.partition("?")[0])
    options = list(_options(words[1:]))
    for name, value in options:
        if name in _OUTPUTS and value and not (is_curl and name == "-O"):
            return value
    if is_curl:
        return last if any(name in {"-O", "--remote-name"} for name, _ in options) else ""
    folder = next((value for name, value in options if name in {"-P", "--directory-prefix"}), "")
    return posixpath.join(folder, last)


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield options with what may be their values; letters that stand together, such as ``-fsSLo``, each by itself."""
    for at, word in enumerate(words):
        after = words[at + 1] if at + 1 < len(words) else ""
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            yield name, value if equals else after
        elif word.startswith("-") and len(word) > 1:
            yield from ((f"-{letter}", "") for letter in word[1:-1])
            yield f"-{word[-1]}", after
