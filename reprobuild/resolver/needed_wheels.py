"""The wheels that connectors install, as their locks have them, with what an index knows them by."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reprobuild.errors import LockError
from reprobuild.lockfile import Lock, Sdist, Wheel
from reprobuild.selection import selected
from reprobuild.store import Store
from reprobuild.target import Target

if TYPE_CHECKING:
    from reprobuild.workspace import Workspace

__all__ = ["Needed", "needed_wheels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """A wheel with the distribution and version that an index knows it by, and a target that installs it.

    ``sdist`` is what it is built from if no index has it.
    """

    name: str
    version: str
    wheel: Wheel
    target: Target
    sdist: Sdist | None = None


def needed_wheels(workspace: "Workspace", lock: Lock, names: Collection[str], store: Store) -> tuple[Needed, ...]:
    """Return what all platforms of the connectors *names* install, pinned pips included, each wheel once.

    Raises LockError if two locks mean different wheels by one file name.
    """
    needed: dict[str, Needed] = {}

    def need(name: str, version: str, wheel: Wheel, target: Target, sdist: Sdist | None = None) -> None:
        new = Needed(name=name, version=version, wheel=wheel, target=target, sdist=sdist)
        if needed.setdefault(wheel.file, new).wheel != wheel:
            raise LockError(
                "two locks have it with different hashes or sizes",
                where=wheel.file,
                hint=f"find out which one is right; then run `reprobuild lock update -P {name}`",
            )

    for name in names:
        connector, spec = lock.connectors[name], workspace.connectors[name]
        base = lock.bases[connector.base]
        packages = {wheel.file: one for one in connector.packages for wheel in one.wheels}
        for platform in spec.platforms:
            target = Target(platform=platform, python=base.python, libc=base.libc)
            for wheel in selected(store, connector, target):
                package = packages[wheel.file]
                need(package.name, package.version, wheel, target, package.sdist if wheel in package.built else None)
            if (pip := base.pip_wheel) is not None:
                need("pip", pip.file.split("-")[1], pip, target)
    return tuple(needed.values())
