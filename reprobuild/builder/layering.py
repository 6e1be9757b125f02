"""Which wheels share a layer: a rule that depends on the lock alone."""

from collections.abc import Sequence

from reprobuild.lockfile import Wheel

__all__ = ["LARGE_WHEEL", "LARGE_WHEELS", "is_large", "layering"]

LARGE_WHEELS = 24
"""How many wheels get a layer of their own at most: overlay stops near 127 layers, bases and hooks need some."""
LARGE_WHEEL = 1024 * 1024
"""The size in bytes from which a wheel gets a layer of its own: few wheels hold most of the bytes."""


def is_large(wheel: Wheel) -> bool:
    """Say whether *wheel* is large enough for a layer of its own."""
    return wheel.size >= LARGE_WHEEL


def layering(wheels: Sequence[Wheel]) -> tuple[tuple[Wheel, ...], ...]:
    """Return *wheels* in layers: the largest alone, in the order given, then one that all others share.

    A function of the lock alone, so that connectors which share a large wheel share its layer.
    """
    by_size = sorted(wheels, key=lambda wheel: (-wheel.size, wheel.file))
    large = {wheel.file for wheel in by_size[:LARGE_WHEELS] if is_large(wheel)}
    rest = tuple(wheel for wheel in wheels if wheel.file not in large)
    return tuple((wheel,) for wheel in wheels if wheel.file in large) + ((rest,) if rest else ())
