"""Python distributions, wherever they are in an image: every METADATA or PKG-INFO that an installer left.

Core metadata specification; PEP 376's ``.dist-info``, setuptools' ``.egg-info`` and ``.egg``. What an image
carries in several places, or inside another distribution, is in it all the same.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from packaging.metadata import RawMetadata, parse_email
from packaging.utils import InvalidName, canonicalize_name, canonicalize_version, parse_wheel_filename

from reprobuild.canonical import Digest
from reprobuild.image.tree import ImageTree
from reprobuild.lockfile import Wheel
from reprobuild.printable import is_printable

__all__ = ["Installed", "installed_at", "is_metadata", "wheel_digest", "wheels_by_name"]

_PATH = re.compile(
    r"(?:.*/)?(?P<name>[^/-]+)-(?P<version>[^/-]+)\.dist-info/METADATA"
    r"|.*\.dist-info/METADATA"
    r"|.*\.egg-info(?:/PKG-INFO)?"
    r"|.*\.egg/EGG-INFO/PKG-INFO"
)
_HEAD_END = re.compile(rb"\n\r?\n|\r\r")
_CLASSIFIER = "License :: "
_LONGEST_LICENSE = 100
"""Characters; longer ones are the text of a license in place of its name."""
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,120}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A distribution as its metadata at the stored ``path`` tells; ``name`` is normalised (PEP 503)."""

    name: str
    version: str
    path: str
    layer: int
    license: str


def is_metadata(path: str) -> bool:
    """Say whether the stored *path* is that of a distribution's metadata, by its name."""
    return path.endswith(("METADATA", "PKG-INFO", ".egg-info")) and _PATH.fullmatch(path) is not None


def installed_at(tree: ImageTree, paths: Iterable[str]) -> Iterator[Installed | str]:
    """Yield the distribution of each of *paths* in *tree*; of those that name none the path."""
    for path in paths:
        node = tree.get(path)
        if node is not None and node.content is not None:
            yield _installed(path, node.content, node.layer) or path


def wheels_by_name(wheels: Iterable[Wheel]) -> dict[tuple[str, str], Digest]:
    """Return the digests of *wheels* by normalised name and version."""
    found = {}
    for wheel in wheels:
        name, version, _, _ = parse_wheel_filename(wheel.file)
        found[str(name), canonicalize_version(version, strip_trailing_zero=False)] = wheel.digest
    return found


def wheel_digest(one: Installed, wheels: Mapping[tuple[str, str], Digest]) -> Digest | None:
    """Return the digest of the wheel in *wheels* that *one* was installed from, if it was from one of them."""
    return wheels.get((one.name, canonicalize_version(one.version, strip_trailing_zero=False)))


def _installed(path: str, content: bytes, layer: int) -> Installed | None:
    metadata = _headers(_HEAD_END.split(content, maxsplit=1)[0])
    named = _PATH.fullmatch(path)
    name = metadata.get("name") or (named["name"] if named else None) or ""
    version = metadata.get("version") or (named["version"] if named else None) or ""
    try:
        normal = canonicalize_name(name, validate=True)
    except InvalidName:
        return None
    if _VERSION.fullmatch(version) is None:
        return None
    place = path if path.endswith(".egg-info") else posixpath.dirname(path)
    return Installed(name=normal, version=version, path=place, layer=layer, license=_license(metadata))


@lru_cache(maxsize=512)
def _headers(content: bytes) -> RawMetadata:
    """Return what *content* says, the part before the description; images have many distributions in common."""
    return parse_email(content)[0]


def _license(metadata: RawMetadata) -> str:
    """Return what is said most precisely: an expression (PEP 639), a classifier, a short License."""
    if expression := metadata.get("license_expression"):
        return expression.strip()
    classifiers = [one for one in metadata.get("classifiers") or () if one.startswith(_CLASSIFIER)]
    if len(classifiers) == 1 and classifiers[0].count(" :: ") >= 2:
        return classifiers[0].rpartition(" :: ")[2].strip()
    said = (metadata.get("license") or "").strip()
    return said if len(said) <= _LONGEST_LICENSE and is_printable(said) else ""
