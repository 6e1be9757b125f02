"""What uv answers: packages at one version, and the wheels that an index offers for them.

An offer knows its URL, which lives in memory only, for downloading: no lock names a host (design §6).
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from reprobuild.canonical import Digest, parse_digest
from reprobuild.errors import ContentError, LockError
from reprobuild.lockfile import normal_name
from reprobuild.target import Target

__all__ = ["Offer", "Resolved", "best_offer", "parse_resolution"]


_WHEEL = re.compile(r"[A-Za-z0-9._+!-]+\.whl")
_SDIST = re.compile(r"[A-Za-z0-9._+!-]+\.(?:tar\.gz|tgz|tar\.bz2|tar\.xz|zip)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A wheel or an sdist on an index; ``size`` and ``digest`` are None where the index does not announce them.

    ``url`` is http, https or file.
    """

    file: str
    url: str
    size: int | None
    digest: Digest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A distribution at the version that uv chose, with the wheels that run on the target it was asked for.

    ``source`` is its sdist, where that was asked for and the index has one.
    """

    name: str
    version: str
    offers: tuple[Offer, ...]
    source: Offer | None = None


def parse_resolution(text: str, *, sources: bool = False) -> tuple[Resolved, ...]:
    """Return what uv's ``pylock.toml`` holds; raise LockError for what is not a wheel, or sdist, from an index."""
    try:
        value = tomllib.loads(text)
        return tuple(_resolved(package, sources=sources) for package in value.get("packages", []))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise LockError(f"uv's answer cannot be read: {error!r}", hint="reinstall uv") from error


def best_offer(offers: Iterable[Offer], target: Target) -> Offer | None:
    """Return the offer that *target* prefers, by tag, then build number; None if none of them runs there."""
    from packaging.tags import create_compatible_tags_selector  # noqa: PLC0415
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename  # noqa: PLC0415

    parsed = []
    for offer in offers:
        try:
            _, _, build, tags = parse_wheel_filename(offer.file)
        except InvalidWheelFilename:
            continue
        parsed.append((build or (0, ""), offer, tags))
    # The selector keeps the order of what is equally good: newest build first, then by name.
    parsed.sort(key=lambda item: item[1].file)
    parsed.sort(key=lambda item: item[0], reverse=True)
    choose = create_compatible_tags_selector(target.tags)
    return next(choose([(offer, tags) for _, offer, tags in parsed]), None)


def _resolved(package: dict[str, Any], *, sources: bool) -> Resolved:
    name, version = str(package["name"]), package.get("version")
    strange = ("archive", "directory", "vcs") if sources else ("archive", "directory", "vcs", "sdist")
    if not isinstance(version, str) or any(kind in package for kind in strange):
        raise LockError(
            f"{name} does not come from an index as a wheel",
            hint=f"require {name} by version; direct references, folders and repositories cannot be locked",
        )
    offers = tuple(_offer(wheel, _WHEEL) for wheel in package.get("wheels", []))
    source = package.get("sdist")
    found = _offer(source, _SDIST) if sources and source is not None else None
    return Resolved(name=normal_name(name), version=version, offers=offers, source=found)


def _offer(file_: dict[str, Any], pattern: re.Pattern[str]) -> Offer:
    url = file_.get("url") or "file://" + file_["path"]
    file = file_.get("name") or unquote(urlsplit(url).path).rpartition("/")[2]
    if pattern.fullmatch(file) is None:
        raise LockError(f"not the name of a wheel or sdist: {file[:200]!r}")
    size, text = file_.get("size"), file_["hashes"].get("sha256")
    try:
        digest = None if text is None else parse_digest(f"sha256:{text}")
    except ContentError as error:
        raise LockError(f"the index announces {file} with {error.message}") from error
    return Offer(file=file, url=url, size=size if isinstance(size, int) and size >= 0 else None, digest=digest)
