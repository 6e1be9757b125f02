"""Several platforms' answers made one: equal versions, one wheel for each platform, markers where they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError, LockError
from reprobuild.lockfile import Package, Sdist, Wheel
from reprobuild.resolver.offers import Offer, Resolved, best_offer
from reprobuild.target import Target, environments

__all__ = ["Choice", "choose", "disagreements", "next_seeds", "packages"]

Answers = Mapping[Target, Sequence[Resolved]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A distribution at the version that all platforms agree on, and the offers that they take, by file name.

    ``sdist`` is what those are built from that no index has.
    """

    name: str
    version: str
    marker: str | None
    offers: tuple[Offer, ...]
    sdist: Sdist | None = None


def disagreements(answers: Answers) -> dict[str, dict[str, str]]:
    """Return the versions by platform of every distribution that has more than one, by name."""
    versions: dict[str, dict[str, str]] = {}
    for target, resolved in answers.items():
        for one in resolved:
            versions.setdefault(one.name, {})[str(target.platform)] = one.version
    return {name: found for name, found in sorted(versions.items()) if len(set(found.values())) > 1}


def next_seeds(answers: Answers) -> dict[str, str]:
    """Return what every platform should prefer next: what one of them needs, the oldest where they differ.

    A platform that went for an older version had a reason, mostly that the newer one has no wheel for it.
    """
    from packaging.version import Version  # noqa: PLC0415

    seeds: dict[str, str] = {}
    for resolved in answers.values():
        for one in resolved:
            seeds[one.name] = min(seeds.get(one.name, one.version), one.version, key=Version)
    return seeds


def choose(answers: Answers, *, where: str, kept: Mapping[str, Digest] | None = None) -> tuple[Choice, ...]:
    """Return what to lock, by name; raise LockError where platforms differ or one of them has no wheel.

    Wheels of *kept*, by file name, are taken again where they are offered, though better ones may have come;
    ContentError if the index has them with other bytes.
    """
    if differing := disagreements(answers):
        raise _disagreed(differing, where)
    names = {one.name: one.version for resolved in answers.values() for one in resolved}
    return tuple(_choice(name, version, answers, where, kept or {}) for name, version in sorted(names.items()))


def packages(choices: Sequence[Choice], wheels: Mapping[str, Wheel]) -> tuple[Package, ...]:
    """Return *choices* as the packages of a lock; *wheels* has every offer's wheel by file name."""
    return tuple(
        Package(
            name=choice.name,
            version=choice.version,
            marker=choice.marker,
            wheels=tuple(wheels[offer.file] for offer in choice.offers),
            sdist=choice.sdist,
        )
        for choice in choices
    )


def _choice(name: str, version: str, answers: Answers, where: str, kept: Mapping[str, Digest]) -> Choice:
    needing = {target: one for target, resolved in answers.items() for one in resolved if one.name == name}
    chosen = {target: _best(one.offers, target, kept) for target, one in needing.items()}
    offers = {offer.file: offer for offer in chosen.values() if offer is not None}
    if missing := [str(target.platform) for target, offer in chosen.items() if offer is None]:
        having = sorted(str(target.platform) for target, offer in chosen.items() if offer is not None)
        raise LockError(
            f"{name} {version} has no wheel for {', '.join(missing)}"
            + (f"; {', '.join(having)} has one" if having else ""),
            where=where,
            hint=f"pin a version of {name} that has wheels for every platform, or leave the platform out",
        )
    everywhere = len(needing) == len(answers)
    return Choice(
        name=name,
        version=version,
        marker=None if everywhere else _union(environments(list(needing))),
        offers=tuple(offers[file] for file in sorted(offers)),
    )


def _best(offers: Sequence[Offer], target: Target, kept: Mapping[str, Digest]) -> Offer | None:
    known = best_offer([offer for offer in offers if offer.file in kept], target)
    if known is not None and known.digest not in {None, kept[known.file]}:
        raise ContentError(
            f"the index has it as {known.digest}, the lock as {kept[known.file]}",
            where=known.file,
            hint="find out who changed it; then lock another version, or remove the lock and make it anew",
        )
    return known or best_offer(offers, target)


def _union(markers: Sequence[str]) -> str:
    return markers[0] if len(markers) == 1 else " or ".join(f"({marker})" for marker in markers)


def _disagreed(differing: Mapping[str, Mapping[str, str]], where: str) -> LockError:
    lines = [
        f"  {name}: " + ", ".join(f"{version} for {platform}" for platform, version in sorted(versions.items()))
        for name, versions in differing.items()
    ]
    name, versions = next(iter(differing.items()))
    pin = f"{name}=={min(versions.values())}"
    return LockError(
        "the platforms do not agree on one version:\n" + "\n".join(lines),
        where=where,
        hint=f'pin one that all of them can have: add for example "{pin}" to the requirements',
    )
