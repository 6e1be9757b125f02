"""What the files of an image tell of what is installed in it: its system, its packages, its distributions."""

import shlex
from collections.abc import Iterable, Iterator

from reprobuild.errors import ContentError
from reprobuild.image.os_packages import OsPackage, apk_packages, dpkg_packages
from reprobuild.image.rpm import RPM_DATABASES, rpm_packages
from reprobuild.image.tree import ImageTree
from reprobuild.resolver.interpreter import is_kept
from reprobuild.sbom.distributions import Installed, installed_at, is_metadata

__all__ = ["RELEASE", "installed", "is_wanted", "os_packages", "os_release", "readable"]

RELEASE = ("etc/os-release", "usr/lib/os-release")
_DPKG, _DPKG_FOLDER = "var/lib/dpkg/status", "var/lib/dpkg/status.d/"
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_DATABASES = frozenset({*RELEASE, _DPKG, *_APK, *RPM_DATABASES})
_FIELDS = frozenset({"ID", "VERSION_ID", "NAME", "PRETTY_NAME"})


def is_wanted(path: str) -> bool:
    """Say whether an inventory takes the contents of the file at the stored *path*."""
    if path.startswith(_DPKG_FOLDER):
        return not path.endswith(".md5sums")
    return path in _DATABASES or is_metadata(path) or (is_kept(path) and "-packages/" not in path)


def os_release(tree: ImageTree) -> dict[str, str]:
    """Return what os-release(5) says: ID, VERSION_ID, NAME and PRETTY_NAME, as far as they are there."""
    said: dict[str, str] = {}
    for content in list(_stored(tree, RELEASE).values())[:1]:
        for line in content.decode("utf-8", "replace").splitlines():
            name, _, value = line.partition("=")
            if name in _FIELDS:
                try:
                    said[name] = "".join(shlex.split(value))
                except ValueError:
                    continue
    return said


def os_packages(tree: ImageTree, unread: list[str]) -> list[OsPackage]:
    """Return what dpkg, apk and rpm say is installed in *tree*; databases that cannot be read go to *unread*."""
    packages = [*dpkg_packages(tree), *apk_packages(tree)]
    for path, content in _stored(tree, RPM_DATABASES).items():
        try:
            packages += rpm_packages(content, path)
        except ContentError as error:
            unread.append(str(error))
    return packages


def installed(tree: ImageTree, unread: list[str]) -> Iterator[Installed]:
    """Yield the Python distributions in *tree*, wherever they are; what names none goes to *unread*."""
    paths = (path for path, node in tree.walk() if node.content is not None and is_metadata(path))
    for one in installed_at(tree, paths):
        if isinstance(one, str):
            unread.append(f"{readable(one)}: names no distribution and version")
        else:
            yield one


def readable(path: str) -> str:
    """Return *path* as text: a name need not be UTF-8."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _places(tree: ImageTree, paths: Iterable[str]) -> list[str]:
    """Return where *paths* really are, each once, missing ones left out."""
    found = (tree.find(path) for path in paths)
    return list(dict.fromkeys(one.path for one in found if one is not None and one.node.kind == "file"))


def _stored(tree: ImageTree, paths: Iterable[str]) -> dict[str, bytes]:
    nodes = ((path, tree.get(path)) for path in _places(tree, paths))
    return {path: node.content for path, node in nodes if node is not None and node.content is not None}
