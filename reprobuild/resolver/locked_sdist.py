"""What a lock says of an sdist, held against what is specified: whether it can be built as it was."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reprobuild.errors import LockError
from reprobuild.lockfile import BaseImage, ConnectorLock, Sdist, Wheel, normal_name
from reprobuild.resolver.offers import Offer, best_offer
from reprobuild.target import Target

if TYPE_CHECKING:
    from reprobuild.workspace import ConnectorSpec, Workspace

__all__ = ["builder_of", "check_builder", "required_wheels", "stale_sdist", "stale_sdists"]


def builder_of(workspace: "Workspace", base: str) -> str:
    """Return the name of the base that sdists for *base* are built on."""
    return workspace.bases[base].builder or base


def stale_sdists(workspace: "Workspace", spec: "ConnectorSpec", lock: ConnectorLock) -> Iterator[str]:
    """Yield why sdists of *lock*, the connector *spec*'s, have to be built anew."""
    if spec.base != lock.base:
        return
    builder = builder_of(workspace, spec.base)
    for package in lock.packages:
        if package.sdist is not None and (reason := stale_sdist(package.sdist, builder, workspace.build_constraints)):
            yield f"{package.name} {package.version} is built from source: {reason}"


def stale_sdist(sdist: Sdist, builder: str, constraints: Sequence[str]) -> str | None:
    """Return why *sdist* cannot be built as it is locked, on *builder* and within *constraints*; None if it can."""
    if sdist.builder != builder:
        return f"the builder is {builder}, the lock has {sdist.builder}"
    if not constraints:
        return None
    from packaging.requirements import Requirement  # noqa: PLC0415 - few workspaces have constraints
    from packaging.utils import parse_wheel_filename  # noqa: PLC0415

    bounds = [Requirement(text) for text in constraints]
    for wheel in sdist.requires:
        name, version, _, _ = parse_wheel_filename(wheel.file)
        for bound in bounds:
            if normal_name(bound.name) == name and not bound.specifier.contains(version, prereleases=True):
                return f"the lock has {name} {version}, build-constraints {bound}"
    return None


def required_wheels(sdist: Sdist, target: Target) -> tuple[Wheel, ...]:
    """Return the wheels that *sdist* is built with on *target*, sorted by file name."""
    names: dict[str, dict[str, Wheel]] = {}
    for wheel in sdist.requires:
        names.setdefault(normal_name(wheel.file.split("-")[0]), {})[wheel.file] = wheel
    chosen = []
    for wheels in names.values():
        offers = [Offer(file=one.file, url="", size=one.size, digest=one.digest) for one in wheels.values()]
        if (best := best_offer(offers, target)) is not None:
            chosen.append(wheels[best.file])
    return tuple(sorted(chosen, key=lambda wheel: wheel.file))


def check_builder(base: BaseImage, builder: BaseImage) -> None:
    """Raise LockError unless what is built on *builder* runs on *base*: one Python, and no newer C library."""
    python, libc = (tuple(one.python.split(".")[:2]) for one in (base, builder)), (base.libc, builder.libc)
    if len(set(python)) != 1:
        why = f"it has Python {builder.python}, {base.name} has {base.python}"
    elif libc[0].family != libc[1].family:
        why = f"its C library is {builder.libc}, that of {base.name} is {base.libc}"
    elif libc[1] > libc[0]:
        why = f"its {builder.libc} is newer than the {base.libc} of {base.name}"
    else:
        return
    raise LockError(
        f"it cannot build for {base.name}: {why}",
        where=f"the base {builder.name}",
        hint=f"name another base as the builder of {base.name}",
    )
