"""Images rebuilt from nothing under conditions that differ, held against each other and against the lock."""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from anyio import to_thread

from reprobuild.builder.plan import PlannedImage
from reprobuild.canonical import Digest
from reprobuild.oci.types import Platform
from reprobuild.progress import Progress
from reprobuild.store import Store
from reprobuild.verify.conditions import Conditions, conditions
from reprobuild.verify.differing_machine import hand_over, unvaried, wrapper
from reprobuild.verify.rebuild import ImageName, Obstacle, Rebuilt, rebuild
from reprobuild.verify.seed import copy_workspace, listed_otherwise, seed_store, sources_of
from reprobuild.workspace import Workspace

__all__ = ["Answer", "Rebuilding", "Rebuilds", "Verdict", "verdicts"]

Answer = Literal["same", "mismatch", "unrecorded", "differs", "unknown"]
"""All builds gave one digest: the lock's, not the lock's, or one that no lock records; they gave several; or none."""
_UNVARIED: Mapping[str, Mapping[str, Any]] = {
    "hostname": {"hostname": None},
    "user": {"other_user": False},
    "processors": {"processors": None},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one image: the digests of its rebuilds in order, and what the lock has for this derivation.

    ``manifests`` pairs the number of a rebuild with what it gave. Where one could not be done, that is the
    ``obstacle``, and nothing is known.
    """

    connector: str
    platform: Platform
    answer: Answer
    manifests: tuple[tuple[int, Digest], ...] = ()
    recorded: Digest | None = None
    obstacle: Obstacle | None = None

    @property
    def name(self) -> ImageName:
        """Which image it is."""
        return self.connector, str(self.platform)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilds:
    """All rebuilds, and what could not be varied between them on this machine, with the reason."""

    builds: tuple[Rebuilt, ...] = ()
    unvaried: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilding:
    """Rebuilds of *images* below the empty folders ``scratch`` and ``checkouts``, which lists as it was written.

    What the images are made from is in ``store``, of which nothing else is used; ``built`` has what wheels are built
    from, by the wheel's digest.
    """

    images: Sequence[PlannedImage]
    workspace: Workspace
    store: Store
    scratch: Path
    checkouts: Path
    built: Mapping[Digest, Collection[Digest]] = field(default_factory=dict)

    async def all(self, varied: Collection[str], progress: Progress) -> Rebuilds:
        """Rebuild, varying what *varied* names. What cannot be rebuilt is told with its reason, never left out."""
        plans = conditions(varied)
        missing = dict(found for plan in plans for found in unvaried(plan))
        if not self.images:
            return Rebuilds(unvaried=tuple(missing.items()))
        task = progress.task("rebuilding from nothing", len(plans), unit="builds")
        builds: list[Rebuilt] = []
        for plan in plans:
            usable = replace(plan, **{key: value for name in missing for key, value in _UNVARIED.get(name, {}).items()})
            builds.append(await self._rebuilt(usable, builds))
            task.advance(1)
        task.finish()
        if any(plan.reverse for plan in plans) and not listed_otherwise(*map(self._checkout, plans[:2])):
            missing["order"] = f"{self.checkouts} lists files in an order of its own"
        if any(plan.other_user for plan in plans) and "user" not in missing and (names := self._executing()):
            missing["user"] = f"what {', '.join(names)} executes needs ids that nobody else has"
        return Rebuilds(builds=tuple(builds), unvaried=tuple(missing.items()))

    async def _rebuilt(self, plan: Conditions, before: Sequence[Rebuilt]) -> Rebuilt:
        checkout, home = self._checkout(plan), self.scratch / str(plan.number) / plan.home
        for folder in {self.scratch / str(plan.number), self.checkouts / str(plan.number)}:
            folder.mkdir(mode=0o700)
        home.mkdir()
        await to_thread.run_sync(copy_workspace, self.workspace, checkout, plan)
        store = await to_thread.run_sync(self._store, plan, before)
        if plan.other_user:
            for folder in (self.scratch / str(plan.number), self.checkouts / str(plan.number)):
                hand_over(folder)
        manifests: dict[ImageName, Digest] = {}
        obstacles: dict[ImageName, Obstacle] = {}
        waiting = list(self._batches(plan))
        while waiting:
            usable, names = waiting.pop(0)
            found = await rebuild(
                usable,
                workspace=checkout,
                store=store,
                home=home,
                images=names,
                wrapper=wrapper(usable),
                given=self._variables(),
            )
            if not isinstance(found, Obstacle):
                manifests |= found
            elif len(names) > 1:
                # Which of them is it? The others can be built.
                waiting += [(usable, [name]) for name in names]
            else:
                obstacles[names[0]] = found
        return Rebuilt(conditions=plan, store=store, manifests=manifests, obstacles=obstacles)

    def _store(self, plan: Conditions, before: Sequence[Rebuilt]) -> Store:
        if plan.store is None:
            folder = self.scratch / str(plan.number) / "store"
            return seed_store(self.store, folder, sources_of(self.images, self.store, self.built))
        filled = next(one.store for one in before if one.conditions.number == plan.store)
        # The layers stay, the images have to be put together again.
        shutil.rmtree(filled.root / "records" / "output", ignore_errors=True)
        return filled

    def _batches(self, plan: Conditions) -> Iterator[tuple[Conditions, list[ImageName]]]:
        """Yield what one command can build: images for the same platforms, by a user who can."""
        batches: dict[tuple[bool, tuple[str, ...]], list[ImageName]] = {}
        executing = self._executing() if plan.other_user else ()
        for name in dict.fromkeys(image.derivation.connector for image in self.images):
            of = [image.derivation for image in self.images if image.derivation.connector == name]
            platforms = tuple(sorted(str(one.platform) for one in of))
            batches.setdefault((name in executing, platforms), []).extend((name, one) for one in platforms)
        for (executes, _), names in batches.items():
            yield replace(plan, other_user=plan.other_user and not executes), names

    def _executing(self) -> tuple[str, ...]:
        """Return the connectors of which something is executed: in a sandbox, which needs ids of its user's."""
        return tuple(dict.fromkeys(image.derivation.connector for image in self.images if self._executes(image)))

    def _executes(self, image: PlannedImage) -> bool:
        derivation = image.derivation
        built = any(wheel.digest in self.built for wheel in derivation.installed)
        return bool(derivation.hooks) or derivation.bytecode != "none" or built

    def _checkout(self, plan: Conditions) -> Path:
        return self.checkouts / str(plan.number) / plan.path

    def _variables(self) -> list[str]:
        """Return the names of the variables that hold secrets of hooks."""
        connectors = {image.derivation.connector for image in self.images}
        return [one.env for name in sorted(connectors) for one in self.workspace.connectors[name].secrets if one.env]


def verdicts(images: Sequence[PlannedImage], builds: Sequence[Rebuilt]) -> tuple[Verdict, ...]:
    """Return what *builds* say of each of *images*."""
    return tuple(_verdict(image, builds) for image in images)


def _verdict(image: PlannedImage, builds: Sequence[Rebuilt]) -> Verdict:
    derivation = image.derivation
    name = derivation.connector, str(derivation.platform)
    found = tuple((build.conditions.number, build.manifests[name]) for build in builds if name in build.manifests)
    recorded = image.recorded.manifest if image.recorded and image.recorded.derivation == image.key else None
    obstacle = next(iter(_obstacles(name, builds)), None)
    answer: Answer = "unknown"
    if len({digest for _, digest in found}) > 1:
        answer, obstacle = "differs", None
    elif obstacle is None and found:
        answer = "unrecorded" if recorded is None else "same" if found[0][1] == recorded else "mismatch"
    return Verdict(
        connector=derivation.connector,
        platform=derivation.platform,
        answer=answer,
        manifests=found,
        recorded=recorded,
        obstacle=obstacle,
    )


def _obstacles(name: ImageName, builds: Sequence[Rebuilt]) -> Iterator[Obstacle]:
    for build in builds:
        if name in build.obstacles:
            found = build.obstacles[name]
            yield replace(found, reason=f"rebuild {build.conditions.number}: {found.reason}")
