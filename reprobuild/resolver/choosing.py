"""What each connector of an update is to install: resolved side by side, with the index asked once for each thing.

uv keeps an index's answers as long as the index allows. So what the old locks and the specification name is asked for
first, in one run of uv for all connectors; the runs for connectors then find it there. What is to be asked for anew,
because it may move, is asked for anew in that first run alone.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reprobuild.canonical import Digest
from reprobuild.errors import LockError, ReprobuildError
from reprobuild.failures import kept
from reprobuild.gathering import gathered
from reprobuild.lock_reader import ours
from reprobuild.lockfile import BaseImage, ConnectorLock, lock_path, normal_name
from reprobuild.resolver.agreement import Choice
from reprobuild.resolver.distributions import Wanted, resolve
from reprobuild.resolver.pins import salvage
from reprobuild.resolver.update_run import Run, targets_of
from reprobuild.resolver.uv import Question, Unresolved, ask

if TYPE_CHECKING:
    from reprobuild.workspace import ConnectorSpec

__all__ = ["choices_of"]

_Resolve = Callable[[Wanted], Awaitable[tuple[Choice, ...]]]


async def choices_of(run: Run, names: Collection[str], bases: Mapping[str, BaseImage]) -> dict[str, tuple[Choice, ...]]:
    """Return what each of the connectors *names* is to install; without those that fail, where failures are kept."""
    from reprobuild.resolver.questions import shared_questions  # noqa: PLC0415 - waits

    task = run.progress.task("resolving connectors", len(names), unit="connectors")
    sdists = None
    if run.executions is not None:
        from reprobuild.resolver.sdists import Sdists  # noqa: PLC0415 - runs in threads

        lock = run.found.lock
        sdists = Sdists(run.workspace, bases, lock, run.wishes, run.executions, store=run.store, progress=run.progress)
    choices: dict[str, tuple[Choice, ...]] = {}

    async def one(spec: "ConnectorSpec") -> None:
        with kept(run.failures, spec.name):
            base, old = bases[spec.base], run.found.lock.connectors.get(spec.name)
            root = run.workspace.root

            async def plainly(wanted: Wanted) -> tuple[Choice, ...]:
                return await (sdists.resolve(wanted, base, old) if sdists else resolve(wanted, root))

            choices[spec.name] = await recency.resolve(_wanted(run, spec, base), plainly)
        task.advance(1)

    calls = [partial(one, run.workspace.connectors[name]) for name in names]
    with shared_questions(run.jobs, several=len(names) > 1):
        recency = _Recency(run)
        if len(names) > 1:
            await recency.ask_ahead(names, bases)
            # What the first one comes upon, most of the others need as well.
            await calls.pop(0)()
        await gathered(calls, limit=max(1, len(calls)))
    task.finish()
    return {name: choices[name] for name in names if name in choices}


class _Recency:
    """Which distributions this update has asked the index for anew, of those that it is to ask for anew."""

    def __init__(self, run: Run) -> None:
        import anyio  # noqa: PLC0415

        self._run = run
        self._known: set[str] | None = None
        self._turn = anyio.Lock()

    async def ask_ahead(self, names: Collection[str], bases: Mapping[str, BaseImage]) -> None:
        """Ask for all that the connectors *names* are known to need; who needs what is not there learns it later."""
        run = self._run
        specs = [run.workspace.connectors[name] for name in names]
        known = {_name(requirement) for spec in specs for requirement in spec.requirements}
        seeds: dict[str, str] = {}
        for name in names:
            old = run.found.lock.connectors.get(name)
            seeds |= {package.name: package.version for package in old.packages} if old is not None else {}
        moving = {normal_name(name) for name in run.wishes.packages}
        question = Question(
            requirements=tuple(sorted(known | seeds.keys() | moving)),
            target=targets_of(bases[specs[0].base], specs[0].platforms)[0],
            seeds={name: version for name, version in seeds.items() if not run.wishes.moves(name)},
            refresh=None if run.wishes.upgrade else moving,
            dependencies=False,
        )
        try:
            found = await ask(question, run.workspace.root, where="all connectors")
        except (Unresolved, ReprobuildError):
            # Some are not to be had as they are asked for here. The connectors' own questions will tell.
            return
        self._known = {one.name for one in found}

    async def resolve(self, wanted: Wanted, plainly: _Resolve) -> tuple[Choice, ...]:
        """Return what *plainly* gives for *wanted*, having what it refreshes refreshed once for all connectors."""
        if self._known is None or wanted.refresh == ():
            return await plainly(wanted)
        try:
            choices = await plainly(replace(wanted, refresh=()))
        except LockError:
            return await plainly(wanted)
        while self._new(wanted, choices):
            async with self._turn:
                if new := self._new(wanted, choices):
                    choices = await plainly(replace(wanted, refresh=new))
                    self._known |= new
                else:
                    choices = await plainly(replace(wanted, refresh=()))
        return choices

    def _new(self, wanted: Wanted, choices: Collection[Choice]) -> set[str]:
        """Return those of *choices* that are to be asked for anew and have not been."""
        names = {choice.name for choice in choices}
        wished = names if wanted.refresh is None else names & set(wanted.refresh)
        return wished - (self._known or set())


def _name(requirement: str) -> str:
    from packaging.requirements import Requirement  # noqa: PLC0415

    return normal_name(Requirement(requirement).name)


def _wanted(run: Run, spec: "ConnectorSpec", base: BaseImage) -> Wanted:
    _check_python(spec, base)
    upgraded = {normal_name(name) for name in run.wishes.packages}
    seeds: dict[str, str] = {}
    kept_: dict[str, Digest] = {}
    old: ConnectorLock | None = run.found.lock.connectors.get(spec.name)
    if old is not None:
        stay = [one for one in old.packages if one.name not in upgraded and not run.wishes.upgrade]
        seeds = {one.name: one.version for one in stay}
        kept_ = {wheel.file: wheel.digest for one in stay for wheel in one.wheels if wheel not in one.built}
    elif (damage := run.found.damaged.get(lock_path(spec.name))) is not None and not run.wishes.upgrade:
        seeds = {name: version for name, version in salvage(ours(damage.text)).items() if name not in upgraded}
    pins = run.pins.get(spec.name)
    return Wanted(
        name=spec.name,
        requirements=spec.requirements,
        targets=targets_of(base, spec.platforms),
        seeds=seeds,
        pins=pins.versions if pins else {},
        pinned_by=pins.file if pins else None,
        refresh=None if run.wishes.upgrade else upgraded,
        kept=kept_,
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
