"""The commands that a shell script runs, as far as they can be read without running it.

This is no shell: variables stay as they stand, and what stands in ``$(…)`` is not looked into. It is enough to see what
is installed or fetched, which people write plainly.
"""

import re
import shlex
from collections.abc import Iterator

__all__ = ["commands"]

_ENDS = frozenset({"&&", "||", ";", "|", "&", "(", ")", "{", "}", ";;", "|&", "\n", "!"})
_PREFIXES = frozenset({"sudo", "exec", "command", "time", "then", "do", "else", "if", "while", "until", "elif", "env"})
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_NUMBER = re.compile(r"(?<!\S)\d(?=[<>])")
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "/bin/sh", "/bin/bash", "/usr/bin/bash"})
_DEEPEST = 4


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
