"""HTTP to one registry: connections, redirects, retries, and what is never sent where.

The one place where an HTTP client is made. Proxies and certificate authorities come from the environment as
httpx reads them (never for localhost); a netrc file is not read. Credentials go to the registry's own origin
alone: a redirect leads on without them. Plain HTTP is spoken with loopback hosts, if the registry is one, and
with hosts that are configured as insecure.
"""

import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from functools import cache

import httpx

import reprobuild
from reprobuild.errors import NetworkError, ReprobuildError
from reprobuild.oci.authorization import Authorization
from reprobuild.oci.retry import TRANSIENT, Patience, Tries

__all__ = ["Transport", "read_limited"]

_API_HOSTS = {"docker.io": "registry-1.docker.io"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_TOKEN_LIMIT = 1024 * 1024
_NOTHING_LIMIT = 64 * 1024
_LOOPBACK_PATTERNS = ("all://localhost", "all://127.0.0.1", "all://[::1]")


class Transport:
    """Requests to the registry *host* for one repository; *scope* is what its token must allow."""

    def __init__(
        self,
        host: str,
        scope: str,
        *,
        environ: Mapping[str, str],
        insecure: Collection[str],
        patience: Patience,
    ) -> None:
        self._host = host
        self._insecure = frozenset(insecure)
        self._patience = patience
        self._authorization = Authorization(host, scope, environ=environ, ask=self._ask)
        self._base = self._registry_url(_API_HOSTS.get(host, host))
        self._client = httpx.AsyncClient(
            auth=httpx.Auth(),  # Says nothing: neither netrc nor a URL may bring credentials in.
            follow_redirects=False,
            headers={"User-Agent": f"reprobuild/{reprobuild.__version__}", "Accept-Encoding": "identity"},
            mounts=dict.fromkeys(_LOOPBACK_PATTERNS),
            timeout=httpx.Timeout(patience.read, connect=patience.connect, pool=None),
            verify=_authorities(),
        )

    @property
    def tried(self) -> str:
        """How the last request said who we are, for people, without secrets."""
        return self._authorization.tried

    def tries(self) -> Tries:
        """Return the tries of a new operation."""
        return Tries(self._patience)

    async def get(self, path: str, headers: Mapping[str, str], tries: Tries) -> httpx.Response:
        """Return the answer to GET *path* of the registry, its body unread; whoever gets it closes it.

        Transient failures cost one of *tries* each; raises NetworkError when none is left.
        """
        request = self._client.build_request("GET", self._base.join(path), headers=headers)
        return await self._patiently(lambda: self._authorized(request), tries)

    def failure(self, error: httpx.TransportError, url: httpx.URL | None = None) -> NetworkError:
        """Return what a failed connection means for a user."""
        host = (url or self._base).netloc.decode("ascii")
        cause = _ssl_error(error)
        hint = "check the network and the host's name, then try again"
        if cause is not None:
            hint = f"set SSL_CERT_FILE for an authority of your own; list {host} as insecure if it speaks plain HTTP"
        reason = str(cause or error) or type(error).__name__
        return NetworkError(f"{host}: {reason[:300]}", where=self._host, hint=hint)

    def is_ours(self, url: httpx.URL) -> bool:
        """Say whether *url* is at the registry's own origin, where credentials may go."""
        return _origin(url) == _origin(self._base)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _patiently(self, send: Callable[[], Awaitable[httpx.Response]], tries: Tries) -> httpx.Response:
        while True:
            try:
                response = await send()
            except httpx.TransportError as error:
                failure = self.failure(error, error.request.url)
                if _ssl_error(error) is not None:
                    raise failure from error
                await tries.again(failure)
                continue
            if response.status_code not in TRANSIENT:
                return response
            await _drain(response)
            await tries.again(self._busy(response), response.headers.get("Retry-After"))

    async def _authorized(self, request: httpx.Request) -> httpx.Response:
        """Send *request* with what the registry wants to know, asking for it anew once."""
        sent = self._sign(request)
        response = await self._follow(request)
        if response.status_code != 401 or not self.is_ours(response.url):
            return response
        challenges = response.headers.get_list("WWW-Authenticate")
        try:
            renewed = await self._authorization.renew(challenges, refused=sent)
        except BaseException:
            await response.aclose()
            raise
        if not renewed:
            return response
        await _drain(response)
        self._sign(request)
        return await self._follow(request)

    def _sign(self, request: httpx.Request) -> str | None:
        if (header := self._authorization.header) is not None:
            request.headers["Authorization"] = header
        return header

    async def _follow(self, request: httpx.Request) -> httpx.Response:
        """Send *request* and go where it leads; Authorization stays at the origin."""
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._client.send(request, stream=True)
            if response.status_code not in _REDIRECTS:
                return response
            await _drain(response)
            request = self._redirected(request, response.headers.get("Location"))
        raise self._misled("redirects without end")

    def _redirected(self, request: httpx.Request, location: str | None) -> httpx.Request:
        if request.method != "GET" or not location:
            raise self._misled("answers a request with a redirect that cannot be followed")
        target = request.url.join(location)  # httpx has refused what is no URL.
        self._check(target)
        kept = {"accept", "accept-encoding", "range", "user-agent"}
        if _origin(target) == _origin(request.url):
            kept.add("authorization")
        headers = {name: value for name, value in request.headers.items() if name in kept}
        return self._client.build_request("GET", target, headers=headers)

    def _check(self, target: httpx.URL) -> None:
        """Raise NetworkError unless *target* may be spoken to."""
        if target.scheme == "https" and target.host and not target.userinfo:
            return
        if target.scheme != "http" or not target.host or target.userinfo or not self._may_be_plain(target):
            host = target.netloc.decode("ascii", "replace")
            raise self._misled(f"points to {target.scheme}://{host}, which is not trusted", host)

    async def _ask(self, request: httpx.Request) -> tuple[int, bytes]:
        """Send *request* to a token endpoint; return the status and the body."""
        self._check(request.url)
        request.headers.update({"User-Agent": self._client.headers["User-Agent"], "Accept-Encoding": "identity"})
        request.extensions = {"timeout": self._client.timeout.as_dict()}
        tries = self.tries()
        while True:
            response = await self._patiently(lambda: self._follow(request), tries)
            try:
                return response.status_code, await read_limited(response, _TOKEN_LIMIT)
            except httpx.TransportError as error:
                await tries.again(self.failure(error, request.url))

    def _registry_url(self, host: str) -> httpx.URL:
        plain = httpx.URL(f"http://{host}")
        # On its own port TLS is meant, even on loopback.
        secure = plain.port == 443 or not self._may_be_plain(plain, registry=plain)
        return httpx.URL(f"https://{host}") if secure else plain

    def _may_be_plain(self, url: httpx.URL, *, registry: httpx.URL | None = None) -> bool:
        """Say whether plain HTTP may be spoken with *url*; a far registry must not lead us to a local server."""
        names = {url.host, url.netloc.decode("ascii"), f"{url.host}:{url.port or 80}"}
        return bool(names & self._insecure) or (_loopback(url) and _loopback(registry or self._base))

    def _busy(self, response: httpx.Response) -> NetworkError:
        host, status = response.url.host, response.status_code
        hint = "try again later"
        if status == 429:
            hint = f"wait for its rate limit; `docker login {self._host}` often raises it"
        return NetworkError(f"{host} answered {status} {response.reason_phrase}"[:200], where=self._host, hint=hint)

    def _misled(self, message: str, host: str | None = None) -> ReprobuildError:
        hint = f"if you trust it over plain HTTP, list {host} as insecure" if host else "look at the registry"
        return NetworkError(f"the registry {message}", where=self._host, hint=hint)


@cache
def _authorities() -> ssl.SSLContext:
    """Return whom to trust with TLS; reading all authorities takes longer than many a request."""
    return httpx.create_ssl_context()


async def _drain(response: httpx.Response) -> None:
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


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, port


def _loopback(url: httpx.URL) -> bool:
    try:
        return url.host == "localhost" or ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False


def _ssl_error(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error
