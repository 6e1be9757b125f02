"""One blob on its way into a repository (OCI distribution-spec v1.1, push): mounted, at once, in chunks, resumed.

The registry is asked before anything is sent and after every failure: an answer that got lost is no reason to send
the blob again, and an upload that broke off goes on where the registry says that it has come to.
"""

import re
from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote

import httpx

from reprobuild.errors import AuthenticationError, ContentError, NetworkError, ReprobuildError
from reprobuild.oci.blob_bytes import BlobBytes
from reprobuild.oci.call import Body, Call, drain, explained
from reprobuild.oci.refusal import refused
from reprobuild.oci.retry import TRANSIENT
from reprobuild.oci.sink import Placed
from reprobuild.oci.source import Source
from reprobuild.oci.transport import Transport
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Task

__all__ = ["Upload"]

_CHUNK = 16 * 1024 * 1024
_LEAST_CHUNK = 1024 * 1024
_TOO_LARGE = 413
_DAMAGED = frozenset({"DIGEST_INVALID", "SIZE_INVALID", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN"})
_LOST = frozenset({404, 410, 416})


class _UploadError(Exception):
    """The upload stopped because of *error*; *asked* is Retry-After; *lost* if it cannot go on where it was."""

    def __init__(self, error: NetworkError, *, asked: str | None = None, lost: bool = False) -> None:
        super().__init__(str(error))
        self.error, self.asked, self.lost = error, asked, lost


class Upload:
    """The blob *descriptor* from *source* on its way into *repository*; *where* names that in errors."""

    def __init__(
        self,
        transport: Transport,
        repository: str,
        descriptor: Descriptor,
        source: Source,
        *,
        where: str,
        task: Task | None = None,
    ) -> None:
        self._transport, self._where, self._task = transport, where, task
        self._url = f"/v2/{repository}/blobs"
        self._descriptor = descriptor
        self._bytes = BlobBytes(source, descriptor)
        self._tries = transport.tries()
        self._location: httpx.URL | None = None
        self._offset = self._told = 0
        self._chunk: int | None = None

    async def run(self, origins: Sequence[str] = ()) -> Placed:
        """Have the blob there, and say how: it was, it was mounted from one of *origins*, or uploaded."""
        if await self.is_there():
            return "there"
        try:
            if await self._mounted(origins):
                return "mounted"
            while not await self._uploaded():
                pass
        finally:
            await self._bytes.close()
        return "uploaded"

    async def is_there(self) -> bool:
        """Say whether the repository has the blob."""
        call = Call(method="HEAD", target=f"{self._url}/{self._descriptor.digest}")
        response = await self._transport.send(call, self._tries)
        await response.aclose()
        if response.status_code == 404:
            return False
        if response.status_code != 200:
            raise await self._refusal(response)
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length[:20]) != self._descriptor.size:
            raise ContentError(
                f"the registry has {length[:20]} bytes for {self._descriptor.digest}, not {self._descriptor.size}",
                where=self._where,
                hint="whoever runs the registry has to delete that blob",
            )
        return True

    async def _mounted(self, origins: Sequence[str]) -> bool:
        """Say whether a repository of *origins* has it and the registry took it over; if not, an upload may be open."""
        for origin in origins:
            query = f"mount={quote(self._descriptor.digest, safe='')}&from={quote(origin, safe='')}"
            call = Call(method="POST", target=f"{self._url}/uploads/?{query}")
            try:
                response = await self._transport.send(call, self._tries, scope=f"repository:{origin}:pull")
            except AuthenticationError:
                continue  # We may not read there; that is no reason not to write here.
            await drain(response)
            if response.status_code == 201:
                return True
            if response.status_code == 202:
                self._opened(response)
                return False
        return False

    async def _uploaded(self) -> bool:
        """Send what is missing; return False if that has to be tried again."""
        try:
            if self._location is None:
                await self._open()
            await self._send()
        except _UploadError as stopped:
            await self._tries.again(stopped.error, stopped.asked)
            if await self.is_there():
                return True
            await self._find_place(lost=stopped.lost)
            return False
        return True

    async def _open(self) -> None:
        response = await self._transport.send(Call(method="POST", target=f"{self._url}/uploads/"), self._tries)
        if response.status_code != 202:
            raise await self._refusal(response)
        await drain(response)
        self._opened(response)

    def _opened(self, response: httpx.Response) -> None:
        self._location, self._offset = self._transport.led(response), 0
        least = response.headers.get("OCI-Chunk-Min-Length", "")
        if least.isdecimal() and int(least[:15]) > 0:
            self._chunk = max(int(least[:15]), self._chunk or _CHUNK)

    async def _send(self) -> None:
        rest = self._descriptor.size - self._offset
        if self._chunk is None and self._offset == 0:
            await self._close(self._part(0, rest), rest)
            return
        while self._offset < self._descriptor.size:
            await self._send_chunk(min(self._chunk or rest, self._descriptor.size - self._offset))
        await self._close(b"", 0)

    async def _send_chunk(self, count: int) -> None:
        start = self._offset
        headers = {"Content-Range": f"{start}-{start + count - 1}", **_sized(count)}
        target = self._location or httpx.URL()
        response = await self._answer(
            Call(method="PATCH", target=target, headers=headers, content=self._part(start, count))
        )
        await drain(response)
        if response.headers.get("Location"):
            self._location = self._transport.led(response)
        end = _end(response)
        self._offset = start + count if end is None else end
        if not start < self._offset <= start + count:
            raise _UploadError(self._fault(f"has {self._offset} bytes after {start + count} were sent"), lost=True)
        self._count_progress(start)

    async def _close(self, content: bytes | Body, count: int) -> None:
        """Send the last bytes, *content*, and the digest, upon which the registry checks them all."""
        location = str(self._location)
        target = f"{location}{'&' if '?' in location else '?'}digest={quote(self._descriptor.digest, safe='')}"
        call = Call(method="PUT", target=httpx.URL(target), headers=_sized(count), content=content)
        response = await self._answer(call)
        await drain(response)
        if response.headers.get("Docker-Content-Digest", self._descriptor.digest) != self._descriptor.digest:
            raise _UploadError(self._fault("took the bytes for others"), lost=True)

    async def _answer(self, call: Call) -> httpx.Response:
        """Return a good answer to *call*; raise _UploadError if another try is worth it, else what the answer means."""
        try:
            response = await self._transport.send_once(call)
        except httpx.TransportError as error:
            raise _UploadError(self._transport.failure(error, error.request.url)) from error
        status = response.status_code
        if status < 300:
            return response
        if status in TRANSIENT:
            await drain(response)
            raise _UploadError(self._transport.busy(response), asked=response.headers.get("Retry-After"))
        if status == _TOO_LARGE and (self._chunk or _CHUNK * 2) > _LEAST_CHUNK:
            await drain(response)
            self._chunk = max(_LEAST_CHUNK, (self._chunk or _CHUNK * 2) // 4)
            raise _UploadError(self._fault("takes no body of that size"), lost=True)
        said = await explained(response)
        if status in _LOST or (status != _TOO_LARGE and said.code in _DAMAGED):
            raise _UploadError(self._fault(f"answered {status} to an upload{said.clause}"), lost=True)
        raise self._refused(response, said.clause)

    async def _find_place(self, *, lost: bool) -> None:
        """Ask the registry how far the upload has come; if it does not say, begin anew."""
        before, location = self._offset, self._location
        self._location, self._offset = None, 0
        if lost or location is None:
            return
        response = await self._transport.send(Call(method="GET", target=location), self._tries)
        await drain(response)
        end = _end(response)
        if response.status_code == 204 and end is not None and end <= self._descriptor.size:
            self._location = self._transport.led(response) if response.headers.get("Location") else location
            self._offset = end
            self._count_progress(before)

    def _count_progress(self, before: int) -> None:
        """Forget the failures of before if more than a little has come through since."""
        if self._offset - before >= _LEAST_CHUNK:
            self._tries.renew()

    def _part(self, start: int, count: int) -> Body:
        async def part() -> AsyncIterator[bytes]:
            sent = start
            async for chunk in self._bytes.part(start, count):
                yield chunk
                sent += len(chunk)
                if self._task is not None and sent > self._told:
                    self._task.advance(sent - self._told)
                    self._told = sent

        return part

    async def _refusal(self, response: httpx.Response) -> ReprobuildError:
        return self._refused(response, (await explained(response)).clause)

    def _refused(self, response: httpx.Response, said: str) -> ReprobuildError:
        return refused(response, said, self._transport, where=self._where, writing=True)

    def _fault(self, message: str) -> NetworkError:
        return NetworkError(f"the registry {message}", where=self._where, hint="try again; then ask who runs it")


def _sized(count: int) -> dict[str, str]:
    return {"Content-Type": "application/octet-stream", "Content-Length": str(count)}


def _end(response: httpx.Response) -> int | None:
    """Return how many bytes the registry has, as the header Range says; None if it does not."""
    found = re.fullmatch(r"(?:bytes=)?0-([0-9]{1,15})", response.headers.get("Range", ""))
    if found is None:
        return None
    # Without a byte, registries say 0-0, too (Distribution does); one byte may be sent twice.
    return int(found[1]) + 1 if found[1] != "0" else 0
