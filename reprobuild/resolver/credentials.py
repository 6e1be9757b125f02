"""Who we are to a package index: what its URL, uv's variables and configuration, or a netrc file say.

uv keeps credentials to itself and tells URLs without them, so that a download has to find them again. They
go to the origin that they were given for, and to no other.
"""

import netrc
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["credentials"]

_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")


def credentials(url: str, root: Path, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return user name and password for *url* as the user of the workspace *root* has set them; None without."""
    wanted = _split(url)
    if wanted is None:
        return None
    if wanted.username:
        return _userinfo(wanted)
    for name, index in _indexes(root, environ):
        known = _split(index)
        if known is None or _origin(known) != _origin(wanted):
            continue
        if known.username:
            return _userinfo(known)
        prefix = f"UV_INDEX_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}_"
        if name and (user := environ.get(f"{prefix}USERNAME")):
            return user, environ.get(f"{prefix}PASSWORD", "")
    return _netrc(wanted.hostname or "", environ)


def _indexes(root: Path, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name, perhaps empty, and the URL of every index that uv is told of."""
    for variable in _VARIABLES:
        for item in re.split(r"[\s,]+", environ.get(variable, "")):
            name, equals, url = item.partition("=")
            named = bool(equals) and re.fullmatch(r"[A-Za-z0-9._-]+", name) is not None
            yield (name, url) if named else ("", item)
    for table in (_table(root / "uv.toml"), _table(root / "pyproject.toml", "tool", "uv")):
        for index in _items(table, "index"):
            if isinstance(index, dict):
                yield str(index.get("name", "")), str(index.get("url", ""))
        for url in (table.get("index-url"), *_items(table, "extra-index-url")):
            yield "", str(url or "")


def _items(table: Mapping[str, Any], key: str) -> list[Any]:
    value = table.get(key)
    return value if isinstance(value, list) else []


def _table(path: Path, *keys: str) -> dict[str, Any]:
    try:
        value: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    for key in keys:
        value = value.get(key, {}) if isinstance(value, dict) else {}
    return value if isinstance(value, dict) else {}


def _netrc(host: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    path = environ.get("NETRC") or os.path.expanduser("~/.netrc")  # noqa: PTH111 - may have no home
    try:
        found = netrc.netrc(path).authenticators(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    return (found[0], found[2] or "") if found else None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        return None
    return parts if parts.scheme in {"http", "https"} else None


def _origin(url: SplitResult) -> tuple[str, str, int]:
    return url.scheme, url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def _userinfo(url: SplitResult) -> tuple[str, str]:
    return unquote(url.username or ""), unquote(url.password or "")
