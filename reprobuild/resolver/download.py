"""Files from where an index, or whoever serves an input, offers them into the store: streamed, bounded, checked.

The one place of the resolver that speaks HTTP. Proxies and certificate authorities come from the environment,
as httpx reads them.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit, urlunsplit

import reprobuild
from reprobuild.errors import AuthenticationError, ContentError, LockError, NetworkError
from reprobuild.lockfile import Wheel
from reprobuild.oci.retry import TRANSIENT, Patience, Tries
from reprobuild.progress import Task
from reprobuild.resolver.credentials import credentials
from reprobuild.resolver.offers import Offer
from reprobuild.store import CHUNK, Store, machine_errors

if TYPE_CHECKING:
    import httpx

__all__ = ["Downloads", "Hints"]

_LARGEST = 8 * 1024**3
"""The most bytes that are read of a wheel whose size nobody announced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What users can do who do not get their file: nobody answers, other bytes, who are you, no such file."""

    silent: str = "check the network and the index in your uv configuration, then try again"
    wrong: str = "try again; if it stays so, the index has changed the file: look at the index"
    refused: str = "give credentials in the index's URL, in a netrc file, or as UV_INDEX_<NAME>_USERNAME and _PASSWORD"
    gone: str = "put the wheel into lock/wheels/, or run `reprobuild lock update -P` for this distribution"


class _Broken(Exception):  # noqa: N818 - ends in a NetworkError if it happens too often
    """A try that failed in a way that may pass: the error to raise in the end, and what Retry-After asked for."""

    def __init__(self, error: NetworkError, asked: str | None = None) -> None:
        super().__init__(str(error))
        self.error, self.asked = error, asked


class Downloads:
    """Connections to the indexes of the workspace *root*, kept while the ``async with`` block lasts.

    Without *root*, nobody is told who we are. *hints* end the errors.
    """

    def __init__(
        self, root: Path | None, store: Store, *, hints: Hints | None = None, patience: Patience | None = None
    ) -> None:
        self._root, self._store, self._hints = root, store, hints or Hints()
        self._patience = patience or Patience()
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def fetch(self, offer: Offer, task: Task) -> Wheel:
        """Put the wheel of *offer* into the store, unless it is there, and return it with its size and digest.

        Raises ContentError for other bytes than announced, NetworkError when the index fails again and again,
        AuthenticationError where it refuses us. *task* advances by the bytes received.
        """
        if offer.digest is not None and offer.size is not None and self._store.has(offer.digest, offer.size):
            task.advance(offer.size)
            return Wheel(file=offer.file, size=offer.size, digest=offer.digest)
        tries = Tries(self._patience)
        while True:
            told = _Told(task)
            try:
                return await self._once(offer, told)
            except _Broken as failure:
                told.take_back()
                await tries.again(failure.error, failure.asked)

    async def _once(self, offer: Offer, told: "_Told") -> Wheel:
        limit = offer.size if offer.size is not None else _LARGEST
        with self._store.writer(offer.digest, where=offer.file) as writer:
            async with aclosing(self._chunks(offer)) as chunks:
                async for chunk in chunks:
                    if writer.size + len(chunk) > limit:
                        raise self._wrong(offer, f"more than the announced {limit} bytes")
                    writer.write(chunk)
                    told.advance(len(chunk))
            if offer.size is not None and writer.size != offer.size:
                raise self._wrong(offer, f"{writer.size} bytes, not the announced {offer.size}")
        return Wheel(file=offer.file, size=writer.size, digest=writer.digest)

    def _chunks(self, offer: Offer) -> AsyncGenerator[bytes, None]:
        return self._local(offer) if offer.url.startswith("file:") else self._remote(offer)

    async def _local(self, offer: Offer) -> AsyncGenerator[bytes, None]:
        path = unquote(urlsplit(offer.url).path)
        with machine_errors(Path(path)), Path(path).open("rb") as file:  # noqa: ASYNC230 - a local disk
            while chunk := file.read(CHUNK):
                yield chunk

    async def _remote(self, offer: Offer) -> AsyncGenerator[bytes, None]:
        import httpx  # noqa: PLC0415

        found = credentials(offer.url, self._root, os.environ) if self._root is not None else None
        auth = httpx.BasicAuth(*found) if found else httpx.Auth()
        try:
            async with self._connected().stream("GET", _bare(offer.url), auth=auth) as response:
                if response.status_code != 200:
                    raise self._refused(offer, response.status_code, response.headers.get("Retry-After"))
                if offer.digest is None:
                    self._check_secure(offer, response)
                async for chunk in response.aiter_bytes(CHUNK):
                    yield chunk
        except httpx.TransportError as error:
            raise _Broken(self._failure(offer, str(error) or type(error).__name__)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._failure(offer, str(error)) from error

    def _check_secure(self, offer: Offer, response: "httpx.Response") -> None:
        """Refuse bytes that nobody has a digest of from a redirection that anyone on the way could have answered."""
        schemes = [step.url.scheme for step in (*response.history, response)]
        if schemes[0] == "https" and "http" in schemes:
            raise self._failure(offer, "it redirects to plain HTTP")

    def _connected(self) -> "httpx.AsyncClient":
        import httpx  # noqa: PLC0415

        if self._client is None:
            self._client = httpx.AsyncClient(
                follow_redirects=True,
                headers={"User-Agent": f"reprobuild/{reprobuild.__version__}", "Accept-Encoding": "identity"},
                timeout=httpx.Timeout(self._patience.read, connect=self._patience.connect, pool=None),
            )
        return self._client

    def _failure(self, offer: Offer, reason: str) -> NetworkError:
        why = f"{_host(offer)} did not send it: {reason[:300]}"
        return NetworkError(why, where=offer.file, hint=self._hints.silent)

    def _wrong(self, offer: Offer, what: str) -> ContentError:
        return ContentError(f"{_host(offer) or 'the index'} sends {what}", where=offer.file, hint=self._hints.wrong)

    def _refused(self, offer: Offer, status: int, asked: str | None) -> Exception:
        if status in TRANSIENT:
            return _Broken(self._failure(offer, f"HTTP {status}"), asked)
        if status in {401, 403, 407}:
            why = f"{_host(offer)} refused us (HTTP {status})"
            return AuthenticationError(why, where=offer.file, hint=self._hints.refused)
        if status in {404, 410}:
            why = f"{_host(offer)} has it no more (HTTP {status})"
            return LockError(why, where=offer.file, hint=self._hints.gone)
        return self._failure(offer, f"HTTP {status}")


class _Told:
    """What one try has told a task, so that a failed try can be taken back."""

    def __init__(self, task: Task) -> None:
        self._task, self._amount = task, 0

    def advance(self, amount: int) -> None:
        self._task.advance(amount)
        self._amount += amount

    def take_back(self) -> None:
        self._task.advance(-self._amount)


def _bare(url: str) -> str:
    """Return *url* without user and password, which travel in a header."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def _host(offer: Offer) -> str:
    return urlsplit(offer.url).netloc.rpartition("@")[2]
