"""Where wheels are installed in an image: the schemes' folders of its interpreter."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from reprobuild.builder.tree import parents, resolve
from reprobuild.lockfile import BaseImage, Interpreter
from reprobuild.oci.types import Platform

__all__ = ["Site", "base_links", "site_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where wheels are installed: the interpreter's paths, and the base's symbolic links below them."""

    interpreter: Interpreter
    links: Mapping[str, str] = field(default_factory=dict)

    def path(self, scheme: str, path: str, distribution: str) -> str:
        """Return the image path of *path* in *scheme*, a key of ``installer``'s schemes."""
        paths = self.interpreter
        roots = {"purelib": paths.purelib, "platlib": paths.platlib, "scripts": paths.scripts, "data": paths.data}
        root = roots.get(scheme) or posixpath.join(paths.include, distribution)
        return resolve(f"{root}/{path}".lstrip("/"), self.links)

    @property
    def roots(self) -> tuple[str, ...]:
        """The scheme folders, relative to the image's root, longest first."""
        return _roots(self.interpreter)

    def parents(self, path: str) -> tuple[str, ...]:
        """Return the directories between *path* and the scheme folder that it is in, outermost first."""
        return _folders(posixpath.dirname(path), self.roots)


_KNOWN: dict[tuple[int, Platform], tuple[BaseImage, Site]] = {}
"""Sites that were asked for before, by the identity of their base, which stays alive with them."""
_MOST_KNOWN = 256


def site_of(base: BaseImage, platform: Platform) -> Site:
    """Return where wheels go in *base*; of its links only those below the schemes' folders matter to them.

    For one value it is one object, since fleets ask for every wheel of every image.
    """
    known = _KNOWN.get((id(base), platform))
    if known is not None:
        return known[1]
    site = _site(base, platform)
    if len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN[id(base), platform] = (base, site)
    return site


def _site(base: BaseImage, platform: Platform) -> Site:
    paths = base.interpreter
    below = tuple(path.strip("/") + "/" for path in (paths.data, paths.purelib, paths.platlib))
    links = {path: target for path, target in base_links(base, platform).items() if path.startswith(below)}
    return Site(interpreter=paths, links=links)


def base_links(base: BaseImage, platform: Platform) -> dict[str, str]:
    """Return the base's symbolic links to directories, by path relative to the root."""
    return {path.lstrip("/"): target for path, target in sorted(base.platforms[platform].links.items())}


@lru_cache
def _roots(paths: Interpreter) -> tuple[str, ...]:
    found = {paths.purelib, paths.platlib, paths.scripts, paths.include, paths.data}
    return tuple(sorted((path.strip("/") for path in found), key=lambda path: (-len(path), path)))


@lru_cache(maxsize=4096)
def _folders(folder: str, roots: tuple[str, ...]) -> tuple[str, ...]:
    """Return *folder* and what leads to it, strictly inside the first of *roots* that it is in."""
    root = next((root for root in roots if folder == root or folder.startswith(root + "/")), "")
    return tuple(parents(f"{folder}/x", below=root))
