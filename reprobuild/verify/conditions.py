"""What is varied between two rebuilds of one image: the surroundings that no byte may depend on."""

from collections.abc import Collection
from dataclasses import dataclass

from reprobuild.errors import SpecificationError

__all__ = ["CONDITIONS", "Conditions", "chosen_conditions", "conditions", "differing"]

CONDITIONS = {
    "path": "the folder of the workspace",
    "order": "the order in which the workspace's folders list their files",
    "umask": "the mode of new files, and of the workspace's: 022, 077",
    "timezone": "TZ: UTC, fourteen hours east of it",
    "locale": "LANG and LC_ALL: C.UTF-8, POSIX",
    "hash-seed": "PYTHONHASHSEED: 0, 4242",
    "hostname": "the name of the machine",
    "user": "who builds: you, nobody; only where nothing is executed",
    "home": "HOME, and XDG_CACHE_HOME in it",
    "processors": "all that there are, one",
    "clock": "today, a year ahead; the times of the workspace's files, too",
    "store": "empty, and with all layers of the build before",
}
"""Each condition by name, and what it is in the first build and in the second."""

_DAYS_AHEAD = 366
_FAR_EAST = "<+14>-14"
"""In words of POSIX: a name would be UTC wherever the files of time zones are not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The surroundings of one rebuild; ``days`` are added to the clock, ``processors`` are None for all.

    ``number`` tells rebuilds apart in paths and names. ``store`` is the number of the rebuild whose layers are at
    hand, None if the store holds only what a build is made from.
    """

    number: int
    path: str
    reverse: bool = False
    umask: int = 0o022
    timezone: str = "UTC"
    locale: str = "C.UTF-8"
    hash_seed: int = 0
    hostname: str | None = None
    other_user: bool = False
    home: str = "home"
    processors: int | None = None
    days: int = 0
    store: int | None = None


def differing(one: Conditions, other: Conditions) -> tuple[str, ...]:
    """Return by name in what *one* and *other* differ."""
    members = {
        "path": "path",
        "order": "reverse",
        "umask": "umask",
        "timezone": "timezone",
        "locale": "locale",
        "hash-seed": "hash_seed",
        "hostname": "hostname",
        "user": "other_user",
        "home": "home",
        "processors": "processors",
        "clock": "days",
        "store": "store",
    }
    return tuple(name for name, member in members.items() if getattr(one, member) != getattr(other, member))


def chosen_conditions(text: str | None) -> tuple[str, ...]:
    """Return the conditions that *text*, names with commas, chooses; all without it.

    Raises SpecificationError for a name that is none.
    """
    if text is None:
        return tuple(CONDITIONS)
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in CONDITIONS:
            raise SpecificationError(
                f"there is no condition {name[:50]!r}", where="--vary", hint=f"there are: {', '.join(CONDITIONS)}"
            )
    return tuple(dict.fromkeys(names))


def conditions(varied: Collection[str]) -> tuple[Conditions, ...]:
    """Return the rebuilds that vary what *varied* names: two from an empty store, and one from a filled one."""
    first = Conditions(number=1, path="workspace")
    second = Conditions(
        number=2,
        path="a much longer path/with spaces/and-more" if "path" in varied else "workspace",
        reverse="order" in varied,
        umask=0o077 if "umask" in varied else 0o022,
        timezone=_FAR_EAST if "timezone" in varied else "UTC",
        locale="POSIX" if "locale" in varied else "C.UTF-8",
        hash_seed=4242 if "hash-seed" in varied else 0,
        hostname="another-machine" if "hostname" in varied else None,
        other_user="user" in varied,
        home="another home" if "home" in varied else "home",
        processors=1 if "processors" in varied else None,
        days=_DAYS_AHEAD if "clock" in varied else 0,
    )
    if "store" not in varied:
        return first, second
    return first, second, Conditions(number=3, path="workspace", store=1)
