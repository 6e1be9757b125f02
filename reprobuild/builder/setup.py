"""The base setup layer: what makes a base image ready for wheels, and nothing of a connector's own.

It sets the timezone, makes sure that the schemes' folders are there, and removes what the base brings along of
distributions that the lock installs in its own version (pip among them): two `.dist-info` folders of one name
would leave the choice to the directory order. What is removed never comes back in the same layer: overlay
filesystems cannot tell a folder that was removed and made again from one that was kept.
"""

from collections.abc import Iterable, Mapping

from reprobuild.builder.site import base_links, site_of
from reprobuild.builder.tree import Entry, directory, in_order, parents, regular_file, resolve, symlink, whiteout
from reprobuild.derivation import Derivation
from reprobuild.lockfile import BaseDirectory, BaseImage, BasePlatform, Wheel, normal_name
from reprobuild.oci.types import Platform

__all__ = ["folders", "prepared", "setup_entries"]


def setup_entries(derivation: Derivation) -> list[tuple[Entry, bytes]]:
    """Return the entries of the setup layer in order, each with its content."""
    return prepared(derivation.base, derivation.platform, derivation.installed, timezone=derivation.timezone)


def prepared(
    base: BaseImage, platform: Platform, wheels: Iterable[Wheel], *, timezone: str | None = None
) -> list[tuple[Entry, bytes]]:
    """Return the entries, in order and each with its content, that make *base* ready for *wheels*."""
    links = base_links(base, platform)
    contents: dict[Entry, bytes] = {}
    if timezone is not None:
        contents[symlink(resolve("etc/localtime", links), f"/usr/share/zoneinfo/{timezone}")] = b""
        text = f"{timezone}\n".encode()
        contents[regular_file(resolve("etc/timezone", links), len(text))] = text
    for path in _removed(base.platforms[platform], wheels):
        contents[whiteout(resolve(path.lstrip("/"), links))] = b""
    site = site_of(base, platform)
    needed = [*(entry.path for entry in contents), *(f"{resolve(root, links)}/x" for root in site.roots)]
    entries = [*contents, *folders(needed, base.platforms[platform].directories)]
    return [(entry, contents.get(entry, b"")) for entry in in_order(entries)]


def folders(paths: Iterable[str], known: Iterable[BaseDirectory]) -> list[Entry]:
    """Return the directories that lead to *paths*, with the base's own modes and owners where they are special.

    A missing parent would be made by each client after its own taste (Docker: 0600).
    """
    special: Mapping[str, BaseDirectory] = {item.path.lstrip("/"): item for item in known}
    found = {parent for path in paths for parent in parents(path)}
    return [
        directory(path, mode=special[path].mode, uid=special[path].uid, gid=special[path].gid)
        if path in special
        else directory(path)
        for path in sorted(found)
    ]


def _removed(base: BasePlatform, wheels: Iterable[Wheel]) -> list[str]:
    """Return the paths of the base's distributions that are replaced by *wheels*."""
    names = {normal_name(wheel.file.split("-")[0]) for wheel in wheels}
    return sorted({path for item in base.distributions if normal_name(item.name) in names for path in item.paths})
