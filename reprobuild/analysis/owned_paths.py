"""The paths of an image that its OS packages own, as their databases list them: dpkg's and apk's."""

from collections.abc import Iterator

from reprobuild.image.rpm import RPM_DATABASES
from reprobuild.image.tree import ImageTree

__all__ = ["has_rpm", "is_listing", "listed_by_apk", "listed_by_dpkg", "plain_path"]

_DPKG = "var/lib/dpkg/info/"
_DPKG_FOLDER = "var/lib/dpkg/status.d/"
"""Images that were made without dpkg have sums of each package's files here."""
_APK = "lib/apk/db/installed"
_MERGED = ("bin/", "sbin/", "lib/", "lib32/", "lib64/", "libx32/")


def is_listing(path: str) -> bool:
    """Say whether the stored *path* is a list of a package's files, in the forms that dpkg has."""
    if path.startswith(_DPKG):
        return path.endswith(".list")
    return path.startswith(_DPKG_FOLDER) and path.endswith(".md5sums")


def listed_by_dpkg(path: str, content: bytes) -> Iterator[str]:
    """Yield the paths that *content*, the listing at the stored *path*, names, as `plain_path`."""
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    is_sums = path.endswith(".md5sums")
    return (plain_path(line.partition("  ")[2] if is_sums else line) for line in lines)


def listed_by_apk(tree: ImageTree) -> Iterator[str]:
    """Yield what apk's database in *tree* names: F: is a folder, each R: after it a file in it (apk-package(5))."""
    found = tree.find(_APK)
    folder = ""
    for line in (found.node.content or b"" if found else b"").decode("utf-8", "surrogateescape").splitlines():
        kind, _, value = line.partition(":")
        if kind == "F":
            folder = value
        elif kind == "R":
            yield plain_path(f"{folder}/{value}")


def has_rpm(tree: ImageTree) -> bool:
    """Say whether *tree* is that of a system whose packages are rpm's; their lists are not read."""
    return any(tree.find(path) is not None for path in RPM_DATABASES)


def plain_path(path: str) -> str:
    """Return *path* without a leading slash, and below ``usr`` what merged systems have there (usrmerge)."""
    path = path.strip("/")
    return f"usr/{path}" if path.startswith(_MERGED) else path
