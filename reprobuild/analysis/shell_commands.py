"""The commands that a shell script runs, as far as they can be read without running it.

This is no shell: variables stay as they stand, and what stands in ``$(…)`` is not looked into. It is enough to see what
is installed or fetched, which people write plainly.
"""

import re
import shlex
from collections.abc import Iterator

__all__ = ["commands", "slices"]

_ENDS = frozenset({"&&", "||", ";", "|", "&", "(", ")", "{", "}", ";;", "|&", "\n", "!"})
_PREFIXES = frozenset({"sudo", "exec", "command", "time", "then", "do", "else", "if", "while", "until", "elif", "env"})
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_NUMBER = re.compile(r"(?<!\S)\d(?=[<>])")
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "/bin/sh", "/bin/bash", "/usr/bin/bash"})
_DEEPEST = 4
_QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*\"""")
_STRUCTURE = re.compile(r"(?:^|[\s;&|(])(?:if|for|while|until|case|function)\s|[{(]\s|\(\)|<<")


def commands(script: str, *, depth: int = 0) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command of *script*, without assignments and words like ``sudo`` before it.

    What ``sh -c`` runs is looked into. A script that no shell would read gives what comes before its fault.
    """
    words: list[str] = []
    for word in _words(script):
        if word not in _ENDS:
            words.append(word)
            continue
        yield from _command(words, depth)
        words = []
    yield from _command(words, depth)


def _words(script: str) -> Iterator[str]:
    plain = _NUMBER.sub("", script.replace("\\\n", " "))
    reader = shlex.shlex(plain, posix=True, punctuation_chars="();<>|&\n")
    reader.whitespace = " \t\r"
    reader.whitespace_split = True
    reader.commenters = "#"
    try:
        yield from _ended(reader)
    except ValueError:
        return


def _ended(reader: shlex.shlex) -> Iterator[str]:
    """Yield words without redirections; a run of signs that end commands is as good as one."""
    skip = False
    for word in reader:
        if skip:
            skip = False
        elif word and all(sign in "<>&" for sign in word) and ("<" in word or ">" in word):
            # A redirection: what follows is a file, or a number as in 2>&1.
            skip = True
        elif word.strip("();|&\n") == "":
            yield word if word in _ENDS else ";"
        else:
            yield word


def _command(words: list[str], depth: int) -> Iterator[tuple[str, ...]]:
    at = 0
    while at < len(words) and (words[at] in _PREFIXES or _ASSIGNMENT.fullmatch(words[at])):
        at += 1
    rest = words[at:]
    if not rest:
        return
    if rest[0] in _SHELLS and depth < _DEEPEST:
        for here, word in enumerate(rest[1:-1], 1):
            if re.fullmatch(r"-[a-z]*c", word):
                yield from commands(rest[here + 1], depth=depth + 1)
                return
    yield tuple(rest)


def slices(script: str) -> list[str]:
    """Return the parts of *script* that ``&&``, ``;`` and line ends divide, as they stand there.

    A script with a structure of its own, such as ``if``, is one part.
    """
    if _STRUCTURE.search(_QUOTED.sub("", script)):
        return [script.strip()] if script.strip() else []
    parts, part, quote, at = list[str](), "", "", 0
    while at < len(script):
        sign = script[at]
        if sign == "\\" and quote != "'":
            part, at = part + script[at : at + 2], at + 2
            continue
        quote = "" if sign == quote else sign if not quote and sign in "\"'" else quote
        if not quote and (sign in ";\n" or script.startswith("&&", at)):
            parts, part, at = [*parts, part.strip()], "", at + (2 if sign == "&" else 1)
            continue
        part, at = part + sign, at + 1
    return [one for one in (*parts, part.strip()) if one]
