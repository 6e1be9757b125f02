"""Which platform this machine is, for those few decisions that may depend on it: what is built first, and where."""

import os
from collections.abc import Sequence

from reprobuild.lockfile import BaseImage
from reprobuild.oci.types import Platform
from reprobuild.target import Target

__all__ = ["build_order", "native"]

_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "386",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}


def native(platforms: Sequence[Platform]) -> Platform | None:
    """Return the one of *platforms* that runs here without emulation; None if none does."""
    architecture = _ARCHITECTURES.get(os.uname().machine)
    return next((one for one in sorted(platforms) if one.os == "linux" and one.architecture == architecture), None)


def build_order(targets: Sequence[Target], builder: BaseImage) -> tuple[Target, ...]:
    """Return what to build for, the machine's own platform first: a wheel without machine code is then done.

    That platform stands there even if it is none of *targets*, as long as *builder* has it.
    """
    own = native(tuple(builder.platforms))
    if own is None:
        return tuple(targets)
    first = [target for target in targets if target.platform == own]
    if not first:
        first = [Target(platform=own, python=targets[0].python, libc=targets[0].libc)]
    return (*first, *(target for target in targets if target.platform != own))
