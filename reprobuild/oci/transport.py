"""HTTP to one registry: connections, redirects, retries, and what is never sent where.

The one place where an HTTP client is made. Proxies and certificate authorities come from the environment as
httpx reads them (never for localhost), or from the registry's settings; a netrc file is not read. Credentials go to
the registry's own origin alone: a redirect, or the place that it names for an upload, leads on without them.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import httpcore
import httpx

import reprobuild
from reprobuild.errors import MachineError, NetworkError
from reprobuild.oci.authorization import Authorization
from reprobuild.oci.call import Call, drain, read_limited
from reprobuild.oci.endpoint import Endpoint, same_origin
from reprobuild.oci.registries import Registries
from reprobuild.oci.retry import TRANSIENT, Patience, Tries

__all__ = ["Transport"]

_MOST_REDIRECTS = 5
_TOKEN_LIMIT = 1024 * 1024
# httpcore reads 64 KiB at a time, and what it does besides takes longer than the bytes.
httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = 256 * 1024
_LOOPBACK_PATTERNS = ("all://localhost", "all://127.0.0.1", "all://[::1]")


class Transport:
    """Requests to the registry *host* for one repository; *scope* is what its token must allow.

    *observe* is told of every answer, in words without secrets.
    """

    def __init__(
        self,
        host: str,
        scope: str,
        *,
        environ: Mapping[str, str],
        registries: Registries,
        patience: Patience,
        observe: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.host = host
        self._endpoint = Endpoint(host, registries)
        self._environ = environ
        self._patience = patience
        self._observe = observe
        self._authorization = self._authorization_for(scope)
        self._authorizations: dict[str, Authorization] = {}
        settings = registries.of(host)
        self._client = httpx.AsyncClient(
            base_url=self._endpoint.url,
            auth=httpx.Auth(),  # Says nothing: neither netrc nor a URL may bring credentials in.
            follow_redirects=False,
            headers={"User-Agent": f"reprobuild/{reprobuild.__version__}", "Accept-Encoding": "identity"},
            mounts=dict.fromkeys(_LOOPBACK_PATTERNS),
            proxy=settings.proxy,
            timeout=httpx.Timeout(patience.read, connect=patience.connect, pool=None),
            verify=_authorities(settings.ca_file),
        )

    @property
    def tried(self) -> str:
        """How the last request said who we are, for people, without secrets."""
        return self._authorization.tried

    @property
    def is_plain(self) -> bool:
        """Whether the registry is spoken to in plain HTTP."""
        return self._endpoint.url.scheme == "http"

    def tries(self) -> Tries:
        """Return the tries of a new operation."""
        return Tries(self._patience)

    async def get(self, path: str, headers: Mapping[str, str], tries: Tries) -> httpx.Response:
        """Return the answer to GET *path* of the registry; see `send`."""
        return await self.send(Call(method="GET", target=path, headers=headers), tries)

    async def send(self, call: Call, tries: Tries, *, scope: str = "") -> httpx.Response:
        """Return the answer to *call*, its body unread; whoever gets it closes it.

        Transient failures cost one of *tries* each; raises NetworkError when none is left. With *scope*, the token
        must allow that as well.
        """
        authorization = self._authorization_with(scope) if scope else self._authorization
        return await self._patiently(lambda: self._authorized(call, authorization), tries)

    async def send_once(self, call: Call) -> httpx.Response:
        """Return the answer to *call*, whatever it is; raise httpx.TransportError if there is none.

        For uploads, which go on where they stopped. Their answer may take as long as the registry needs to take in
        what it was sent.
        """
        return await self._authorized(call, self._authorization, read=self._patience.commit)

    def failure(self, error: httpx.TransportError, url: httpx.URL | None = None) -> NetworkError:
        """Return what a failed connection means for a user."""
        host = (url or self._endpoint.url).netloc.decode("ascii")
        cause = _ssl_error(error)
        hint = "check the network and the host's name, then try again"
        if cause is not None:
            hint = f"set ca-file, or SSL_CERT_FILE, for its authority; list {host} as insecure if it speaks plain HTTP"
        reason = str(cause or error) or type(error).__name__
        # Said once if the registry itself is meant.
        elsewhere = f"{host}: " if host != self._endpoint.host else ""
        return NetworkError(f"{elsewhere}{reason[:300]}", where=self._endpoint.host, hint=hint)

    def busy(self, response: httpx.Response) -> NetworkError:
        """Return what the transient status of *response* means for a user."""
        host, status = response.url.host, response.status_code
        hint = "try again later"
        if status == 429:
            hint = f"wait for its rate limit; `docker login {self._endpoint.host}` often raises it"
        message = f"{host} answered {status} {response.reason_phrase}"[:200]
        return NetworkError(message, where=self._endpoint.host, hint=hint)

    def is_ours(self, url: httpx.URL) -> bool:
        """Say whether *url* is at the registry's own origin, where credentials may go."""
        return self._endpoint.is_ours(url)

    def led(self, response: httpx.Response) -> httpx.URL:
        """Return where the header Location of *response* leads; raise NetworkError if nobody should go there."""
        location = response.headers.get("Location")
        if not location:
            raise self._endpoint.misled("does not say where to go on")
        try:
            target = response.url.join(location)
        except httpx.InvalidURL as error:
            raise self._endpoint.misled("says to go on at what is no URL") from error
        self._endpoint.check(target)
        return target

    def next_page(self, response: httpx.Response) -> httpx.URL | None:
        """Return where the list that *response* begins goes on (RFC 8288), None if that is all of it."""
        link = response.links.get("next", {}).get("url")
        if link is None:
            return None
        target = response.url.join(link)
        if not self.is_ours(target):
            raise self._endpoint.misled("says that its list goes on elsewhere")
        return target

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _authorization_with(self, scope: str) -> Authorization:
        usual = self._authorization
        if (usual.header or "").startswith("Basic "):
            return usual
        if scope not in self._authorizations:
            self._authorizations[scope] = self._authorization_for(f"{usual.scope} {scope}")
        return self._authorizations[scope]

    def _authorization_for(self, scope: str) -> Authorization:
        return Authorization(self._endpoint.host, scope, environ=self._environ, ask=self._ask)

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
            await drain(response)
            await tries.again(self.busy(response), response.headers.get("Retry-After"))

    async def _authorized(
        self, call: Call, authorization: Authorization, *, read: float | None = None
    ) -> httpx.Response:
        """Make *call* with what the registry wants to know, asking for it anew once."""
        sent = authorization.header
        response = await self._follow(call, sent, read)
        if response.status_code != 401 or not self.is_ours(response.url):
            return response
        challenges = response.headers.get_list("WWW-Authenticate")
        try:
            renewed = await authorization.renew(challenges, refused=sent)
        except BaseException:
            await response.aclose()
            raise
        if not renewed:
            return response
        await drain(response)
        return await self._follow(call, authorization.header, read)

    async def _follow(self, call: Call, header: str | None, read: float | None = None) -> httpx.Response:
        """Make *call* and go where it leads; *header*, the Authorization, stays at the registry's origin."""
        for _ in range(_MOST_REDIRECTS + 1):
            request = call.request(self._client)
            # Whoever has led us away cannot lead us back with it.
            header = header if self.is_ours(request.url) else None
            if header is not None:
                request.headers["Authorization"] = header
            response = await self._sent(request, read)
            if not call.is_redirected(response):
                return response
            call = await self._redirected(call, response)
        raise self._endpoint.misled("redirects without end")

    async def _sent(self, request: httpx.Request, read: float | None) -> httpx.Response:
        if read is not None:
            request.extensions["timeout"] = {**request.extensions["timeout"], "read": read}
        place = f"{request.method} {request.url.copy_with(query=None, fragment=None, userinfo=b'')}"
        try:
            response = await self._client.send(request, stream=True)
        except httpx.TransportError as error:
            self._observe(f"{place}: {type(error).__name__}")
            raise
        self._observe(f"{place}: {response.status_code}")
        return response

    async def _redirected(self, call: Call, response: httpx.Response) -> Call:
        await drain(response)
        if not response.headers.get("Location") or not call.may_follow(response):
            raise self._endpoint.misled("answers a request with a redirect that cannot be followed")
        return call.at(self.led(response))

    async def _ask(self, request: httpx.Request) -> tuple[int, bytes]:
        """Send *request* to a token endpoint, which may lead on, but nowhere else with a secret; return its answer."""
        self._endpoint.check(request.url)
        tries = self.tries()
        while True:
            response = await self._patiently(lambda: self._asked(request), tries)
            try:
                return response.status_code, await read_limited(response, _TOKEN_LIMIT)
            except httpx.TransportError as error:
                await tries.again(self.failure(error, request.url))

    async def _asked(self, request: httpx.Request) -> httpx.Response:
        call = Call(method=request.method, target=request.url, headers=request.headers, content=request.content)
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._sent(call.request(self._client), None)
            # What is posted is a secret.
            if not call.is_redirected(response) or call.method != "GET":
                return response
            led = await self._redirected(call, response)
            same = same_origin(httpx.URL(led.target), httpx.URL(call.target))
            call = replace(led, headers=call.headers) if same else led
        raise self._endpoint.misled("redirects without end")


@cache
def _authorities(ca_file: Path | None) -> ssl.SSLContext:
    """Return whom to trust with TLS; reading all authorities takes longer than many a request."""
    context = httpx.create_ssl_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            reason = f"no certificate authorities can be read from it: {error.strerror or error}"
            raise MachineError(reason, where=str(ca_file), hint="write them as PEM, or correct ca-file") from error
    return context


def _ssl_error(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error
