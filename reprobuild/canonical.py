"""Canonical JSON and digests: the two functions that every identity in reprobuild goes through."""

import hashlib
import json
import re
from typing import NewType

from reprobuild.errors import ContentError

__all__ = ["Digest", "canonical_json", "digest_of", "hex_of", "parse_digest", "parse_json"]

Digest = NewType("Digest", str)
"""``sha256:`` and 64 lower-case hexadecimal digits (OCI image-spec, descriptor.md)."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def canonical_json(value: object) -> bytes:
    """Return *value* as JSON with sorted keys, no spaces and UTF-8 text, so that equal values are equal bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def digest_of(data: bytes) -> Digest:
    """Return the sha256 digest of *data*."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def hex_of(digest: Digest) -> str:
    """Return the 64 hexadecimal digits of *digest*."""
    return digest.partition(":")[2]


def parse_digest(text: object, *, where: str | None = None) -> Digest:
    """Return *text* as a digest; raise ContentError unless it is a well-formed sha256 digest."""
    if not isinstance(text, str) or _DIGEST.fullmatch(text) is None:
        raise ContentError(f"not a sha256 digest: {str(text)[:100]!r}", where=where)
    return Digest(text)


def parse_json(data: bytes, *, where: str | None = None) -> dict[str, object]:
    """Return the JSON object in *data*; raise ContentError for anything else, duplicate keys included."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ContentError(f"not a JSON document: {str(error)[:200]}", where=where) from error
    if not isinstance(value, dict):
        raise ContentError("not a JSON object", where=where)
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build an object from *pairs*, refusing a key that stands twice: two readers could differ about it."""
    value = dict(pairs)
    if len(value) != len(pairs):
        message = "a key stands twice"
        raise ValueError(message)
    return value
