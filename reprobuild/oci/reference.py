"""Where an image is: a registry, an image layout on disk, or an archive of one.

Registry references follow the Distribution specification and the defaults that Docker made common:
``python:3.11`` is ``docker.io/library/python:3.11``. Files are told apart by transport, in the words of
containers-transports(5): ``oci:PATH[:TAG]``, ``oci-archive:FILE[:TAG]``, ``docker-archive:FILE[:TAG]``.
"""

import re
from dataclasses import dataclass
from typing import Literal

from reprobuild.canonical import Digest, parse_digest
from reprobuild.errors import ContentError, SpecificationError

__all__ = ["FileReference", "Reference", "RegistryReference", "parse_reference"]

Transport = Literal["oci", "oci-archive", "docker-archive"]

_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_REF_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:@/+-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryReference:
    """A repository of a registry with a tag, a digest, or both; the digest decides."""

    host: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"

    def at(self, digest: Digest) -> str:
        """Return the reference of *digest* in this repository, as every client understands it."""
        return f"{self.host}/{self.repository}@{digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReference:
    """An image layout or archive on disk; ``path`` as written, relative to whoever says so."""

    transport: Transport
    path: str
    tag: str | None = None

    def __str__(self) -> str:
        return f"{self.transport}:{self.path}" + (f":{self.tag}" if self.tag else "")


Reference = RegistryReference | FileReference


def parse_reference(text: str, *, where: str | None = None) -> Reference:
    """Return the reference that *text* writes; raise SpecificationError with the fault otherwise."""
    for transport in ("oci-archive", "docker-archive", "oci"):
        prefix, _, rest = text.partition(":")
        if prefix == transport:
            return _file(transport, rest, text, where)
    return _registry(text.removeprefix("docker://"), text, where)


def _file(transport: Transport, rest: str, text: str, where: str | None) -> FileReference:
    path, _, tag = rest.partition(":")
    if not path:
        raise _malformed(text, "a path is missing", where)
    if tag and _REF_NAME.fullmatch(tag) is None:
        raise _malformed(text, f"not a tag: {tag!r}", where)
    return FileReference(transport=transport, path=path, tag=tag or None)


def _registry(name: str, text: str, where: str | None) -> RegistryReference:
    name, _, digest = name.partition("@")
    host, slash, path = name.partition("/")
    if not slash or not (any(mark in host for mark in ".:") or host == "localhost"):
        host, path = "docker.io", name
    path, tag = _split_tag(path)
    if host in {"docker.io", "index.docker.io"}:
        host, path = "docker.io", path if "/" in path else f"library/{path}"
    if _HOST.fullmatch(host) is None or _PATH.fullmatch(path) is None:
        raise _malformed(text, "not a repository name", where)
    if tag is not None and _TAG.fullmatch(tag) is None:
        raise _malformed(text, f"not a tag: {tag!r}", where)
    if not tag and not digest:
        tag = "latest"
    return RegistryReference(host=host, repository=path, tag=tag, digest=_digest(digest, text, where))


def _split_tag(path: str) -> tuple[str, str | None]:
    name, colon, tag = path.rpartition(":")
    return (name, tag) if colon else (path, None)


def _digest(digest: str, text: str, where: str | None) -> Digest | None:
    try:
        return parse_digest(digest) if digest else None
    except ContentError as error:
        raise _malformed(text, error.message, where) from error


def _malformed(text: str, why: str, where: str | None) -> SpecificationError:
    return SpecificationError(
        f"not an image reference: {text!r} ({why})",
        where=where,
        hint='write it like "docker.io/library/python:3.11-slim-bookworm" or "oci:PATH:TAG"',
    )
