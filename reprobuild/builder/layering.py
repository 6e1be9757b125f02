"""Which wheels share a layer: a rule that depends on the lock alone."""

import hashlib
from collections.abc import Sequence

from reprobuild.lockfile import Wheel, normal_name

__all__ = ["GROUPS", "LARGE_WHEEL", "LARGE_WHEELS", "is_large", "layering"]

LARGE_WHEELS = 24
"""How many wheels get a layer of their own at most: overlay stops near 127 layers, bases and hooks need some."""
LARGE_WHEEL = 1024 * 1024
"""The size in bytes from which a wheel gets a layer of its own: few wheels hold most of the bytes."""
GROUPS = 16
"""How many layers all other wheels are spread over at most, so that connectors share those in which they agree."""


def is_large(wheel: Wheel) -> bool:
    """Say whether *wheel* is large enough for a layer of its own."""
    return wheel.size >= LARGE_WHEEL


def layering(wheels: Sequence[Wheel], *, groups: int = GROUPS) -> tuple[tuple[Wheel, ...], ...]:
    """Return *wheels* in layers: the largest alone, in the order given, then the others, in as many as *groups*.

    A function of the lock alone. Which group a wheel is in says the name of its distribution, so that another version
    of one changes the layer of a few.
    """
    by_size = sorted(wheels, key=lambda wheel: (-wheel.size, wheel.file))
    large = {wheel.file for wheel in by_size[:LARGE_WHEELS] if is_large(wheel)}
    shared: dict[int, list[Wheel]] = {}
    for wheel in wheels:
        if wheel.file not in large:
            shared.setdefault(_group(wheel) % groups, []).append(wheel)
    alone = tuple((wheel,) for wheel in wheels if wheel.file in large)
    return alone + tuple(tuple(shared[number]) for number in sorted(shared))


def _group(wheel: Wheel) -> int:
    """Return a number below 256 that the name of the distribution decides."""
    return hashlib.sha256(normal_name(wheel.file.split("-")[0]).encode()).digest()[0]
