"""The timezone of an image by name: what its C library would take for local time (tzset(3))."""

from collections.abc import Mapping

from reprobuild.image.tree import ImageTree

__all__ = ["zone_of"]

_ZONES = "usr/share/zoneinfo/"
_LOCALTIME = "/etc/localtime"
_FIRST = ("Etc/UTC", "UTC")
"""Of several names of one zone these are meant."""


def zone_of(tree: ImageTree, environment: Mapping[str, str]) -> str:
    """Return the name of the zone, such as ``Europe/Berlin``: ``UTC`` for all names of that, ``""`` if unknown."""
    if (variable := environment.get("TZ")) is not None:
        return _plain(variable.removeprefix(":"))
    found = tree.find(_LOCALTIME)
    if found is None:
        # None, or a link that leads nowhere: to the C library that is UTC.
        return "UTC"
    if found.path.startswith(_ZONES):
        return _plain(f"/{found.path}")
    if found.links and not found.path.startswith(_ZONES):
        return ""
    names = (path.removeprefix(_ZONES) for path, node in tree.walk(_ZONES) if node.digest == found.node.digest)
    same = sorted(names, key=lambda name: (name not in _FIRST, name.startswith(("posix/", "right/")), name))
    return _plain(same[0]) if same else ""


def _plain(name: str) -> str:
    name = name.removeprefix(f"/{_ZONES}")
    return "UTC" if name in {"", "UTC", "UTC0", "UCT", "Universal", "Zulu"} or name in _ETC else name


_ETC = frozenset({"Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu"})
