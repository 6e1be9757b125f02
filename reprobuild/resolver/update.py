"""A new lock from the specification and the old lock, with as little changed as was asked for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from reprobuild.errors import LockError, ReprobuildError
from reprobuild.failures import Failures, kept
from reprobuild.gathering import gathered
from reprobuild.lock_files import Found
from reprobuild.lockfile import BASE_LOCK, BaseImage, ConnectorLock, Lock, Wheel, lock_path
from reprobuild.progress import Progress
from reprobuild.resolver.agreement import Choice, packages
from reprobuild.resolver.base_reading import is_stale, owes_contract, read_base
from reprobuild.resolver.changes import Change, base_changes, connector_changes, version_changes
from reprobuild.resolver.choosing import choices_of
from reprobuild.resolver.conflicts import check_conflicts
from reprobuild.resolver.distributions import Wanted, resolve
from reprobuild.resolver.freshness import Pins, base_platforms
from reprobuild.resolver.inputs import lock_inputs
from reprobuild.resolver.locked_sdist import builder_of
from reprobuild.resolver.native_needs import check_needs
from reprobuild.resolver.pin_files import load_pins
from reprobuild.resolver.update_run import PARALLEL, Run, targets_of
from reprobuild.resolver.wheel_fetch import download
from reprobuild.resolver.wheel_paths import WheelPaths
from reprobuild.resolver.wishes import Wishes, idle_wishes
from reprobuild.store import Store
from reprobuild.target import environments, select

if TYPE_CHECKING:
    from reprobuild.builder.executions import Executions
    from reprobuild.workspace import BaseSpec, ConnectorSpec, Workspace

__all__ = ["Update", "Wishes", "outdated", "update"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A new lock, what it changes, the connectors that were locked anew, and those whose locks are to go."""

    lock: Lock
    changes: tuple[Change, ...]
    names: tuple[str, ...]
    removed: tuple[str, ...] = ()


async def update(
    workspace: "Workspace",
    found: Found,
    wishes: Wishes,
    *,
    store: Store,
    progress: Progress,
    executions: "Executions | None" = None,
    failures: Failures | None = None,
    jobs: int = PARALLEL,
) -> Update:
    """Return what to lock for *workspace*, given what was *found*; nothing is written but the store.

    Wheels are downloaded, once for all connectors, because only their contents tell whether two of them collide.
    *jobs* runs of uv go on at a time.

    Raises LockError where the requirements have no solution, a wheel is missing, two wheels collide, one needs
    a library that nothing has or a base image breaks its contract, and what networks and machines raise. Damaged
    files of the old lock are replaced, with a warning. What has to be executed is left out without *executions*.
    With *failures*, connectors that are there keep the lock that they have; what fails is kept.
    """
    run = _run(workspace, found, wishes, store, progress, failures, jobs)
    run = replace(run, executions=executions)
    names = run.names
    for path, damage in found.damaged.items():
        if path == BASE_LOCK or path in map(lock_path, names):
            progress.warn(f"{path} is made anew: {damage.error.message}")
    bases = await _bases(run, names)
    choices = await choices_of(run, run.remaining(names), bases)
    locks = await _locked(run, choices, bases)
    for idle in idle_wishes(wishes, locks, run.pins):
        progress.warn(idle)
    return _updated(run, bases, locks)


async def _locked(
    run: Run, choices: Mapping[str, tuple[Choice, ...]], bases: Mapping[str, BaseImage]
) -> dict[str, ConnectorLock]:
    """Return the locks of *choices*, checked: all at once or, if that fails and failures are kept, one by one."""
    try:
        return await _locked_together(run, choices, bases)
    except ReprobuildError:
        if run.failures is None:
            raise
    locks: dict[str, ConnectorLock] = {}
    for name, some in choices.items():
        with kept(run.failures, name):
            locks |= await _locked_together(run, {name: some}, bases)
    return locks


async def _locked_together(
    run: Run, choices: Mapping[str, tuple[Choice, ...]], bases: Mapping[str, BaseImage]
) -> dict[str, ConnectorLock]:
    from anyio import to_thread  # noqa: PLC0415

    workspace, store, progress = run.workspace, run.store, run.progress
    offers = [offer for some in choices.values() for choice in some for offer in choice.offers]
    wheels = await download(offers, workspace.root, store, progress=progress)
    specs = [workspace.connectors[name] for name in choices]
    inputs = await lock_inputs(specs, run.found.lock.connectors, run.wishes, store=store, progress=progress)
    locks = {name: _lock(run, workspace.connectors[name], bases, some, wheels) for name, some in choices.items()}
    locks = {name: replace(lock, inputs=inputs[name]) for name, lock in locks.items()}
    await to_thread.run_sync(_check, run, locks, bases, abandon_on_cancel=True)
    await check_needs(workspace, locks, bases, store, progress=progress)
    return locks


async def outdated(
    workspace: "Workspace",
    found: Found,
    names: Collection[str] | None,
    *,
    store: Store,
    progress: Progress,
    executions: "Executions | None" = None,
) -> tuple[Change, ...]:
    """Return what upgrading everything would change in the versions of *names*; base images stay as they are."""
    run = _run(workspace, found, Wishes(names=names, upgrade=True), store, progress)
    run = replace(run, binding=False, executions=executions)
    choices = await choices_of(run, run.names, await _bases(run, run.names))
    changes: list[Change] = []
    for name, some in choices.items():
        old = found.lock.connectors.get(name)
        before = {package.name: package.version for package in old.packages} if old else {}
        changes += version_changes(name, before, {choice.name: choice.version for choice in some})
    return tuple(changes)


