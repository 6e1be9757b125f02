"""A new lock from the specification and the old lock, with as little changed as was asked for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from reprobuild.canonical import Digest
from reprobuild.errors import LockError
from reprobuild.gathering import gathered
from reprobuild.lock_files import Found
from reprobuild.lock_reader import ours
from reprobuild.lockfile import BASE_LOCK, BaseImage, ConnectorLock, Lock, Wheel, lock_path, normal_name
from reprobuild.oci.types import Platform
from reprobuild.progress import Progress
from reprobuild.resolver.agreement import Choice, packages
from reprobuild.resolver.base_reading import is_stale, owes_contract, read_base
from reprobuild.resolver.changes import Change, base_changes, connector_changes, version_changes
from reprobuild.resolver.conflicts import check_conflicts
from reprobuild.resolver.distributions import Wanted, resolve
from reprobuild.resolver.fetch import download
from reprobuild.resolver.freshness import Pins, base_platforms
from reprobuild.resolver.inputs import lock_inputs
from reprobuild.resolver.locked_sdist import builder_of
from reprobuild.resolver.native_needs import check_needs
from reprobuild.resolver.pin_files import load_pins
from reprobuild.resolver.pins import salvage
from reprobuild.resolver.wheel_paths import WheelPaths
from reprobuild.resolver.wishes import Wishes, idle_wishes
from reprobuild.store import Store
from reprobuild.target import Target, environments, select

if TYPE_CHECKING:
    from reprobuild.builder.executions import Executions
    from reprobuild.workspace import BaseSpec, ConnectorSpec, Workspace

__all__ = ["Update", "Wishes", "outdated", "update"]

_PARALLEL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A new lock, what it changes, the connectors that were locked anew, and those whose locks are to go."""

    lock: Lock
    changes: tuple[Change, ...]
    names: tuple[str, ...]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One update under way: what everything in it needs to know; not ``binding`` if nothing is going to be locked."""

    workspace: "Workspace"
    found: Found
    wishes: Wishes
    store: Store
    progress: Progress
    executions: "Executions | None" = None
    binding: bool = True
    pins: Mapping[str, Pins] = field(default_factory=dict)


async def update(
    workspace: "Workspace",
    found: Found,
    wishes: Wishes,
    *,
    store: Store,
    progress: Progress,
    executions: "Executions | None" = None,
) -> Update:
    """Return what to lock for *workspace*, given what was *found*; nothing is written but the store.

    Wheels are downloaded, once for all connectors, because only their contents tell whether two of them collide.

    Raises LockError where the requirements have no solution, a wheel is missing, two wheels collide, one needs
    a library that nothing has or a base image breaks its contract, and what networks and machines raise. Damaged
    files of the old lock are replaced, with a warning. What has to be executed is left out without *executions*.
    """
    from anyio import to_thread  # noqa: PLC0415

    run = replace(_run(workspace, found, wishes, store, progress), executions=executions)
    names = _names(run)
    for path, damage in found.damaged.items():
        if path == BASE_LOCK or path in map(lock_path, names):
            progress.warn(f"{path} is made anew: {damage.error.message}")
    bases = await _bases(run, names)
    choices = await _choices(run, names, bases)
    offers = [offer for some in choices.values() for choice in some for offer in choice.offers]
    wheels = await download(offers, workspace.root, store, progress=progress)
    specs = [workspace.connectors[name] for name in names]
    inputs = await lock_inputs(specs, found.lock.connectors, wishes, store=store, progress=progress)
    locks = {name: _lock(run, workspace.connectors[name], bases, some, wheels) for name, some in choices.items()}
    locks = {name: replace(lock, inputs=inputs[name]) for name, lock in locks.items()}
    await to_thread.run_sync(_check, run, locks, bases, abandon_on_cancel=True)
    await check_needs(workspace, locks, bases, store, progress=progress)
    for idle in idle_wishes(wishes, locks, run.pins):
        progress.warn(idle)
    return _updated(run, bases, locks)


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
    choices = await _choices(run, _names(run), await _bases(run, _names(run)))
    changes: list[Change] = []
    for name, some in choices.items():
        old = found.lock.connectors.get(name)
        before = {package.name: package.version for package in old.packages} if old else {}
        changes += version_changes(name, before, {choice.name: choice.version for choice in some})
    return tuple(changes)


def _run(workspace: "Workspace", found: Found, wishes: Wishes, store: Store, progress: Progress) -> _Run:
    run = _Run(workspace=workspace, found=found, wishes=wishes, store=store, progress=progress)
    return replace(run, pins=load_pins(workspace, _names(run), store))


def _names(run: _Run) -> tuple[str, ...]:
    everything = run.workspace.connectors
    return tuple(sorted(everything if run.wishes.names is None else run.wishes.names))


def _updated(run: _Run, bases: Mapping[str, BaseImage], locks: Mapping[str, ConnectorLock]) -> Update:
    workspace, old = run.workspace, run.found.lock
    whole = run.wishes.names is None
    removed = tuple(sorted(old.connectors.keys() - workspace.connectors.keys())) if whole else ()
    connectors = {name: known for name, known in {**old.connectors, **locks}.items() if name not in removed}
    kept = bases if whole else {**old.bases, **bases}
    changes: list[Change] = []
    for name in sorted(old.bases.keys() | kept.keys()):
        changes += base_changes(name, old.bases.get(name), kept.get(name))
    for name, one in sorted(locks.items()):
        changes += connector_changes(name, old.connectors.get(name), one)
    changes += (Change(subject=name, what="lock", old=lock_path(name), new=None) for name in removed)
    lock = Lock(bases=dict(sorted(kept.items())), connectors=dict(sorted(connectors.items())))
    return Update(lock=lock, changes=tuple(changes), names=tuple(locks), removed=removed)


async def _bases(run: _Run, names: Collection[str]) -> dict[str, BaseImage]:
    """Return the base images that *names* need, or all that are specified if everything is locked."""
    workspace = run.workspace
    everything = run.wishes.names is None or BASE_LOCK in run.found.damaged
    used = {workspace.connectors[one].base for one in names}
    needed = sorted(workspace.bases if everything else used | {builder_of(workspace, base) for base in used})
    bases = await gathered([partial(_base, run, workspace.bases[name]) for name in needed], limit=_PARALLEL)
    return dict(zip(needed, bases, strict=True))


async def _base(run: _Run, spec: "BaseSpec") -> BaseImage:
    known = run.found.lock.bases.get(spec.name)
    kept = known if known is not None and known.image == str(spec.image) and not run.wishes.bases else None
    platforms = base_platforms(run.workspace, spec.name)
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


async def _pip(run: _Run, spec: "BaseSpec", base: BaseImage, known: Wheel | None) -> Wheel | None:
    """Return the wheel of the pip that *spec* wants in images, *known* if that is it."""
    if spec.pip is None or (known is not None and known.file.split("-")[1] == spec.pip):
        return None if spec.pip is None else known
    wanted = Wanted(
        name=f"pip of the base image {spec.name}",
        requirements=(f"pip=={spec.pip}",),
        targets=_targets(base, base.platforms),
        dependencies=False,
    )
    (choice,) = await resolve(wanted, run.workspace.root)
    (wheel,) = (await download(choice.offers, run.workspace.root, run.store, progress=run.progress)).values()
    return wheel


async def _choices(run: _Run, names: Collection[str], bases: Mapping[str, BaseImage]) -> dict[str, tuple[Choice, ...]]:
    """Return what each of the connectors *names* is to install."""
    task = run.progress.task("resolving connectors", len(names), unit="connectors")
    sdists = None
    if run.executions is not None:
        from reprobuild.resolver.sdists import Sdists  # noqa: PLC0415 - runs in threads

        lock = run.found.lock
        sdists = Sdists(run.workspace, bases, lock, run.wishes, run.executions, store=run.store, progress=run.progress)

    async def one(spec: "ConnectorSpec") -> tuple[Choice, ...]:
        base, old = bases[spec.base], run.found.lock.connectors.get(spec.name)
        wanted = _wanted(run, spec, base)
        choices = await (sdists.resolve(wanted, base, old) if sdists else resolve(wanted, run.workspace.root))
        task.advance(1)
        return choices

    calls = [partial(one, run.workspace.connectors[name]) for name in names]
    choices = dict(zip(names, await gathered(calls, limit=_PARALLEL), strict=True))
    task.finish()
    return choices


def _lock(
    run: _Run,
    spec: "ConnectorSpec",
    bases: Mapping[str, BaseImage],
    choices: tuple[Choice, ...],
    wheels: Mapping[str, Wheel],
) -> ConnectorLock:
    old, targets = run.found.lock.connectors.get(spec.name), _targets(bases[spec.base], spec.platforms)
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


def _check(run: _Run, locks: Mapping[str, ConnectorLock], bases: Mapping[str, BaseImage]) -> None:
    """Raise LockError if a lock holds a wheel that no platform selects, or two that collide on one."""
    paths = WheelPaths(run.store)
    for name, lock in locks.items():
        base = bases[lock.base]
        unused = {wheel.file for package in lock.packages for wheel in package.wheels}
        for target in _targets(base, run.workspace.connectors[name].platforms):
            wheels = select(lock, target)
            unused -= {wheel.file for wheel in wheels}
            check_conflicts(paths.written(wheels, base, target.platform), where=f"{name} on {target.platform}")
        if unused:
            raise LockError(f"no platform would install {min(unused)}", where=name, hint="report this as a bug")


def _wanted(run: _Run, spec: "ConnectorSpec", base: BaseImage) -> Wanted:
    _check_python(spec, base)
    upgraded = {normal_name(name) for name in run.wishes.packages}
    seeds: dict[str, str] = {}
    kept: dict[str, Digest] = {}
    old = run.found.lock.connectors.get(spec.name)
    if old is not None:
        stay = [one for one in old.packages if one.name not in upgraded and not run.wishes.upgrade]
        seeds = {one.name: one.version for one in stay}
        kept = {wheel.file: wheel.digest for one in stay for wheel in one.wheels if wheel not in one.built}
    elif (damage := run.found.damaged.get(lock_path(spec.name))) is not None and not run.wishes.upgrade:
        seeds = {name: version for name, version in salvage(ours(damage.text)).items() if name not in upgraded}
    pins = run.pins.get(spec.name)
    return Wanted(
        name=spec.name,
        requirements=spec.requirements,
        targets=_targets(base, spec.platforms),
        seeds=seeds,
        pins=pins.versions if pins else {},
        pinned_by=pins.file if pins else None,
        refresh=None if run.wishes.upgrade else upgraded,
        kept=kept,
    )


def _check_python(spec: "ConnectorSpec", base: BaseImage) -> None:
    if spec.python is None:
        return
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415

    if not SpecifierSet(spec.python).contains(base.python, prereleases=True):
        raise LockError(
            f"it requires Python {spec.python}, and the base image {base.name} has Python {base.python}",
            where=spec.name,
            hint="take another base image, or correct the connector's requires-python",
        )


def _targets(base: BaseImage, platforms: Collection[Platform]) -> tuple[Target, ...]:
    return tuple(Target(platform=one, python=base.python, libc=base.libc) for one in sorted(platforms))
