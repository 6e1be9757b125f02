"""Wheels into the store, found again by name, version, file name and digest (design §6), since a lock holds no URLs.

First in the store, then in ``lock/wheels``, then on the index, which is asked once for each target.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from reprobuild.errors import ContentError, LockError
from reprobuild.gathering import gathered
from reprobuild.lockfile import Wheel
from reprobuild.progress import Progress
from reprobuild.resolver.distributions import offers_of
from reprobuild.resolver.needed_wheels import Needed
from reprobuild.resolver.offers import Offer
from reprobuild.resolver.placing import take
from reprobuild.store import Store
from reprobuild.target import Target

__all__ = ["download", "fetch_wheels"]

_PARALLEL = 8
_QUESTIONS = 4


async def fetch_wheels(
    needed: Sequence[Needed], root: Path, store: Store, *, progress: Progress, offline: bool = False
) -> None:
    """Have the wheels of *needed* in the store, from ``lock/wheels`` or from the index of the workspace *root*.

    Those that are built from sdists are left to others.
    """
    from anyio import to_thread  # noqa: PLC0415

    missing = _missing([one for one in needed if one.sdist is None], store)
    await to_thread.run_sync(take, [one.wheel for one in missing], root, store, progress)
    missing = _missing(missing, store)
    if not missing:
        return
    if offline:
        raise _offline(missing)
    offers = await _located(missing, root)
    await download(offers, root, store, progress=progress)


async def download(offers: Iterable[Offer], root: Path, store: Store, *, progress: Progress) -> dict[str, Wheel]:
    """Have the wheels of *offers* in the store and return them by file name."""
    from reprobuild.resolver.download import Downloads  # noqa: PLC0415

    offers = {offer.file: offer for offer in offers}.values()
    there = {offer.file: wheel for offer in offers if (wheel := _stored(offer, store)) is not None}
    missing = [offer for offer in offers if offer.file not in there]
    if not missing:
        return there
    sizes = [offer.size for offer in missing if offer.size is not None]
    task = progress.task(f"fetching {len(missing)} wheels", sum(sizes) if len(sizes) == len(missing) else None)
    async with Downloads(root, store) as downloads:
        wheels = await gathered([partial(downloads.fetch, offer, task) for offer in missing], limit=_PARALLEL)
    task.finish()
    return there | {wheel.file: wheel for wheel in wheels}


def _stored(offer: Offer, store: Store) -> Wheel | None:
    if offer.digest is None or offer.size is None or not store.has(offer.digest, offer.size):
        return None
    return Wheel(file=offer.file, size=offer.size, digest=offer.digest)


def _missing(needed: Iterable[Needed], store: Store) -> list[Needed]:
    return [one for one in needed if not store.has(one.wheel.digest, one.wheel.size)]


async def _located(missing: Sequence[Needed], root: Path) -> list[Offer]:
    """Return an offer for each of *missing*, with the size and digest that the lock has."""
    questions = [(target, batch) for target in _targets(missing) for batch in _batches(missing, target)]
    answers = await gathered(
        [partial(offers_of, batch, target, root, where=f"wheels for {target.platform}") for target, batch in questions],
        limit=_QUESTIONS,
    )
    found = {offer.file: offer for resolved in answers for one in resolved for offer in one.offers}
    return [_checked(one, found.get(one.wheel.file)) for one in missing]


def _targets(missing: Iterable[Needed]) -> list[Target]:
    return list(dict.fromkeys(one.target for one in missing))


def _batches(missing: Iterable[Needed], target: Target) -> list[dict[str, str]]:
    """Return names with versions to ask for together: of one name, an index can be asked for one version at a time."""
    batches: list[dict[str, str]] = []
    for one in missing:
        if one.target != target:
            continue
        batch = next((batch for batch in batches if batch.get(one.name, one.version) == one.version), None)
        if batch is None:
            batches.append(batch := {})
        batch[one.name] = one.version
    return batches


def _checked(needed: Needed, offer: Offer | None) -> Offer:
    wheel = needed.wheel
    if offer is None:
        raise LockError(
            "the index does not have this wheel any more",
            where=wheel.file,
            hint=f"put it into lock/wheels/, or run `reprobuild lock update -P {needed.name}`",
        )
    if offer.digest is not None and offer.digest != wheel.digest:
        raise ContentError(
            f"the index has it as {offer.digest}, the lock as {wheel.digest}",
            where=wheel.file,
            hint="find out who changed it; do not relock before you know",
        )
    return Offer(file=wheel.file, url=offer.url, size=wheel.size, digest=wheel.digest)


def _offline(missing: Sequence[Needed]) -> LockError:
    files = ", ".join(one.wheel.file for one in missing[:3])
    return LockError(
        f"{len(missing)} wheels are not in the store: {files}{' …' if len(missing) > 3 else ''}",
        hint="run `reprobuild fetch` while online, or put them into lock/wheels/",
    )
