"""What builds an sdist, resolved and in the store: its build requirements as wheels, for all platforms of a builder."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from reprobuild.builder.sdist import BuildSystem
from reprobuild.errors import LockError
from reprobuild.lockfile import BaseImage, Wheel, normal_name
from reprobuild.progress import Progress
from reprobuild.resolver.distributions import Wanted, resolve
from reprobuild.resolver.wheel_fetch import download
from reprobuild.store import Store
from reprobuild.target import Target

__all__ = ["BuildRequirements"]

_CALLER = "pyproject-hooks"
"""What calls the backend in the sandbox."""

Backend = Callable[[tuple[Wheel, ...]], Awaitable[tuple[str, ...]]]
"""Asks a backend, installed from these wheels, what else it requires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequirements:
    """Finds what sdists are built with: wheels alone, from the index of the workspace *root*, within *constraints*."""

    root: Path
    constraints: tuple[str, ...]
    store: Store
    progress: Progress

    async def find(self, system: BuildSystem, builder: BaseImage, backend: Backend, *, where: str) -> tuple[Wheel, ...]:
        """Return the wheels that an sdist with *system* is built with on *builder*, sorted by file name, in the store.

        Raises LockError, naming *where*, if there is no solution of wheels alone.
        """
        wheels = await self._resolved(system.requires, builder, where)
        more = [text for text in await backend(wheels) if not _satisfied(text, wheels, builder)]
        return wheels if not more else await self._resolved((*system.requires, *more), builder, where)

    async def _resolved(self, requirements: tuple[str, ...], builder: BaseImage, where: str) -> tuple[Wheel, ...]:
        wanted = Wanted(
            name=f"what {where} is built with",
            requirements=(*requirements, _CALLER),
            targets=tuple(
                Target(platform=platform, python=builder.python, libc=builder.libc)
                for platform in sorted(builder.platforms)
            ),
            constraints=self.constraints,
        )
        try:
            choices = await resolve(wanted, self.root)
        except LockError as error:
            error.hint = "bound them with `build-constraints` in [tool.reprobuild]; they are taken as wheels only"
            raise
        offers = [offer for choice in choices for offer in choice.offers]
        wheels = await download(offers, self.root, self.store, progress=self.progress)
        return tuple(wheels[file] for file in sorted(wheels))


def _satisfied(text: str, wheels: tuple[Wheel, ...], builder: BaseImage) -> bool:
    """Say whether the requirement *text* holds among *wheels*, or is not for the Python of *builder* at all."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415
    from packaging.utils import parse_wheel_filename  # noqa: PLC0415

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise LockError(f"its backend requires {text[:100]!r}, which is no requirement", where=builder.name) from error
    target = Target(platform=min(builder.platforms), python=builder.python, libc=builder.libc)
    if requirement.marker is not None and not requirement.marker.evaluate(target.environment):
        return True
    found = [parse_wheel_filename(wheel.file)[:2] for wheel in wheels]
    return not requirement.extras and any(
        name == normal_name(requirement.name) and requirement.specifier.contains(version, prereleases=True)
        for name, version in found
    )
