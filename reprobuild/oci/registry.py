"""A repository of a container registry as a source (OCI distribution-spec v1.1, pull).

Nothing that a registry says is believed: a manifest is hashed and must fit the media type it came with, a
blob is checked while it arrives, and a body that breaks off is taken up again where it stopped.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

import httpx

from reprobuild.canonical import Digest, digest_of, parse_digest, parse_json
from reprobuild.errors import (
    ContentError,
    NetworkError,
    ReprobuildError,
    SpecificationError,
)
from reprobuild.oci.call import explained, read_limited
from reprobuild.oci.checked import checked
from reprobuild.oci.reference import RegistryReference
from reprobuild.oci.refusal import refused
from reprobuild.oci.registries import Registries
from reprobuild.oci.retry import Patience, Tries
from reprobuild.oci.source import DOCUMENT_LIMIT
from reprobuild.oci.transport import Transport
from reprobuild.oci.types import INDEX_TYPES, MANIFEST_TYPES, Descriptor, parse_index, parse_manifest

__all__ = ["Registry"]

_DOCUMENT_TYPES = INDEX_TYPES | MANIFEST_TYPES
_ACCEPT = ", ".join(sorted(_DOCUMENT_TYPES))
_GENERIC_TYPES = frozenset({"", "application/json", "application/octet-stream", "text/plain"})


class Registry:
    """The source for *reference*; a Source.

    *environ* says where Docker's configuration is. *registries* are users' settings of single
    registries; loopback may be spoken to over plain HTTP in any case. A *transport* is another's, who closes it.
    """

    def __init__(
        self,
        reference: RegistryReference,
        *,
        environ: Mapping[str, str],
        registries: Registries | None = None,
        patience: Patience | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.reference = reference
        self._where = str(reference)
        self._borrowed = transport is not None
        self._transport = transport or Transport(
            reference.host,
            f"repository:{reference.repository}:pull",
            environ=environ,
            registries=registries or Registries(),
            patience=patience or Patience(),
        )
        self._resolved: tuple[Descriptor, bytes] | None = None

    @property
    def where(self) -> str:
        """The reference, for messages."""
        return self._where

    async def resolve(self) -> Descriptor:
        """Return the descriptor of the manifest or index that the reference names; the digest decides over the tag.

        Raises SpecificationError if there is none, AuthenticationError, NetworkError, or ContentError.
        """
        name = self.reference.digest or self.reference.tag or "latest"
        tries = self._transport.tries()
        while True:
            response = await self._get(f"manifests/{name}", tries)
            try:
                data = await read_limited(response, DOCUMENT_LIMIT + 1)
                break
            except httpx.TransportError as error:
                await tries.again(self._broken(error))
        descriptor = self._described(data, response)
        self._resolved = descriptor, data
        return descriptor

    def stream(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """Yield the bytes of *descriptor*, checked; see Source."""
        known = self._resolved
        # Asking twice for the document that was just resolved would count twice against a rate limit.
        if known is not None and (known[0].digest, known[0].size) == (descriptor.digest, descriptor.size):
            return checked(_once(known[1]), descriptor, where=self._where)
        return checked(self.body(descriptor), descriptor, where=self._where)

    async def close(self) -> None:
        """Close all connections."""
        if not self._borrowed:
            await self._transport.close()

    async def body(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
        """Yield the bytes that the registry has for *descriptor*, going on where a body broke off.

        Unverified, and perhaps too many: whoever takes them checks them. `stream` does.
        """
        kind = "manifests" if descriptor.media_type in _DOCUMENT_TYPES else "blobs"
        tries = self._transport.tries()
        received = 0
        while received < descriptor.size:
            response = await self._get(f"{kind}/{descriptor.digest}", tries, start=received)
            broken = self._broken(None)
            try:
                async with aclosing(self._rest(response, received, descriptor)) as chunks:
                    async for chunk in chunks:
                        received += len(chunk)
                        yield chunk
            except httpx.TransportError as error:
                broken = self._broken(error)
            if received < descriptor.size:
                await tries.again(broken)

    async def _rest(self, response: httpx.Response, start: int, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
        """Yield what *response* holds from the byte *start* of the blob on, and close it."""
        try:
            skip = start if response.status_code == 200 else 0
            announced = response.headers.get("Content-Length", "")
            expected = descriptor.size - start + skip
            if announced.isdecimal() and int(announced[:20]) != expected:
                raise self._wrong(f"{announced[:20]} bytes announced for {descriptor.digest}, not {expected}")
            async for chunk in response.aiter_raw():
                rest = chunk[skip:]
                skip -= len(chunk) - len(rest)
                if rest:
                    yield rest
        finally:
            await response.aclose()

    async def _get(self, path: str, tries: Tries, *, start: int = 0) -> httpx.Response:
        """Return the answer 200, or 206 from byte *start* on; raise what any other answer means."""
        headers = {"Accept": _ACCEPT if path.startswith("manifests/") else "*/*"}
        while True:
            partial = {"Range": f"bytes={start}-"} if start else {}
            url = f"/v2/{self.reference.repository}/{path}"
            response = await self._transport.get(url, headers | partial, tries)
            if response.status_code == 200 or (start and _continues(response, start)):
                return response
            if response.status_code not in {206, 416}:
                raise await self._refusal(response, path)
            # It does not do ranges as asked: from the beginning, then, and what is known is skipped.
            await response.aclose()
            await tries.again(self._broken(None))
            start = 0

    def _described(self, data: bytes, response: httpx.Response) -> Descriptor:
        """Return the descriptor of the manifest *data*, once all that was said about it holds."""
        if len(data) > DOCUMENT_LIMIT:
            raise self._wrong(f"the manifest has more than {DOCUMENT_LIMIT} bytes")
        digest = digest_of(data)
        wanted = self.reference.digest or self._announced(response)
        if wanted is not None and wanted != digest:
            raise self._wrong(f"the manifest's bytes are {digest}, not {wanted}")
        try:
            media_type = self._media_type(data, response.headers.get("Content-Type", ""))
        except ContentError as error:
            raise self._wrong(error.message) from error
        return Descriptor(media_type=media_type, digest=digest, size=len(data))

    def _announced(self, response: httpx.Response) -> Digest | None:
        try:
            return parse_digest(response.headers.get("Docker-Content-Digest"))
        except ContentError:
            return None

    def _media_type(self, data: bytes, content_type: str) -> str:
        """Return the manifest's media type, which header and document must agree on."""
        said = content_type.partition(";")[0].strip().lower()
        inside = parse_json(data).get("mediaType") or ""
        media_type = said if said not in _GENERIC_TYPES else str(inside)
        if media_type not in _DOCUMENT_TYPES or (inside and inside != media_type):
            raise self._wrong(f"an unsupported kind of manifest: {media_type[:100]!r}, inside {str(inside)[:100]!r}")
        (parse_index if media_type in INDEX_TYPES else parse_manifest)(data)
        return media_type

    async def _refusal(self, response: httpx.Response, path: str) -> ReprobuildError:
        said = (await explained(response)).clause
        if response.status_code != 404 or not self._transport.is_ours(response.url):
            return refused(response, said, self._transport, where=self._where)
        if path.startswith("blobs/"):
            return self._wrong(f"the image is incomplete: there is no blob {path.removeprefix('blobs/')}")
        return SpecificationError(
            f"there is no such image{said}", where=self._where, hint="check repository, tag and digest"
        )

    def _broken(self, error: httpx.TransportError | None) -> NetworkError:
        reason = "the answer broke off" + (f": {str(error) or type(error).__name__}"[:300] if error else "")
        return NetworkError(reason, where=self._where, hint="try again")

    def _wrong(self, message: str) -> ContentError:
        hint = "the registry, or something on the way to it, serves other bytes; try again, then ask who runs it"
        return ContentError(message, where=self._where, hint=hint)


async def _once(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data


def _continues(response: httpx.Response, start: int) -> bool:
    """Say whether *response* holds the bytes from *start* on (RFC 9110 §14.4)."""
    content_range = response.headers.get("Content-Range", "")
    return response.status_code == 206 and re.match(rf"bytes {start}-\d", content_range) is not None
