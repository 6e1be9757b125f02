"""A request to a registry as a value, which can be made again, here or where a redirect leads; and answers read."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import httpx

__all__ = ["Body", "Call", "drain", "read_limited"]

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
