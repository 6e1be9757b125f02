"""What an executed step leaves behind that no image keeps: a rule of bytes (design §9).

Logs, caches and the identity of a machine tell when and where something ran, not what was built. At these paths
a step changes nothing: what it wrote there is not in its layer, and what it removed there stays.
"""

import re

__all__ = ["is_masked", "settled_shadow"]

_FILES = frozenset({
    *("etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab"),
    *("etc/.pwd.lock", "etc/ld.so.cache~", "var/cache/ldconfig/aux-cache", "var/lib/dpkg/lock"),
    *("var/lib/dpkg/lock-frontend", "var/lib/dpkg/triggers/Lock", "var/cache/debconf/config.dat-old"),
    *("var/cache/debconf/templates.dat-old", "var/lib/dpkg/status-old", "var/lib/dpkg/diversions-old"),
    *("var/lib/dpkg/statoverride-old", "lib/apk/db/lock", "root/.wget-hsts", "root/.bash_history"),
    *("root/.python_history", "root/.lesshst"),
})  # fmt: skip
_BELOW = (
    *("tmp", "var/tmp", "run", "var/run", "proc", "sys", "dev"),
    *("var/log", "var/lib/apt/lists", "var/cache/apt", "var/cache/fontconfig", "var/cache/apk", "var/cache/man"),
    *("var/cache/dnf", "var/cache/yum", "etc/apk/cache", "lib/apk/exec"),
)
"""Folders of which only what is below is masked: they themselves are the image's."""
_WHOLE = ("root/.cache", "root/.npm", "root/.launchpadlib")
_HOME_CACHE = re.compile(r"home/[^/]+/\.cache(/.*)?")
_SHADOW = frozenset({"etc/shadow", "etc/shadow-"})
_DAY = 24 * 60 * 60


def is_masked(path: str) -> bool:
    """Say whether a step's change of *path* is left out; *path* is relative to the root."""
    if path in _FILES or _HOME_CACHE.fullmatch(path):
        return True
    return any(path.startswith(f"{folder}/") for folder in (*_BELOW, *_WHOLE)) or path in _WHOLE


def settled_shadow(path: str, content: bytes, before: bytes, *, epoch: int) -> bytes:
    """Return *content*, with the days of last changes that it does not share with *before* set to *epoch*'s.

    Only of ``etc/shadow`` and its backup (shadow(5), third field, days since 1970); others come back as they are.
    """
    if path not in _SHADOW:
        return content
    known = set(before.split(b"\n"))
    return b"\n".join(line if line in known else _settled(line, epoch) for line in content.split(b"\n"))


def _settled(line: bytes, epoch: int) -> bytes:
    fields = line.split(b":")
    if len(fields) < 3 or not fields[2].isdigit():
        return line
    return b":".join([*fields[:2], str(epoch // _DAY).encode(), *fields[3:]])
