"""Whom a program runs as: a ``User`` of an image's config, looked up in the image's own files.

The form is OCI's (image-spec, config.md): ``user``, ``uid``, ``user:group``, ``uid:gid`` and their mixtures.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reprobuild.errors import SpecificationError

__all__ = ["ROOT", "Account", "account_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Numeric ids as the image has them, and the home folder that passwd(5) gives, ``/`` if it has none."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"


ROOT = Account(uid=0, gid=0, home="/root")


def account_of(user: str, passwd: bytes, group: bytes, *, where: str) -> Account:
    """Return the account that *user* stands for, ``""`` being root, in an image with these files.

    A number need not stand in them. Raises SpecificationError, naming *where*, for a name that does not.
    """
    if not user:
        return ROOT
    name, _, group_name = user.partition(":")
    line = next((fields for fields in _lines(passwd, 7) if name in {fields[0], fields[2]}), None)
    if line is None and not name.isdigit():
        raise _unknown("user", name, where)
    uid = int(line[2]) if line else int(name)
    gid = int(line[3]) if line else 0
    # Docker gives the groups of a user only where no group is named.
    groups = () if group_name else tuple(_groups(line[0], group)) if line else ()
    return Account(
        uid=uid,
        gid=_gid(group_name, group, where) if group_name else gid,
        groups=groups,
        home=(line[5] or "/") if line else ("/root" if uid == 0 else "/"),
    )


def _gid(name: str, group: bytes, where: str) -> int:
    for fields in _lines(group, 4):
        if fields[0] == name:
            return int(fields[2])
    if name.isdigit():
        return int(name)
    raise _unknown("group", name, where)


def _groups(user: str, group: bytes) -> Iterator[int]:
    return (int(fields[2]) for fields in _lines(group, 4) if user in fields[3].split(","))


def _lines(data: bytes, count: int) -> Iterator[list[str]]:
    """Yield the lines of passwd(5) or group(5) that have *count* fields and numbers where they belong."""
    for line in data.decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) == count and fields[2].isdigit() and (count == 4 or fields[3].isdigit()):
            yield fields


def _unknown(kind: str, name: str, where: str) -> SpecificationError:
    return SpecificationError(
        f"the image has no {kind} {name[:100]!r}",
        where=where,
        hint=f"add the {kind} in an earlier step or in the base image, or write a number",
    )
