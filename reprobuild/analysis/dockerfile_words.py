"""Words of a Dockerfile's instructions: taken apart, out of their quotes, and with variables replaced.

Source: the Dockerfile reference ("Environment replacement", "ENV").
"""

from collections.abc import Iterator, Mapping

__all__ = ["replaced", "split_words"]

_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_DEEPEST = 20


def split_words(text: str, escape: str) -> list[str]:
    """Return the words of *text* as they stand there, quotes and escapes included."""
    words, word, quote, at = list[str](), "", "", 0
    while at < len(text):
        sign = text[at]
        if sign == escape and quote != "'" and at + 1 < len(text):
            word += text[at : at + 2]
            at += 2
            continue
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign.isspace():
            if word:
                words.append(word)
            word, at = "", at + 1
            continue
        word += sign
        at += 1
    return [*words, word] if word else words


def replaced(word: str, known: Mapping[str, str], escape: str, *, depth: int = 0) -> str:
    """Return *word* out of its quotes, the variables *known* replaced by their values; others stay as they stand."""
    return "".join(_pieces(word, known, escape, depth))


def _pieces(word: str, known: Mapping[str, str], escape: str, depth: int) -> Iterator[str]:
    quote, at = "", 0
    while at < len(word):
        sign = word[at]
        if quote == "'":
            if sign == "'":
                quote = ""
            else:
                yield sign
        elif sign == escape and at + 1 < len(word):
            at += 1
            if quote and word[at] not in {'"', "$", escape}:
                yield sign
            yield word[at]
        elif sign == "'" and not quote:
            quote = "'"
        elif sign == '"':
            quote = "" if quote else '"'
        elif sign == "$":
            length = _variable(word[at:])
            yield _value(word[at : at + length], known, escape, depth)
            at += length - 1
        else:
            yield sign
        at += 1


def _variable(text: str) -> int:
    """Return how long the variable is that *text*, which begins with a dollar, begins with; 1 if it is none."""
    if not text.startswith("${"):
        return 1 + next((at for at, sign in enumerate(text[1:]) if sign not in _NAME), len(text) - 1)
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign == "{") - (sign == "}")
        if sign == "}" and depth == 0:
            return at + 1
    return 1


def _value(text: str, known: Mapping[str, str], escape: str, depth: int) -> str:
    inner = text[2:-1] if text.startswith("${") else text[1:]
    name = inner[: next((at for at, sign in enumerate(inner) if sign not in _NAME), len(inner))]
    rest = inner[len(name) :]
    value = known.get(name)
    if not name or depth > _DEEPEST:
        return text
    if not rest:
        return text if value is None else value
    counts = bool(value) if rest.startswith(":") else value is not None
    sign, word = rest.removeprefix(":")[:1], rest.removeprefix(":")[1:]
    if sign == "-":
        return (value or "") if counts else replaced(word, known, escape, depth=depth + 1)
    if sign == "+":
        return replaced(word, known, escape, depth=depth + 1) if counts else ""
    if sign == "?" and counts:
        return value or ""
    # Patterns (${x#y}) and whatever else: nothing that we could say for sure.
    return text
