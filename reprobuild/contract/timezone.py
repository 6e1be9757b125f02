"""The timezone of an image: what its C library would take for local time (tzset(3))."""

import posixpath

from reprobuild.contract.facts import Facts
from reprobuild.image.tree import ImageTree

__all__ = ["timezone_fault"]

_ZONES = "usr/share/zoneinfo"
_LOCALTIME = "/etc/localtime"
_UTC = frozenset({"UTC", "UTC0", "UCT", "Universal", "Zulu", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", ""})
_UTC_RULES = (b"\nUTC0\n", b"\n<UTC>0\n")
"""How the rules for all times to come are written at the end of UTC's file (RFC 9636, "TZif Footer")."""


def timezone_fault(facts: Facts, wanted: str) -> str | None:
    """Return what the timezone of *facts*, files included, is instead of *wanted*, in words; None if it is that."""
    variable = facts.env.get("TZ")
    if variable is not None:
        zone = variable.removeprefix(":").removeprefix(f"/{_ZONES}/")
        return None if _same(zone, wanted) else f"TZ is {variable[:100]!r}"
    if facts.timezone is not None:
        return None if _same(facts.timezone, wanted) else f"it is set to {facts.timezone}"
    return _fault_of_file(facts, facts.tree, wanted) if facts.tree is not None else None


def _same(zone: str, wanted: str) -> bool:
    return zone == wanted or (zone in _UTC and wanted in _UTC)


def _fault_of_file(facts: Facts, tree: ImageTree, wanted: str) -> str | None:
    folder = tree.find("/etc")
    node = tree.get(f"{folder.path}/localtime") if folder is not None else None
    if node is None:
        return None if wanted in _UTC else f"there is no {_LOCALTIME}, so it is UTC"
    led, zone = tree.find(_LOCALTIME), tree.find(f"/{_ZONES}/{wanted}")
    if led is not None and zone is not None and led.path == zone.path:
        return None
    if node.kind == "symlink":
        # A zone that is missing is UTC to the C library.
        fits = _same(_named(node.target), wanted) and (led is not None or wanted in _UTC)
        missing = "" if led is not None else ", which is missing"
        return None if fits else f"{_LOCALTIME} leads to {node.target[:100]}{missing}"
    content = facts.content(_LOCALTIME)
    is_utc = content.startswith(b"TZif") and content.endswith(_UTC_RULES)
    if (is_utc and wanted in _UTC) or (zone is not None and content and content == zone.node.content):
        return None
    return f"{_LOCALTIME} is a file of its own, with another zone in it"


def _named(target: str) -> str:
    """Return the zone that the link /etc/localtime names with *target*; the whole path where it names none."""
    path = posixpath.normpath(posixpath.join("/etc", target))
    return path.removeprefix(f"/{_ZONES}/")
