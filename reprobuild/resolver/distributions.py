"""Requirements resolved for several platforms, until one version of everything serves all of them.

uv resolves for one platform at a time, preferring what it is given as seeds; where platforms differ, each is
asked again with what the others need (design §6).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from reprobuild.canonical import Digest
from reprobuild.errors import LockError, ReprobuildError
from reprobuild.gathering import gathered
from reprobuild.resolver.agreement import Choice, choose, disagreements, next_seeds
from reprobuild.resolver.complaint import Wheelless, explanation, wheelless
from reprobuild.resolver.offers import Resolved
from reprobuild.resolver.stand_ins import StandIns
from reprobuild.resolver.uv import Question, Unresolved, ask
from reprobuild.target import Target

__all__ = ["Wanted", "offers_of", "resolve"]

_ROUNDS = 6
_PARALLEL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a connector wants installed: requirements (PEP 508) for targets, under the name that errors give.

    ``seeds``, ``pins`` and ``refresh`` are as in `Question`; ``pinned_by`` is the file that pins come from.
    ``kept`` are the digests of wheels, by file name, that are to stay where their version does. ``constraints``
    (PEP 508) hold for what is needed anyway. With ``stand_ins``, sdists count as wheels do.
    """

    name: str
    requirements: tuple[str, ...]
    targets: tuple[Target, ...]
    seeds: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    pinned_by: str | None = None
    refresh: Collection[str] | None = ()
    dependencies: bool = True
    kept: Mapping[str, Digest] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    stand_ins: StandIns | None = None


async def resolve(wanted: Wanted, root: Path) -> tuple[Choice, ...]:
    """Return the versions and wheels for *wanted*, resolved in the workspace *root*.

    Raises LockError where there is no solution, a wheel is missing or platforms cannot agree; NetworkError,
    AuthenticationError and MachineError where uv could not find out.
    """
    wanted = replace(wanted, targets=tuple(dict.fromkeys(wanted.targets)))
    seeds, before = wanted.seeds, None
    for number in range(_ROUNDS):
        refresh = wanted.refresh if number == 0 else ()
        answers = await _round(replace(wanted, seeds=seeds, refresh=refresh), root)
        if not disagreements(answers) or answers == before:
            break
        seeds, before = next_seeds(answers), answers
    return choose(answers, where=wanted.name, kept=wanted.kept)


async def offers_of(versions: Mapping[str, str], target: Target, root: Path, *, where: str) -> tuple[Resolved, ...]:
    """Return what the user's index offers on *target* for exactly these *versions* of distributions."""
    requirements = tuple(f"{name}=={version}" for name, version in sorted(versions.items()))
    question = Question(requirements=requirements, target=target, dependencies=False)
    try:
        return await ask(question, root, where=where)
    except Unresolved as failure:
        if isinstance(failure.error, LockError):
            failure.error.hint = "run `reprobuild lock update`, or configure the index that has them"
        raise failure.error from failure


async def _round(wanted: Wanted, root: Path) -> dict[Target, tuple[Resolved, ...]]:
    asked = await _asked(wanted, root)
    while wanted.stand_ins is not None and await wanted.stand_ins.stand_in(asked):
        asked = await _asked(wanted, root)
    failures = {target: one for target, one in asked.items() if isinstance(one, Unresolved)}
    if failures:
        error = await _explained(wanted, failures, root)
        raise error from next(iter(failures.values()))
    return {target: one for target, one in asked.items() if not isinstance(one, Unresolved)}


async def _asked(wanted: Wanted, root: Path) -> dict[Target, tuple[Resolved, ...] | Unresolved]:
    from reprobuild.resolver.questions import at_a_time  # noqa: PLC0415 - waits

    calls = [partial(_try, wanted, target, root) for target in wanted.targets]
    asked = await gathered(calls, limit=at_a_time(_PARALLEL))
    return dict(zip(wanted.targets, asked, strict=True))


async def _try(wanted: Wanted, target: Target, root: Path) -> tuple[Resolved, ...] | Unresolved:
    question = Question(
        requirements=wanted.requirements,
        target=target,
        seeds=wanted.seeds,
        pins=wanted.pins,
        refresh=wanted.refresh,
        dependencies=wanted.dependencies,
        constraints=wanted.constraints,
    )
    if wanted.stand_ins is not None:
        question = wanted.stand_ins.question(question)
    try:
        return await ask(question, root, where=wanted.name)
    except Unresolved as failure:
        return failure


async def _explained(wanted: Wanted, failures: Mapping[Target, Unresolved], root: Path) -> ReprobuildError:
    """Return the error to raise: uv's own, or one that names the pins or the wheel at fault."""
    target, failure = next(iter(failures.items()))
    if not isinstance(failure.error, LockError) or "No solution found" not in failure.stderr:
        return failure.error
    if wanted.pins and not isinstance(await _try(replace(wanted, pins={}), target, root), Unresolved):
        return LockError(
            f"the requirements cannot be satisfied with the versions pinned in {wanted.pinned_by}:\n"
            + _indented(explanation(failure.stderr)),
            where=wanted.name,
            hint=f"update {wanted.pinned_by} with the tool that wrote it, or remove it and let reprobuild choose",
        )
    if blamed := wheelless(failure.stderr):
        return await _without_wheel(wanted, blamed[0], failures, root)
    if len(failures) < len(wanted.targets):
        failure.error.message += "\nfor " + ", ".join(str(target.platform) for target in failures)
    return failure.error


async def _without_wheel(
    wanted: Wanted, blamed: Wheelless, failures: Mapping[Target, Unresolved], root: Path
) -> LockError:
    """Return the error for a distribution without wheels, after asking for which platforms it has some."""
    having: dict[str, str] = {}
    alone = Wanted(
        name=wanted.name,
        requirements=(blamed.name + blamed.versions,),
        targets=wanted.targets,
        pins=wanted.pins,
        dependencies=False,
    )
    for target in wanted.targets:
        found = await _try(alone, target, root)
        if not isinstance(found, Unresolved):
            having[str(target.platform)] = next((one.version for one in found if one.name == blamed.name), "")
    lacking = [str(target.platform) for target in wanted.targets if str(target.platform) not in having]
    reasons = _indented(explanation(failures[next(iter(failures))].stderr))
    message, hint = _wheelless_words(blamed, having, lacking)
    return LockError(f"{message}:\n{reasons}", where=wanted.name, hint=hint)


def _wheelless_words(blamed: Wheelless, having: Mapping[str, str], lacking: list[str]) -> tuple[str, str]:
    where = ", ".join(lacking)
    if having:
        versions = ", ".join(f"{version} for {platform}" for platform, version in having.items())
        return (
            f"{blamed} has no wheel for {where}; there are wheels of {versions}",
            f"pin another version of {blamed.name} that has wheels for every platform, or leave {where} out",
        )
    if blamed.tag is None:
        return (
            f"{blamed} has no wheel for {where}, only source distributions or wheels for other systems",
            f"pin a version of {blamed.name} that has wheels, or put a wheel of it on an index of your own",
        )
    return (
        f"{blamed} has no wheel with a {blamed.tag} tag for {where}",
        f"pin a version of {blamed.name} that has wheels for it, or take another base image",
    )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
