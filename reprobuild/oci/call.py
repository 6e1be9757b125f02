"""A request to a registry as a value, which can be made again, here or where a redirect leads; and answers read."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import httpx

from reprobuild.canonical import parse_json
from reprobuild.errors import ContentError

__all__ = ["Body", "Call", "Explanation", "drain", "explained", "read_limited"]

_NOTHING_LIMIT = 64 * 1024
_KEPT = frozenset({"accept", "accept-encoding", "range", "user-agent"})
_KEPT_WITH_BODY = _KEPT | {"content-type", "content-length", "content-range"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNCHANGED = frozenset({307, 308})
"""The redirects that leave method and body as they are (RFC 9110 §15.4)."""

Body = Callable[[], AsyncIterator[bytes]]
"""Gives the bytes to send, from the beginning, as often as it is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that can be made more than once; ``content`` of a stream needs the header Content-Length.

    ``target`` is a path of the registry, or a whole URL that it gave.
    """

    method: str
    target: str | httpx.URL
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | Body = b""

    def request(self, client: httpx.AsyncClient) -> httpx.Request:
        """Return the request as *client* sends it."""
        content = self.content() if callable(self.content) else self.content or None
        return client.build_request(self.method, self.target, headers=self.headers, content=content)

    def is_redirected(self, response: httpx.Response) -> bool:
        """Say whether *response* leads elsewhere."""
        return response.status_code in _REDIRECTS

    def may_follow(self, response: httpx.Response) -> bool:
        """Say whether the redirect *response* can be followed without changing what is asked."""
        return self._reads or response.status_code in _UNCHANGED

    def at(self, target: httpx.URL) -> "Call":
        """Return this call for *target*, without any header that says who we are."""
        kept = _KEPT if self._reads else _KEPT_WITH_BODY
        return replace(
            self, target=target, headers={name: value for name, value in self.headers.items() if name.lower() in kept}
        )

    @property
    def _reads(self) -> bool:
        return self.method in {"GET", "HEAD"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The first error of an answer in the registry's words: its code, and a clause for people, both perhaps empty."""

    code: str = ""
    clause: str = ""


async def explained(response: httpx.Response) -> Explanation:
    """Return how *response* explains itself, and close it (OCI distribution-spec v1.1, error codes)."""
    try:
        answer = parse_json(await read_limited(response, _NOTHING_LIMIT))
    except (ContentError, httpx.HTTPError, httpx.StreamError):
        return Explanation()
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    words = [str(first[key]) for key in ("code", "message") if first.get(key)] if isinstance(first, dict) else []
    said = "".join(letter for letter in ": ".join(words) if letter.isprintable())
    code = str(first.get("code") or "") if isinstance(first, dict) else ""
    return Explanation(code=code[:100], clause=f" ({said[:200]})" if said else "")


async def drain(response: httpx.Response) -> None:
    """Close *response*, whose body says nothing; a short body is read first, so that the connection is kept."""
    with suppress(httpx.TransportError):
        await read_limited(response, _NOTHING_LIMIT)


async def read_limited(response: httpx.Response, limit: int) -> bytes:
    """Return the body of *response*, cut after *limit* bytes, and close it."""
    body = bytearray()
    try:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > limit:
                break
    finally:
        await response.aclose()
    return bytes(body[:limit])
