"""Where a mount namespace stands: as the machine's root, or in a user namespace with some of its ids."""

import hashlib
from dataclasses import dataclass

__all__ = ["Flavour", "flavour_of"]

_WHOLE = ("0 0 4294967295", "0 0 4294967295")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """How an overlay is mounted and whom files belong to on the disk.

    ``name`` stands for the mapping of ids: directories of one are of no use to another. ``whole`` says that all
    ids are there and that overlayfs may use the namespace of extended attributes that is root's alone.
    """

    name: str
    whole: bool

    @property
    def xattrs(self) -> str:
        """What overlayfs begins the names of its own extended attributes with."""
        return "trusted.overlay." if self.whole else "user.overlay."


def flavour_of(uid_map: str, gid_map: str) -> Flavour:
    """Return the flavour that the contents of /proc/self/uid_map and gid_map tell of (user_namespaces(7))."""
    maps = (_normal(uid_map), _normal(gid_map))
    if maps == _WHOLE:
        return Flavour(name="root", whole=True)
    return Flavour(name=hashlib.sha256(repr(maps).encode()).hexdigest()[:16], whole=False)


def _normal(text: str) -> str:
    return ";".join(" ".join(line.split()) for line in text.splitlines())
