"""A component: something in an image that has a name and a version, and the paths where it was found."""

from dataclasses import dataclass
from typing import Literal

from reprobuild.canonical import Digest

__all__ = ["Component", "Kind"]

Kind = Literal["base", "distribution", "interpreter", "operating-system", "package"]
"""A base image, a Python distribution, a Python, what os-release names, a package of that."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Component:
    """What was found; ``paths`` are stored paths without a leading slash, sorted.

    ``digest`` is that of a wheel, or of a base image's manifest. ``license`` is an expression of SPDX's, a name or
    nothing. ``layer`` is the diffID of the layer that brought it, the uppermost if there are several.
    """

    kind: Kind
    name: str
    version: str
    purl: str = ""
    paths: tuple[str, ...] = ()
    license: str = ""
    digest: Digest | None = None
    layer: Digest | None = None
