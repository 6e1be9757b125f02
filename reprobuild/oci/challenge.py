"""What a registry asks for when it answers 401: the WWW-Authenticate header, read (RFC 9110 §11.6.1)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Challenge", "parse_challenges"]

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SEPARATORS = re.compile(r"[\s,]*")
_SCHEME = re.compile(rf"({_WORD})(?=[\s,]|\Z)")
_TOKEN68 = re.compile(r"[ \t]+[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|\Z)")
# Registries leave the quotes away around URLs, too, so an unquoted value may hold more than a token.
_PARAMETER = re.compile(rf'({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One way to authenticate: its scheme and parameters, both names in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges of all WWW-Authenticate *headers*, in order; what cannot be read is left out."""
    return tuple(challenge for header in headers for challenge in _challenges(header))


def _challenges(header: str) -> list[Challenge]:
    found: list[tuple[str, dict[str, str]]] = []
    position = _SEPARATORS.match(header).end()  # type: ignore[union-attr]
    while position < len(header):
        if found and (parameter := _PARAMETER.match(header, position)):
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            found[-1][1].setdefault(name.lower(), value)
            position = parameter.end()
        elif scheme := _SCHEME.match(header, position):
            found.append((scheme[1].lower(), {}))
            credentials = _TOKEN68.match(header, scheme.end())
            position = credentials.end() if credentials else scheme.end()
        else:
            break
        position = _SEPARATORS.match(header, position).end()  # type: ignore[union-attr]
    return [Challenge(scheme=scheme, parameters=parameters) for scheme, parameters in found]
