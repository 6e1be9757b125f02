"""Shards: the connectors of one command, divided among machines that do not know of each other."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from reprobuild.errors import SpecificationError

__all__ = ["Shard", "parse_shard", "sharded"]

_MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Part ``number``, from 1, of ``count``."""

    number: int
    count: int


def parse_shard(text: str | None) -> Shard | None:
    """Return what ``I/N`` stands for; raise SpecificationError if it is nothing of the kind."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", text, re.ASCII)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= _MOST:
        hint = "write it like 2/8: the second of eight, from 1/8 to 8/8"
        raise SpecificationError(f"{text[:100]!r} is no shard", where="--shard", hint=hint)
    return Shard(number=int(match[1]), count=int(match[2]))


def sharded(names: Collection[str], shard: Shard | None) -> tuple[str, ...]:
    """Return those of *names* that *shard* is for, sorted; all of them, as they are, without one.

    Dealt like cards, in the order of their names: each name is in one shard, shards differ by one in size at most, and
    nothing but the names counts, so that all machines that choose the same connectors agree.
    """
    if shard is None:
        return tuple(dict.fromkeys(names))
    return tuple(sorted(set(names))[shard.number - 1 :: shard.count])
