"""Two entries of one path: which of their metadata differ. Contents are looked at elsewhere."""

from collections.abc import Iterator
from functools import lru_cache

from reprobuild.builder.tree import Entry
from reprobuild.verify.cause import Cause

__all__ = ["metadata_causes", "when"]

Found = tuple[Cause, str, str]
"""A cause, and what A and B have."""


def metadata_causes(a: Entry, b: Entry) -> Iterator[Found]:
    """Yield what differs between *a* and *b*, which are of one kind, hard links already followed."""
    # A symbolic link has no mode of its own: what an archive says of it is what its writer made up.
    if a.mode != b.mode and a.kind != "symlink":
        yield "mode", f"{a.mode:04o}", f"{b.mode:04o}"
    if (a.uid, a.gid) != (b.uid, b.gid):
        yield "owner", f"{a.uid}:{a.gid}", f"{b.uid}:{b.gid}"
    if a.xattrs != b.xattrs:
        yield "xattr", _xattrs(a), _xattrs(b)
    if a.device != b.device:
        yield "device", "{}:{}".format(*a.device), "{}:{}".format(*b.device)
    if a.kind == "symlink" and a.target != b.target:
        yield "link target", a.target, b.target


@lru_cache(maxsize=1024)
def when(seconds: int) -> str:
    """Return *seconds* since 1970 as a time in UTC, or the number itself where no calendar reaches."""
    from datetime import UTC, datetime  # noqa: PLC0415 - few differences are about times

    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def _xattrs(entry: Entry) -> str:
    return ", ".join(f"{name}={value.hex()[:64]}" for name, value in entry.xattrs) or "none"