def _run(
    workspace: "Workspace",
    found: Found,
    wishes: Wishes,
    store: Store,
    progress: Progress,
    failures: Failures | None = None,
    jobs: int = PARALLEL,
) -> Run:
    run = Run(
        workspace=workspace,
        found=found,
        wishes=wishes,
        store=store,
        progress=progress,
        failures=failures,
        jobs=jobs,
    )
    pins: dict[str, Pins] = {}
    for name in run.names:
        with kept(failures, name):
            pins |= load_pins(workspace, [name], store)
    return replace(run, pins=pins)


def _updated(run: Run, bases: Mapping[str, BaseImage], locks: Mapping[str, ConnectorLock]) -> Update:
    workspace, old = run.workspace, run.found.lock
    whole = run.wishes.names is None
    specified = {*workspace.connectors, *(run.failures or ())}
    removed = tuple(sorted(old.connectors.keys() - specified)) if whole else ()
    connectors = {name: known for name, known in {**old.connectors, **locks}.items() if name not in removed}
    # What failed may still need a base that nothing else names.
    stay = bases if whole and not run.failures else {**old.bases, **bases}
    changes: list[Change] = []
    for name in sorted(old.bases.keys() | stay.keys()):
        changes += base_changes(name, old.bases.get(name), stay.get(name))
    for name, one in sorted(locks.items()):
        changes += connector_changes(name, old.connectors.get(name), one)
    changes += (Change(subject=name, what="lock", old=lock_path(name), new=None) for name in removed)
    lock = Lock(bases=dict(sorted(stay.items())), connectors=dict(sorted(connectors.items())))
    return Update(lock=lock, changes=tuple(changes), names=tuple(locks), removed=removed)


async def _bases(run: Run, names: Collection[str]) -> dict[str, BaseImage]:
    """Return the base images that *names* need, or all that are specified if everything is locked."""
    workspace = run.workspace
    everything = run.wishes.names is None or BASE_LOCK in run.found.damaged
    used = {workspace.connectors[one].base for one in names}
    needed = sorted(workspace.bases if everything else used | {builder_of(workspace, base) for base in used})
    bases: dict[str, BaseImage] = {}

    async def one(name: str) -> None:
        users = [user for user in names if name in _bases_of(workspace, user)]
        with kept(run.failures if users else None, *users):
            bases[name] = await _base(run, workspace.bases[name])

    await gathered([partial(one, name) for name in needed], limit=PARALLEL)
    return {name: bases[name] for name in needed if name in bases}


def _bases_of(workspace: "Workspace", connector: str) -> set[str]:
    """Return the base of *connector*, and what its sdists are built on."""
    base = workspace.connectors[connector].base
    return {base, builder_of(workspace, base)}


async def _base(run: Run, spec: "BaseSpec") -> BaseImage:
    known = run.found.lock.bases.get(spec.name)
    kept = known if known is not None and known.image == str(spec.image) and not run.wishes.bases else None
    platforms = base_platforms(run.workspace, spec.name)
    if run.failures and known is not None:
        platforms = tuple(sorted({*platforms, *known.platforms}))
    base = kept
    if base is None or is_stale(spec, platforms, base) or (run.binding and owes_contract(spec, base, run.store)):
        base = await read_base(
            spec,
            platforms,
            kept,
            workspace=run.workspace,
            store=run.store,
            progress=run.progress,
            executions=run.executions,
        )
    return replace(base, pip_wheel=await _pip(run, spec, base, known.pip_wheel if known else None))


async def _pip(run: Run, spec: "BaseSpec", base: BaseImage, known: Wheel | None) -> Wheel | None:
    """Return the wheel of the pip that *spec* wants in images, *known* if that is it."""
    if spec.pip is None or (known is not None and known.file.split("-")[1] == spec.pip):
        return None if spec.pip is None else known
    wanted = Wanted(
        name=f"pip of the base image {spec.name}",
        requirements=(f"pip=={spec.pip}",),
        targets=targets_of(base, base.platforms),
        dependencies=False,
    )
    (choice,) = await resolve(wanted, run.workspace.root)
    (wheel,) = (await download(choice.offers, run.workspace.root, run.store, progress=run.progress)).values()
    return wheel


def _lock(
    run: Run,
    spec: "ConnectorSpec",
    bases: Mapping[str, BaseImage],
    choices: tuple[Choice, ...],
    wheels: Mapping[str, Wheel],
) -> ConnectorLock:
    old, targets = run.found.lock.connectors.get(spec.name), targets_of(bases[spec.base], spec.platforms)
    outputs = old.outputs if old else {}
    return ConnectorLock(
        name=spec.name,
        base=spec.base,
        python=targets[0].requires_python,
        requirements=tuple(sorted(spec.requirements)),
        environments=environments(targets),
        packages=packages(choices, wheels),
        outputs={platform: one for platform, one in outputs.items() if platform in spec.platforms},
        impure=spec.hooks.impure,
    )


def _check(run: Run, locks: Mapping[str, ConnectorLock], bases: Mapping[str, BaseImage]) -> None:
    """Raise LockError if a lock holds a wheel that no platform selects, or two that collide on one."""
    paths = WheelPaths(run.store)
    for name, lock in locks.items():
        base = bases[lock.base]
        unused = {wheel.file for package in lock.packages for wheel in package.wheels}
        for target in targets_of(base, run.workspace.connectors[name].platforms):
            wheels = select(lock, target)
            unused -= {wheel.file for wheel in wheels}
            check_conflicts(paths.written(wheels, base, target.platform), where=f"{name} on {target.platform}")
        if unused:
            raise LockError(f"no platform would install {min(unused)}", where=name, hint="report this as a bug")
