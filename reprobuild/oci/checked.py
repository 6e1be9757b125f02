"""The check that every source's bytes go through before anybody may rely on them."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing

from reprobuild.canonical import hex_of
from reprobuild.errors import ContentError
from reprobuild.oci.types import Descriptor
from reprobuild.store import CHUNK

__all__ = ["checked", "in_thread", "taken_in_thread"]

_DAMAGED = "whoever serves it changed it, or it broke on the way; try again, then look at the source"


async def checked(
    chunks: AsyncGenerator[bytes, None], descriptor: Descriptor, *, where: str | None = None
) -> AsyncGenerator[bytes, None]:
    """Yield *chunks* while they can be what *descriptor* promises; raise ContentError as soon as they cannot.

    The last chunk is held back until size and digest are known to be right. *chunks* is closed in any case.
    """
    found, received, held = hashlib.sha256(), 0, b""
    async with aclosing(chunks) as source:
        async for chunk in source:
            received += len(chunk)
            if received > descriptor.size:
                raise _wrong(f"{descriptor.digest} has more than the announced {descriptor.size} bytes", where)
            found.update(chunk)
            if held:
                yield held
            held = chunk
    if received != descriptor.size:
        raise _wrong(f"{descriptor.digest} has {received} bytes, not {descriptor.size}", where)
    if found.hexdigest() != hex_of(descriptor.digest):
        raise _wrong(f"the bytes are sha256:{found.hexdigest()}, not {descriptor.digest}", where)
    if held:
        yield held


async def in_thread(chunks: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield *chunks*, each awaited in a thread, so that a slow disk does not stop everything else."""
    from anyio import to_thread  # noqa: PLC0415 - files are also described without being read

    while (chunk := await to_thread.run_sync(next, chunks, None)) is not None:
        yield chunk


async def taken_in_thread(chunks: AsyncIterator[bytes], take: Callable[[bytes], object]) -> AsyncGenerator[int, None]:
    """Have *take* called with *chunks* in a thread, beside what else arrives, and yield how many bytes it has taken."""
    from anyio import to_thread  # noqa: PLC0415

    held, size = list[bytes](), 0
    async for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        # A change of threads costs more than a packet.
        if size >= CHUNK:
            await to_thread.run_sync(_take_all, take, held)
            yield size
            held, size = [], 0
    if held:
        await to_thread.run_sync(_take_all, take, held)
        yield size


def _take_all(take: Callable[[bytes], object], chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        take(chunk)


def _wrong(message: str, where: str | None) -> ContentError:
    return ContentError(message, where=where, hint=_DAMAGED)
