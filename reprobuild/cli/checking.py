"""A check as it was asked for: plan, supply, rebuild, explain, run hooks twice, print. What `reprobuild check` does."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from reprobuild.builder.plan import PlannedImage, plan_connector
from reprobuild.cli.choice import chosen_connectors
from reprobuild.cli.loop import run_async
from reprobuild.cli.opening import open_store, open_workspace
from reprobuild.cli.planning import fresh_lock, wanted_platforms
from reprobuild.cli.progress import Display, open_display
from reprobuild.cli.secrets import read_secrets
from reprobuild.cli.settings import Settings
from reprobuild.cli.sources import Supplier
from reprobuild.cli.supply import supply_layers
from reprobuild.engines.executor import unheard
from reprobuild.engines.open import open_executor
from reprobuild.engines.variation import Variation
from reprobuild.errors import ReprobuildError
from reprobuild.lockfile import Lock
from reprobuild.oci.types import Platform
from reprobuild.store import Store
from reprobuild.verify.check import Rebuilding, Rebuilds, Verdict, verdicts
from reprobuild.verify.conditions import CONDITIONS, chosen_conditions
from reprobuild.verify.explanation import Explanation, explained, keep_sides, sides_of
from reprobuild.verify.hook_verdict import HookVerdict
from reprobuild.verify.purity import impurity
from reprobuild.verify.rebuild import ImageName, Obstacle, Rebuilt
from reprobuild.verify.report import Report

if TYPE_CHECKING:
    from reprobuild.workspace import Workspace

__all__ = ["CheckRequest", "list_conditions", "run_check"]

_MEMORY = Path("/dev/shm")  # noqa: S108
"""A file system that lists files in the order in which they were made, the last first."""
_ELSEWHERE = "another-machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """The options of `reprobuild check`, as they were given."""

    names: tuple[str, ...] = ()
    everything: bool = False
    changed_since: str | None = None
    platforms: tuple[str, ...] = ()
    vary: str | None = None
    offline: bool = False
    keep: Path | None = None
    junit: Path | None = None
    json: bool = False


def list_conditions() -> int:
    """Print what can be varied; return the exit code."""
    from reprobuild.cli.output import say

    for name, meaning in CONDITIONS.items():
        say(f"{name:<10}  {meaning}")
    return 0


def run_check(request: CheckRequest, settings: Settings) -> int:
    """Do what *request* asks and return the exit code: 1 if anything is not as it should be, or is not known."""
    varied = chosen_conditions(request.vary)
    workspace = open_workspace(settings)
    chosen = chosen_connectors(request, workspace, settings)
    lock = fresh_lock(workspace, chosen) if chosen else Lock(bases={}, connectors={})
    wanted = wanted_platforms(workspace, chosen, request.platforms)
    with open_display(settings) as display:
        check = _Check(
            request=request, settings=settings, workspace=workspace, lock=lock, store=open_store(), display=display
        )
        report = run_async(lambda: check.report(chosen, wanted, varied), on_interrupt=display.close)
    from reprobuild.cli.checked import print_report, print_report_json, write_junit

    print_report_json(report) if request.json else print_report(report, settings)
    if request.junit is not None:
        write_junit(report, settings.directory / request.junit)
    return 0 if report.is_well else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """A check under way."""

    request: CheckRequest
    settings: Settings
    workspace: "Workspace"
    lock: Lock
    store: Store
    display: Display

    async def report(self, chosen: Sequence[str], wanted: Sequence[Platform], varied: Sequence[str]) -> Report:
        images, unknown = self._planned(chosen, wanted)
        supplier = Supplier(
            workspace=self.workspace,
            lock=self.lock,
            store=self.store,
            progress=self.display,
            offline=self.request.offline,
        )
        sources = await supplier.sources(images)
        unknown |= sources.obstacles
        with ExitStack() as stack:
            scratch, checkouts = _folders(stack, in_memory="order" in varied)
            rebuilding = Rebuilding(
                images=sources.images,
                workspace=self.workspace,
                store=self.store,
                scratch=scratch,
                checkouts=checkouts,
                built=sources.built,
            )
            rebuilds = await rebuilding.all(varied, self.display)
            found = verdicts(sources.images, rebuilds.builds)
            explanations = {}
            for image, verdict in zip(sources.images, found, strict=True):
                explanations[verdict.name] = await self._explained(image, verdict, rebuilds)
            hooks = [
                await self._hooks(image, rebuilds.builds[0])
                for image, verdict in zip(sources.images, found, strict=True)
                if image.derivation.hooks and verdict.manifests
            ]
        left_out = [_unknown(name, obstacle) for name, obstacle in unknown.items()]
        order = {name: place for place, name in enumerate(chosen)}
        return Report(
            verdicts=tuple(sorted([*found, *left_out], key=lambda one: (order[one.connector], str(one.platform)))),
            hooks=tuple(hooks),
            explanations={name: one for name, one in explanations.items() if one is not None},
            conditions=tuple(build.conditions for build in rebuilds.builds),
            varied=tuple(name for name in varied if name not in dict(rebuilds.unvaried)),
            unvaried=rebuilds.unvaried,
        )

    def _planned(
        self, chosen: Sequence[str], wanted: Sequence[Platform]
    ) -> tuple[list[PlannedImage], dict[ImageName, Obstacle]]:
        """Return the images as if none of them had been built, and those that cannot even be planned."""
        images: list[PlannedImage] = []
        unknown: dict[ImageName, Obstacle] = {}
        for name in chosen:
            for platform in self.workspace.connectors[name].platforms:
                if wanted and platform not in wanted:
                    continue
                try:
                    planned = plan_connector(self.workspace, self.lock, name, self.store, platforms=[platform])
                    images += [replace(image, manifest=None) for image in planned]
                except ReprobuildError as error:
                    unknown[name, str(platform)] = Obstacle(reason=str(error), hint=error.hint)
        return images, unknown

    async def _explained(self, image: PlannedImage, verdict: Verdict, rebuilds: Rebuilds) -> Explanation | None:
        if verdict.answer not in {"differs", "mismatch"}:
            return None
        sides = sides_of(verdict, rebuilds.builds, self.store)
        why = await explained(verdict, sides, self.store, self.display)
        if sides is None or self.request.keep is None:
            return why
        try:
            offline = self.request.offline
            await supply_layers((image,), self.workspace, self.store, progress=self.display, offline=offline)
            folder = (self.settings.directory / self.request.keep).absolute()
            return replace(why, kept=await keep_sides(image, sides, folder, self.store))
        except ReprobuildError as error:
            self.display.warn(f"not kept: {error}")
            return why

    async def _hooks(self, image: PlannedImage, build: Rebuilt) -> HookVerdict:
        """Run the hooks of *image* on two machines that differ, on what *build* has made."""
        derivation, store = image.derivation, build.store
        verdict = HookVerdict(
            connector=derivation.connector,
            platform=str(derivation.platform),
            hooks=tuple(map(str, derivation.hooks)),
            network=derivation.network,
        )
        processors = max(1, len(os.sched_getaffinity(0)) - 1)
        other = Variation(hostname=_ELSEWHERE, processors=processors, pids=40, reverse=True)
        engines = open_executor("embedded", store), open_executor("embedded", store, variation=other)
        secrets = partial(read_secrets, self.workspace, derivation.connector)
        listener = self.display.note if self.settings.verbose else unheard
        task = self.display.task(f"running hooks twice: {derivation.connector} ({derivation.platform})", unit="images")
        try:
            found, executions = await impurity(derivation, store, engines, secrets, listener=listener)
        except ReprobuildError as error:
            return replace(verdict, obstacle=Obstacle(reason=str(error), hint=error.hint))
        finally:
            task.finish()
        return replace(verdict, executions=executions, impurity=found)


def _folders(stack: ExitStack, *, in_memory: bool) -> tuple[Path, Path]:
    """Return folders that are removed in the end: for stores, and for checkouts."""
    found = _folder(stack, None)
    return found, _folder(stack, _MEMORY) if in_memory and os.access(_MEMORY, os.W_OK) else found


def _folder(stack: ExitStack, place: Path | None) -> Path:
    folder = TemporaryDirectory(prefix="reprobuild-check-", dir=place, ignore_cleanup_errors=True)
    path = Path(stack.enter_context(folder))
    # Another user gets through it to a folder that is that user's own.
    path.chmod(0o711)
    return path


def _unknown(name: ImageName, obstacle: Obstacle) -> Verdict:
    from reprobuild.oci.types import parse_platform

    return Verdict(connector=name[0], platform=parse_platform(name[1]), answer="unknown", obstacle=obstacle)
