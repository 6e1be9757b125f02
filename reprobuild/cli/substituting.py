"""Substituters of a build: outputs taken before anything is fetched, and offered when images are made."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.cli.settings import Settings
from reprobuild.errors import MachineError, ReprobuildError, SpecificationError

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

    from reprobuild.builder.build import BuildResult, Plan
    from reprobuild.builder.outcome import BuiltImage
    from reprobuild.builder.plan import PlannedImage
    from reprobuild.canonical import Digest
    from reprobuild.cli.progress import Display
    from reprobuild.lockfile import Lock
    from reprobuild.oci.registry_sink import RegistrySink
    from reprobuild.store import Store
    from reprobuild.substituter.available import Available
    from reprobuild.substituter.offering import Offer
    from reprobuild.substituter.place import Place
    from reprobuild.workspace import Workspace
    from reprobuild.workspace.substituters import SubstituterSpec

__all__ = ["available", "offered", "substituted", "with_substituters"]

_PARALLEL = 4
_FAILURES = 3
_LONGEST_KEY = 64 * 1024
_NONE = "none"


def with_substituters(workspace: "Workspace", named: str | None, *, push: bool) -> "Workspace":
    """Return *workspace* with the substituter *named* on the command line, if one is, in place of its own.

    ``none`` is none at all. With *push*, each gets all outputs of the build. The keys stay those of the workspace.
    """
    chosen = workspace.substituters
    if named == _NONE:
        chosen = ()
    elif named is not None:
        from reprobuild.workspace.substituters import substituter_named

        keys = tuple(dict.fromkeys(key for one in chosen for key in one.keys))
        own = substituter_named(named, where="--substituter")
        pushed = next((one.push for one in chosen if str(one) == str(own)), own.push)
        chosen = (replace(own, keys=keys, push=pushed),)
    if push and not chosen:
        hint = "name one with --substituter, or as substituter in the specification"
        raise SpecificationError("there is no substituter", where="--push-outputs", hint=hint)
    return replace(workspace, substituters=tuple(replace(one, push="all") if push else one for one in chosen))


async def substituted(
    images: "Plan",
    workspace: "Workspace",
    store: "Store",
    display: "Display",
    *,
    offline: bool,
) -> "Plan":
    """Return *images* with the manifests of those that a substituter has, taken into *store*; see `substitute`."""
    wanting = [image for image in images if image.manifest is None]
    if offline or not workspace.substituters or not wanting:
        return images
    from reprobuild.substituter.taking import substitute

    async with _asked(wanting, workspace, store, display) as places:
        taken = await substitute(images, places, store, display)
    count = sum(image.substituted for image in taken)
    display.note(f"substituted: {count} of {len(wanting)} images")
    return taken


async def available(
    images: "Plan",
    workspace: "Workspace",
    store: "Store",
    display: "Display",
    *,
    offline: bool,
) -> "Mapping[Digest, Available]":
    """Return what `substituted` would take for *images*, by derivation; it is not taken."""
    wanting = [image for image in images if image.manifest is None]
    if offline or not workspace.substituters or not wanting:
        return {}
    from reprobuild.substituter.taking import available as offered_layers

    async with _asked(wanting, workspace, store, display) as places:
        return await offered_layers(wanting, places, store)


@asynccontextmanager
async def _asked(
    images: "Sequence[PlannedImage]", workspace: "Workspace", store: "Store", display: "Display"
) -> "AsyncIterator[list[Place]]":
    """Yield the substituters of *workspace*, with all in *store* that asking for *images* takes."""
    from reprobuild.cli.supply import supply_documents

    for image in images:
        await supply_documents(image, workspace, store, offline=False)
    places = _places(workspace, display)
    try:
        yield places
    finally:
        for place in places:
            await place.close()


async def offered(
    results: "Sequence[BuildResult]",
    images: "Plan",
    workspace: "Workspace",
    lock: "Lock",
    store: "Store",
    settings: Settings,
    display: "Display",
    *,
    offline: bool,
) -> None:
    """Offer what *results* made of *images* to the substituters that are pushed to; what fails is a warning."""
    specs = [one for one in workspace.substituters if one.push != "nothing"]
    if offline or not specs:
        return
    offers = _offers(results, images, lock, settings, display)
    for spec in specs:
        chosen = [one for one in offers if spec.push == "all" or not one.built.cached]
        if chosen:
            await _offered(chosen, spec, workspace, store, display)


async def _offered(
    offers: "Sequence[Offer]", spec: "SubstituterSpec", workspace: "Workspace", store: "Store", display: "Display"
) -> None:
    from reprobuild.gathering import gathered
    from reprobuild.oci.registry_sink import RegistrySink
    from reprobuild.oci.retry import Patience
    from reprobuild.oci.whereabouts import Whereabouts

    sink = RegistrySink(
        spec.host,
        spec.repository,
        environ=os.environ,
        whereabouts=Whereabouts(store),
        registries=workspace.registries,
        patience=Patience(tries=3),
    )
    failures: list[ReprobuildError] = []
    try:
        task = display.task(f"offering outputs to {sink.where}", len(offers), unit="images")
        calls = [partial(_offer, one, sink, store, display, failures) for one in offers]
        put = await gathered(calls, limit=_PARALLEL)
        task.advance(len(offers) - len(failures))
        task.finish(f"{sum(put)} new")
    finally:
        await sink.close()


async def _offer(
    one: "Offer", sink: "RegistrySink", store: "Store", display: "Display", failures: list[ReprobuildError]
) -> bool:
    from reprobuild.substituter.offering import offer

    if len(failures) >= _FAILURES:
        return False
    try:
        return await offer(one, store, sink)
    except ReprobuildError as error:
        failures.append(error)
        name = f"{one.built.connector} ({one.built.platform})"
        end = "; no more outputs are offered" if len(failures) == _FAILURES else ""
        display.warn(f"{name} was not offered: {error}{end}")
        return False


def _offers(
    results: "Sequence[BuildResult]",
    images: "Plan",
    lock: "Lock",
    settings: Settings,
    display: "Display",
) -> "list[Offer]":
    """Return what there is to offer of *results*, each with what signs it."""
    from reprobuild.substituter.offering import Offer

    by = _signer(settings, display)
    built = {(image.connector, image.platform): image for result in results for image in result.images}
    offers = []
    for image in images:
        one = built.get((image.derivation.connector, image.derivation.platform))
        if one is None or one.substituted or one.outcome == "mismatch":
            continue
        sign = partial(_signed, image, one, lock, by) if by is not None else None
        offers.append(Offer(image=image, built=one, sign=sign))
    return offers


def _signed(image: "PlannedImage", built: "BuiltImage", lock: "Lock", by: "CryptoSigner") -> bytes:
    """Return the signed statement of how *image* was built."""
    from reprobuild.provenance.envelope import signed
    from reprobuild.provenance.statement import provenance

    packages = lock.connectors[built.connector].packages
    return signed(provenance(image.derivation, built.manifest.digest, packages=packages, bases=lock.bases).data, by)


def _places(workspace: "Workspace", display: "Display") -> "list[Place]":
    from reprobuild.substituter.place import Limits, Place

    return [
        Place(
            spec,
            keys=_keys(spec.keys, display),
            environ=os.environ,
            registries=workspace.registries,
            progress=display,
            limits=Limits(),
        )
        for spec in workspace.substituters
    ]


def _keys(paths: Sequence[Path], display: "Display") -> "tuple[SSlibKey, ...]":
    """Return the public keys in *paths*; none, with a warning, without the libraries that verify signatures."""
    from reprobuild.provenance.envelope import public_key

    keys = []
    for path in paths:
        pem = _read_key(path)
        try:
            keys.append(public_key(pem, where=str(path)))
        except MachineError as error:
            display.warn(f"no signed output is taken: {error}; {error.hint}")
            return ()
    return tuple(keys)


def _read_key(path: Path) -> bytes:
    from reprobuild.store import machine_errors

    if not path.is_file():
        hint = "write it with `openssl pkey -in KEY -pubout`, or correct the substituter's keys"
        raise SpecificationError("there is no such key", where=str(path), hint=hint)
    with machine_errors(path), path.open("rb") as file:
        return file.read(_LONGEST_KEY)


def _signer(settings: Settings, display: "Display") -> "CryptoSigner | None":
    """Return what signs with the user's key, None if there is none or it cannot be used, which is a warning."""
    text = os.environ.get("REPROBUILD_KEY")
    if not text:
        return None
    from reprobuild.cli.signing import open_signer

    try:
        return open_signer(settings.directory / text)
    except ReprobuildError as error:
        display.warn(f"outputs are offered without a signature: {error}")
        return None
