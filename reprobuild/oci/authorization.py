"""The Authorization header for one repository of one registry, made when the registry asks for it.

Basic credentials are sent as they are; a Bearer challenge names a token endpoint, which is asked for a token
for the scope at hand (Distribution's token and OAuth 2.0 flows). A header is kept until it is refused.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping

import anyio
import httpx
from anyio import to_thread

from reprobuild.canonical import parse_json
from reprobuild.errors import AuthenticationError, ContentError
from reprobuild.oci.auth import Credential, find_credential
from reprobuild.oci.challenge import Challenge, parse_challenges

__all__ = ["Authorization"]

_CLIENT = "reprobuild"

Ask = Callable[[httpx.Request], Awaitable[tuple[int, bytes]]]
"""Sends a request to a token endpoint; returns the status and the body."""


class Authorization:
    """Who we say we are to the registry *host*, with *scope* as in ``repository:library/python:pull``.

    *scope* may hold several, separated by spaces.
    """

    def __init__(self, host: str, scope: str, *, environ: Mapping[str, str], ask: Ask) -> None:
        self.header: str | None = None
        self.tried = "anonymous access"
        self.scope = scope
        self._host = host
        self._environ = environ
        self._ask = ask
        self._lock = anyio.Lock()

    async def renew(self, challenges: Iterable[str], *, refused: str | None) -> bool:
        """Make a header other than *refused*, as one of *challenges* (WWW-Authenticate) asks; say if there is one.

        Raises AuthenticationError if the token endpoint refuses, or cannot be trusted with a secret.
        """
        async with self._lock:
            if self.header != refused:
                return True  # Another request was refused at the same time and has seen to it.
            self.header = await self._answer({item.scheme: item for item in parse_challenges(challenges)})
            return self.header is not None and self.header != refused

    async def _answer(self, challenges: Mapping[str, Challenge]) -> str | None:
        credential = await to_thread.run_sync(find_credential, self._host, self._environ, _repository(self.scope))
        who = "anonymous access" if credential is None else f"the credentials of {_name(credential)}"
        if credential is not None and credential.registry_token:
            self.tried = who
            return f"Bearer {credential.registry_token}"
        if "bearer" in challenges:
            self.tried = f"{who}, with a token"
            return await self._token(challenges["bearer"].parameters, credential)
        if "basic" not in challenges or credential is None or not credential.username:
            return None
        self.tried = who
        return credential.basic

    async def _token(self, parameters: Mapping[str, str], credential: Credential | None) -> str:
        request = self._token_request(parameters, credential)
        status, body = await self._ask(request)
        if status != 200:
            raise self._refused(f"the token endpoint {request.url.host} answered {status} to {self.tried}")
        try:
            answer = parse_json(body)
        except ContentError:
            answer = {}
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise self._refused(f"the token endpoint {request.url.host} gave no token")
        return f"Bearer {token}"

    def _token_request(self, parameters: Mapping[str, str], credential: Credential | None) -> httpx.Request:
        try:
            realm = httpx.URL(parameters.get("realm", ""))
        except httpx.InvalidURL:
            realm = httpx.URL()
        if realm.scheme not in {"http", "https"} or not realm.host or realm.userinfo:
            raise self._refused("its challenge names no token endpoint that can be used")
        # A registry may need a scope of its own words beside the standard one.
        scopes = list(dict.fromkeys([*self.scope.split(), *parameters.get("scope", "").split()]))
        service = parameters.get("service", "")
        if credential is not None and credential.identity_token:
            form = {
                "grant_type": "refresh_token",
                "service": service,
                "client_id": _CLIENT,
                "scope": " ".join(scopes),
                "refresh_token": credential.identity_token,
            }
            return httpx.Request("POST", realm, data=form)
        query: dict[str, str | list[str]] = {"service": service} if service else {}
        url = realm.copy_merge_params(httpx.QueryParams(query | {"scope": scopes}))
        return httpx.Request("GET", url, headers={"Authorization": credential.basic} if credential else {})

    def _refused(self, message: str) -> AuthenticationError:
        return AuthenticationError(
            message,
            where=f"{self._host} ({self.scope})",
            hint=f"check the name; if the image is private, run `docker login {self._host}`",
        )


def _name(credential: Credential) -> str:
    if credential.username:
        return repr(credential.username)
    return "a registry token" if credential.registry_token else "an identity token"


def _repository(scope: str) -> str:
    """Return the repository that *scope* begins with, empty if it is about none."""
    kind, _, rest = scope.partition(" ")[0].partition(":")
    return rest.rpartition(":")[0] if kind == "repository" else ""
