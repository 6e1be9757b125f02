"""The paths of an image that its OS packages own, as their databases list them: dpkg's and apk's."""

from collections.abc import Iterator

from reprobuild.image.tree import ImageTree

__all__ = ["is_listing", "owned_paths", "plain_path"]

_DPKG = "var/lib/dpkg/info"
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_MERGED = ("bin/", "sbin/", "lib/", "lib32/", "lib64/", "libx32/")


def is_listing(path: str) -> bool:
    """Say whether `owned_paths` needs the contents of the file at the stored *path*."""
    return (path.startswith(f"{_DPKG}/") and path.endswith(".list")) or path in _APK


def owned_paths(tree: ImageTree) -> frozenset[str]:
    """Return what packages own in *tree*, which has the contents of what `is_listing` names, as `plain_path`."""
    return frozenset(map(plain_path, (*_of_dpkg(tree), *_of_apk(tree))))


def plain_path(path: str) -> str:
    """Return *path* without a leading slash, and below ``usr`` what merged systems have there (usrmerge)."""
    path = path.strip("/")
    return f"usr/{path}" if path.startswith(_MERGED) else path


def _of_dpkg(tree: ImageTree) -> Iterator[str]:
    for name in tree.names(_DPKG):
        node = tree.get(f"{_DPKG}/{name}")
        if name.endswith(".list") and node is not None and node.content is not None:
            yield from node.content.decode("utf-8", "surrogateescape").splitlines()


def _of_apk(tree: ImageTree) -> Iterator[str]:
    """Yield paths of apk's database: F: is a folder, and each R: after it a file in it (apk-package(5))."""
    for path in _APK:
        found = tree.find(path)
        folder = ""
        for line in (found.node.content or b"" if found else b"").decode("utf-8", "surrogateescape").splitlines():
            kind, _, value = line.partition(":")
            if kind == "F":
                folder = value
            elif kind == "R":
                yield f"{folder}/{value}"
