"""A registry in memory that does all that the OCI distribution specification 1.1 has and Distribution 2.8 has not.

It takes uploads up again byte by byte, lists referrers, may want chunks of a size, and refuses what tests tell it to.
"""

import hashlib
import json
import re
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.servers import Exchange, Server, serve

__all__ = ["SmallRegistry", "small_registry"]

_PATH = re.compile(r"/v2/(?P<name>.+?)/(?P<kind>blobs/uploads|blobs|manifests|referrers)/(?P<rest>[^?]*)")


@dataclass(kw_only=True)
class SmallRegistry:
    """What it holds: blobs and manifests by repository and digest, tags, uploads under way."""

    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    least_chunk: int = 0
    most_body: int = 0
    page: int = 0
    mounts: bool = True
    lists_referrers: bool = True
    answered: list[tuple[str, str, int]] = field(default_factory=list)
    server: Server = field(default_factory=lambda: Server(host=""))

    @property
    def host(self) -> str:
        return self.server.host

    def answer(self, exchange: Exchange) -> None:
        """Do what *exchange* asks."""
        found = _PATH.match(exchange.path)
        if found is None:
            self._send(exchange, 200)
            return
        handler = getattr(self, "_" + found["kind"].replace("/", "_"))
        handler(exchange, found["name"], urllib.parse.unquote(found["rest"]))

    def statuses(self, method: str) -> list[int]:
        return [status for one, _, status in self.answered if one == method]

    def _send(self, exchange: Exchange, status: int, body: bytes = b"", **headers: str) -> None:
        self.answered.append((exchange.method, exchange.path, status))
        if exchange.method == "HEAD":
            exchange.send(status, b"", length=len(body), **headers)
        else:
            exchange.send(status, body, **headers)

    def _error(self, exchange: Exchange, status: int, code: str) -> None:
        self._send(exchange, status, json.dumps({"errors": [{"code": code, "message": "no"}]}).encode())

    def _blobs(self, exchange: Exchange, name: str, digest: str) -> None:
        data = self.blobs.get((name, digest))
        if data is None:
            self._error(exchange, 404, "BLOB_UNKNOWN")
        else:
            self._send(exchange, 200, data, Docker_Content_Digest=digest)

    def _blobs_uploads(self, exchange: Exchange, name: str, identity: str) -> None:
        if exchange.method == "POST":
            self._begin(exchange, name)
        elif identity not in self.uploads:
            self._error(exchange, 404, "BLOB_UPLOAD_UNKNOWN")
        elif self.most_body and len(exchange.body) > self.most_body:
            self._error(exchange, 413, "SIZE_INVALID")
        elif exchange.method == "GET":
            self._send(exchange, 204, **self._state(name, identity))
        else:
            self._take(exchange, name, identity)

    def _begin(self, exchange: Exchange, name: str) -> None:
        query = exchange.query
        if self.mounts and "mount" in query and (query["from"][0], query["mount"][0]) in self.blobs:
            self.blobs[name, query["mount"][0]] = self.blobs[query["from"][0], query["mount"][0]]
            self._send(exchange, 201, Location=f"/v2/{name}/blobs/{query['mount'][0]}")
            return
        identity = str(len(self.uploads))
        self.uploads[identity] = bytearray()
        least = {"OCI_Chunk_Min_Length": str(self.least_chunk)} if self.least_chunk else {}
        self._send(exchange, 202, **self._state(name, identity), **least)

    def _take(self, exchange: Exchange, name: str, identity: str) -> None:
        data, said = self.uploads[identity], exchange.headers.get("content-range")
        if said is not None and said.split("-")[0] != str(len(data)):
            self._error(exchange, 416, "RANGE_INVALID")
            return
        data += exchange.body
        if exchange.is_cut:
            return
        if exchange.method == "PATCH":
            self._send(exchange, 202, **self._state(name, identity))
            return
        digest = exchange.query["digest"][0]
        del self.uploads[identity]
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            self._error(exchange, 400, "DIGEST_INVALID")
            return
        self.blobs[name, digest] = bytes(data)
        self._send(exchange, 201, Docker_Content_Digest=digest)

    def _state(self, name: str, identity: str) -> dict[str, str]:
        end = max(0, len(self.uploads[identity]) - 1)
        return {"Location": f"/v2/{name}/blobs/uploads/{identity}?state=a%2Fb", "Range": f"0-{end}"}

    def _manifests(self, exchange: Exchange, name: str, reference: str) -> None:
        if exchange.method == "PUT":
            self._put_manifest(exchange, name, reference)
            return
        digest = self.tags.get((name, reference), reference)
        if (name, digest) not in self.manifests:
            self._error(exchange, 404, "MANIFEST_UNKNOWN")
            return
        media_type, data = self.manifests[name, digest]
        self._send(exchange, 200, data, Content_Type=media_type, Docker_Content_Digest=digest)

    def _put_manifest(self, exchange: Exchange, name: str, reference: str) -> None:
        digest, value = f"sha256:{hashlib.sha256(exchange.body).hexdigest()}", json.loads(exchange.body)
        named = [value.get("config"), *value.get("layers", [])]
        if any((name, blob["digest"]) not in self.blobs for blob in named if blob):
            self._error(exchange, 404, "MANIFEST_BLOB_UNKNOWN")
            return
        if any((name, one["digest"]) not in self.manifests for one in value.get("manifests", [])):
            self._error(exchange, 404, "MANIFEST_UNKNOWN")
            return
        self.manifests[name, digest] = (exchange.headers["content-type"], exchange.body)
        if not reference.startswith("sha256:"):
            self.tags[name, reference] = digest
        subject = value.get("subject") if self.lists_referrers else None
        self._send(
            exchange, 201, Docker_Content_Digest=digest, **({"OCI_Subject": subject["digest"]} if subject else {})
        )

    def _referrers(self, exchange: Exchange, name: str, subject: str) -> None:
        if not self.lists_referrers:
            self._error(exchange, 404, "UNSUPPORTED")
            return
        found = [self._entry(digest, *stored) for (where, digest), stored in self.manifests.items() if where == name]
        listed = [entry for entry, its in found if its == subject]
        start = int(exchange.query.get("n", ["0"])[0])
        stop = start + self.page if self.page else len(listed)
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}
        body = json.dumps({**index, "manifests": listed[start:stop]}).encode()
        link = {"Link": f'<{exchange.path.partition("?")[0]}?n={stop}>; rel="next"'} if stop < len(listed) else {}
        self._send(exchange, 200, body, Content_Type="application/vnd.oci.image.index.v1+json", **link)

    def _entry(self, digest: str, media_type: str, data: bytes) -> tuple[dict[str, Any], str | None]:
        value = json.loads(data)
        entry = {"mediaType": media_type, "digest": digest, "size": len(data)}
        entry |= {key: value[key] for key in ("artifactType", "annotations") if key in value}
        return entry, (value.get("subject") or {}).get("digest")


@contextmanager
def small_registry(**options: Any) -> Iterator[SmallRegistry]:
    """Run one on loopback until the block ends."""
    registry = SmallRegistry(**options)
    with serve(registry.answer) as server:
        registry.server = server
        yield registry
