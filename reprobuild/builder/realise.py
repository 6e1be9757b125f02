"""Derivations → images in the store: the one place where the builder's pure steps meet threads and files.

Wheels are the unit of work: each that any of the images needs becomes a fragment once, the largest first, on
as many threads as there are processors. Then every image is assembled from what is there.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import anyio.to_thread

from reprobuild.builder.assembly import (
    connector_layer,
    keep_image,
    key_of,
    setup_layer,
    stored_fragment,
    wheel_layers,
    wheels_layer,
)
from reprobuild.builder.bytecode import bytecode_fragment
from reprobuild.builder.compress import Compression
from reprobuild.builder.layer import Members
from reprobuild.builder.outcome import BuiltImage, built_image
from reprobuild.builder.plan import PlannedImage
from reprobuild.builder.site import Site, site_of
from reprobuild.builder.wheel_fragment import wheel_fragment
from reprobuild.canonical import Digest
from reprobuild.derivation import Derivation
from reprobuild.failures import Failures, kept
from reprobuild.gathering import gathered
from reprobuild.lockfile import Wheel
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Progress, Silent, Task
from reprobuild.store import Store

if TYPE_CHECKING:
    from reprobuild.builder.hooked import Kit

__all__ = ["realise"]

_MANY = 8
"""From so many images on, it is told how many of them are done."""
_OFTEN = 2
"""From so many layers on that a wheel is in, on average, what layers share is kept inflated."""
_KEPT = 96 * 1024 * 1024
"""Bytes of what is kept inflated: the small wheels of a fleet."""


async def realise(
    images: Sequence[PlannedImage],
    store: Store,
    progress: Progress,
    *,
    workers: int,
    kit: "Kit | None" = None,
    failures: Failures | None = None,
) -> tuple[BuiltImage, ...]:
    """Build what is missing of *images* and return them all, in order.

    Wheels, base manifests and configs must be in the store; of images with hooks or bytecode the base's layers and
    the hooks' inputs, too, and such images need a *kit*. *workers*: threads at most. With *failures*, the images of
    connectors that are there are left out, and an error is kept for all connectors that it concerns.
    """
    work = _Work(store=store, limiter=anyio.CapacityLimiter(workers), failures=failures)
    derivations = [image.derivation for image in images if image.manifest is None and work.is_wanted(image.derivation)]
    made, found = anyio.Event(), dict[int, BuiltImage]()
    task = progress.task("images", len(derivations), unit="images") if len(derivations) >= _MANY else Silent()

    async def make() -> None:
        compiled: _Jobs = []
        with kept(failures, *(one.connector for one in derivations if one.bytecode != "none")):
            compiled = await _compiled(derivations, store, kit)
        await work.make_layers(derivations, compiled, progress)
        made.set()

    async def one(place: int, image: PlannedImage) -> None:
        manifest = image.manifest
        if manifest is None and image.derivation.hooks:
            # Hooks that come before the installation run beside the making of its layers.
            manifest = await _hooked(image, store, kit, made)
        elif manifest is None:
            await made.wait()
            if not work.is_wanted(image.derivation):
                return
            manifest = await anyio.to_thread.run_sync(_assembled, image, store, limiter=work.limiter)
        found[place] = built_image(image, manifest, store, cached=image.manifest is not None)
        task.advance(1 if image.manifest is None else 0)

    async def attempt(place: int, image: PlannedImage) -> None:
        with kept(failures, image.derivation.connector):
            await one(place, image)

    calls: list[Callable[[], Awaitable[None]]] = [make]
    calls += [partial(attempt, place, image) for place, image in enumerate(images) if work.is_wanted(image.derivation)]
    await gathered(calls, limit=1 + workers)
    task.finish()
    return tuple(found[place] for place, image in enumerate(images) if work.is_wanted(image.derivation))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """Threads that make fragments and layers in a store."""

    store: Store
    limiter: anyio.CapacityLimiter
    failures: Failures | None = None

    def is_wanted(self, derivation: Derivation) -> bool:
        """Say whether nothing of the connector of *derivation* has failed so far."""
        return not self.failures or derivation.connector not in self.failures

    async def make_layers(self, derivations: Sequence[Derivation], compiled: "_Jobs", progress: Progress) -> None:
        """Make the wheel layers of *derivations*, each fragment and each layer once; *compiled* makes bytecode's.

        Of large wheels libraries have nearly all the work, and of small ones this interpreter, which runs one thread at
        a time: so all threads but one begin with large wheels. What is short comes last, so that no thread ends alone.
        """
        wanted = _missing(derivations, self.store)
        shared = {group: derivation for derivation in derivations for group in _shared(derivation)}
        early = {wheel.digest for group in shared for wheel in group}
        jobs = sorted(wanted.items(), key=lambda job: (-job[1][0].size, job[1][0].file))
        task = progress.task("wheel layers", len(jobs), unit="wheels") if jobs else Silent()
        fragments: _Jobs = [(job[1][0], partial(_make_fragment, *job, self.store, task)) for job in jobs]
        fragments += compiled
        users = _users(derivations) if self.failures is not None else {}
        calls = [(wheel, partial(self._run, work, users.get(wheel.digest, ()))) for wheel, work in fragments]
        small, large = ([call for wheel, call in calls if (wheel.digest in early) is own] for own in (True, False))
        begun = int(self.limiter.total_tokens) - 1
        await _all([*large[:begun], *small, *large[begun:]])
        members = dict[Compression, Members]()
        if sum(map(len, shared)) > _OFTEN * len(early):
            members = {one.compression: Members(self.store, one.compression, most=_KEPT) for one in derivations}
        await _all(
            [
                partial(self._join, group, derivation, members.get(derivation.compression))
                for group, derivation in shared.items()
            ]
        )
        task.finish()

    async def _join(self, group: tuple[Wheel, ...], derivation: Derivation, members: Members | None) -> None:
        if self.is_wanted(derivation):
            await self._run(partial(wheels_layer, group, derivation, self.store, members), (derivation.connector,))

    async def _run(self, work: Callable[[], object], connectors: Collection[str]) -> None:
        with kept(self.failures, *connectors):
            await anyio.to_thread.run_sync(work, limiter=self.limiter)


async def _all(calls: Sequence[Callable[[], Awaitable[None]]]) -> None:
    await gathered(calls, limit=max(1, len(calls)))


def _users(derivations: Sequence[Derivation]) -> dict[Digest, set[str]]:
    """Return the connectors that install each wheel."""
    users: dict[Digest, set[str]] = {}
    for derivation in derivations:
        for wheel in derivation.installed:
            users.setdefault(wheel.digest, set()).add(derivation.connector)
    return users


_Jobs = list[tuple[Wheel, Callable[[], object]]]
"""What makes a fragment, blocking, with the wheel that it is made of."""


async def _compiled(derivations: Sequence[Derivation], store: Store, kit: "Kit | None") -> _Jobs:
    """Compile what of *derivations* is to have bytecode, and return what makes fragments of it."""
    if all(derivation.bytecode == "none" for derivation in derivations):
        return []
    from reprobuild.builder.compiler import compile_wheels, uncompiled  # noqa: PLC0415 - most images have none

    if kit is None:
        message = "wheels are compiled with a kit"
        raise ValueError(message)
    wanted = await anyio.to_thread.run_sync(uncompiled, derivations, store)
    answers = await compile_wheels(wanted, store, kit.executions)
    return [
        (wheel, partial(_make_bytecode, key, wheel, derivation, answers[key], store))
        for key, (wheel, derivation) in wanted.items()
    ]


def _missing(derivations: Sequence[Derivation], store: Store) -> dict[Digest, tuple[Wheel, Site, Derivation]]:
    """Return the wheels whose fragments are not in the store, by key."""
    wanted: dict[Digest, tuple[Wheel, Site, Derivation]] = {}
    for derivation in derivations:
        site = site_of(derivation.base, derivation.platform)
        for wheel in derivation.installed:
            key = key_of(wheel, derivation)
            if key not in wanted and stored_fragment(store, key) is None:
                wanted[key] = (wheel, site, derivation)
    return wanted


def _shared(derivation: Derivation) -> list[tuple[Wheel, ...]]:
    return [group for group in derivation.layered if len(group) > 1]


def _make_fragment(key: Digest, what: tuple[Wheel, Site, Derivation], store: Store, task: Task) -> None:
    wheel, site, derivation = what

    def tick(_: int) -> None:
        anyio.from_thread.check_cancelled()

    tick(0)
    fragment = wheel_fragment(wheel, site, store, epoch=derivation.epoch, compression=derivation.compression, tick=tick)
    store.write_record("fragment", key, fragment.to_json())
    task.advance(1)


def _make_bytecode(key: Digest, wheel: Wheel, derivation: Derivation, answer: Digest, store: Store) -> None:
    fragment = bytecode_fragment(
        wheel,
        answer,
        site_of(derivation.base, derivation.platform),
        store,
        epoch=derivation.epoch,
        compression=derivation.compression,
        tick=lambda _: anyio.from_thread.check_cancelled(),
    )
    store.write_record("fragment", key, fragment.to_json())


def _assembled(image: PlannedImage, store: Store) -> Descriptor:
    """Put the image together from fragments that are in the store, and remember it by its derivation."""
    derivation = image.derivation
    layers = [setup_layer(derivation, store), *wheel_layers(derivation, store), connector_layer(derivation, store)]
    return keep_image(derivation, image.key, layers, store)


async def _hooked(image: PlannedImage, store: Store, kit: "Kit | None", made: anyio.Event) -> Descriptor:
    """Put an image together whose hooks have a say in it; *made* is set when the fragments of wheels are there."""
    from reprobuild.builder.hooked import hooked_layers  # noqa: PLC0415 - most images have no hooks

    if kit is None:
        message = "hooks are run with a kit"
        raise ValueError(message)
    layers, config = await hooked_layers(image.derivation, store, kit, made)
    return keep_image(image.derivation, image.key, layers, store, config=config)
