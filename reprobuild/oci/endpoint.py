"""Where a registry is, and with whom else may be spoken on its word: redirects, uploads, token endpoints.

Plain HTTP is spoken with loopback hosts, if the registry is one, and with hosts that are configured as insecure;
with all others it is TLS or nothing.
"""

import ipaddress

import httpx

from reprobuild.errors import NetworkError
from reprobuild.oci.registries import Registries

__all__ = ["Endpoint", "same_origin"]

_API_HOSTS = {"docker.io": "registry-1.docker.io"}


class Endpoint:
    """The origin of the registry *host*, at which alone credentials are shown."""

    def __init__(self, host: str, registries: Registries) -> None:
        self.host = host
        self._insecure = frozenset(registries.insecure)
        self._has_authority = registries.of(host).ca_file is not None
        self.url = self._registry_url(_API_HOSTS.get(host, host))

    def is_ours(self, url: httpx.URL) -> bool:
        """Say whether *url* is at the registry's own origin, where credentials may go."""
        return same_origin(url, self.url)

    def check(self, target: httpx.URL) -> None:
        """Raise NetworkError unless *target* may be spoken to."""
        if target.scheme == "https" and target.host and not target.userinfo:
            return
        if target.scheme != "http" or not target.host or target.userinfo or not self._may_be_plain(target):
            host = target.netloc.decode("ascii", "replace")
            message = f"points to {target.scheme}://{host}, which is not trusted"
            raise self.misled(message, hint=f"if you trust it over plain HTTP, list {host} as insecure")

    def misled(self, message: str, *, hint: str = "look at the registry") -> NetworkError:
        """Return the error that the registry does what none should."""
        return NetworkError(f"the registry {message}", where=self.host, hint=hint)

    def _registry_url(self, host: str) -> httpx.URL:
        plain = httpx.URL(f"http://{host}")
        # On its own port, or with an authority for it, TLS is meant, even on loopback.
        secure = plain.port == 443 or self._has_authority or not self._may_be_plain(plain, registry=plain)
        return httpx.URL(f"https://{host}") if secure else plain

    def _may_be_plain(self, url: httpx.URL, *, registry: httpx.URL | None = None) -> bool:
        """Say whether plain HTTP may be spoken with *url*; a far registry must not lead us to a local server."""
        names = {url.host, url.netloc.decode("ascii"), f"{url.host}:{url.port or 80}"}
        return bool(names & self._insecure) or (_loopback(url) and _loopback(registry or self.url))


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Say whether both URLs have one scheme, host and port (RFC 6454)."""
    return _origin(one) == _origin(other)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, port


def _loopback(url: httpx.URL) -> bool:
    try:
        return url.host == "localhost" or ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False
