"""What `reprobuild analyze drift` does: two states are read, compared and told of."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprobuild.cli.analyzed_images import connector_name, reading_of
from reprobuild.cli.output import plain, say, say_json, styled, tell
from reprobuild.cli.settings import Settings
from reprobuild.errors import ContentError, ReprobuildError, SpecificationError

if TYPE_CHECKING:
    from reprobuild.analysis.drift import Drift
    from reprobuild.analysis.drift_from import LockedImage
    from reprobuild.analysis.facts import DockerfileFacts, Fleet, ImageFacts
    from reprobuild.analysis.fleet_drift import FleetDrift

__all__ = ["DriftRequest", "find_drift", "print_drift"]

_LARGEST = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRequest:
    """The arguments of `reprobuild analyze drift`, as they were given."""

    a: str
    b: str | None
    dockerfile: Path | None
    lock: str | None
    bases: Sequence[str]
    platforms: Sequence[str]


def find_drift(request: DriftRequest, settings: Settings) -> "FleetDrift":
    """Return how B differs from A, or A from a Dockerfile or a lock; raise SpecificationError for none or several."""
    from reprobuild.analysis.fleet_drift import FleetDrift

    if sum(one is not None for one in (request.b, request.dockerfile, request.lock)) != 1:
        hint = "name a second image or report, or --dockerfile FILE, or --lock NAME"
        raise SpecificationError("an image is compared with one thing", hint=hint)
    if request.b is not None:
        return _of_two(request, request.b, settings)
    if request.dockerfile is not None:
        return FleetDrift(drifts=_from_dockerfile(request, request.dockerfile, settings))
    return FleetDrift(drifts=_from_lock(request, request.lock or "", settings))


def print_drift(found: "FleetDrift", settings: Settings, *, json: bool) -> None:
    """Print *found*, as JSON or in words: for each image what changed, and the likely cause."""
    if json:
        say_json(_to_json(found))
        return
    for one in found.drifts:
        _print_one(one, settings)
    for side, names in (("A", found.only_a), ("B", found.only_b)):
        for name in names:
            say(plain(f"{name}  in {side} only"))
    if len(found.drifts) > 1:
        changed = sum(bool(one.changes) for one in found.drifts)
        say(f"\n{changed} of {len(found.drifts)} changed")


def _print_one(one: "Drift", settings: Settings) -> None:
    count = len(one.changes)
    verdict = f"{count} {'change' if count == 1 else 'changes'}: {', '.join(one.causes)}" if count else "no drift"
    style = "open" if count else "good"
    say(plain(f"{one.connector}  {one.platform or 'Dockerfile'}  ") + styled(verdict, style, sys.stdout, settings))
    if count:
        say(plain(f"  A  {one.a}\n  B  {one.b}"))
    for line in _table(one):
        say(plain(line))


def _table(one: "Drift") -> list[str]:
    rows = [
        (change.cause, f"{change.what} {change.name}".strip(), f"{_cell(change.before)} \u2192 {_cell(change.after)}")
        for change in one.changes
    ]
    widths = [max((len(row[place]) for row in rows), default=0) for place in (0, 1)]
    return [f"  {cause:<{widths[0]}}  {what:<{widths[1]}}  {values}" for cause, what, values in rows]


def _cell(value: str) -> str:
    return value.replace("\n", "\\n") or "nothing"


def _to_json(found: "FleetDrift") -> dict[str, Any]:
    from dataclasses import asdict

    drifts = [{**asdict(one), "causes": list(one.causes)} for one in found.drifts]
    return {"drifts": drifts, "onlyA": list(found.only_a), "onlyB": list(found.only_b)}


def _of_two(request: DriftRequest, other: str, settings: Settings) -> "FleetDrift":
    from dataclasses import replace

    from reprobuild.analysis.fleet_drift import fleet_drift

    texts = (request.a, other)
    a, b = (_fleet(text, request, settings) for text in texts)
    if not (a.images and b.images) and not (a.dockerfiles and b.dockerfiles):
        hint = "compare reports of images, or reports of Dockerfiles"
        raise SpecificationError("they have nothing to compare", where=" and ".join(texts), hint=hint)
    # An image beside a report of many is compared with those that the report has of its connector.
    if not _is_report(request.a, settings) and (fitting := _of_connectors(b, a)):
        b = replace(b, images=fitting)
    if not _is_report(other, settings) and (fitting := _of_connectors(a, b)):
        a = replace(a, images=fitting)
    return fleet_drift(a, b)


def _of_connectors(many: "Fleet", one: "Fleet") -> "tuple[ImageFacts, ...]":
    """Return the images of *many* that are of the connectors of *one*."""
    names = {image.connector for image in one.images}
    return tuple(image for image in many.images if image.connector in names)


def _is_report(text: str, settings: Settings) -> bool:
    return (settings.directory / text).is_file()


def _fleet(text: str, request: DriftRequest, settings: Settings) -> "Fleet":
    """Return the fleet that *text* is: what a saved report has, or the images that a reference leads to."""
    from dataclasses import replace

    from reprobuild.analysis.facts import Fleet
    from reprobuild.analysis.report_json import read_fleet

    path = settings.directory / text
    if not path.is_file():
        if text.endswith(".json"):
            raise SpecificationError("there is no such report", where=text, hint="save one with --json")
        return Fleet(images=_read(text, request.bases, request, settings))
    if path.stat().st_size > _LARGEST:
        raise SpecificationError("too large for a report", where=text)
    fleet = read_fleet(path.read_bytes(), where=text)
    wanted = {platform.removesuffix("/v8") for platform in request.platforms}
    kept = tuple(one for one in fleet.images if not wanted or one.platform.removesuffix("/v8") in wanted)
    return replace(fleet, images=kept)


def _read(text: str, bases: Sequence[str], request: DriftRequest, settings: Settings) -> "tuple[ImageFacts, ...]":
    from reprobuild.analysis.image_facts import Subject

    fleet = reading_of([Subject(connector=connector_name(text), reference=text)], bases, request.platforms, settings)
    if not fleet.images:
        first = fleet.missing[0]
        raise ContentError(first.why, where=first.name, hint=first.hint or None)
    for one in fleet.missing:
        tell(plain(f"warning: {one.name}: {one.why}"))
    return fleet.images


def _from_dockerfile(request: DriftRequest, path: Path, settings: Settings) -> "tuple[Drift, ...]":
    from reprobuild.analysis.drift_from import dockerfile_drift

    said, base = _dockerfile(settings.directory / path, str(path), connector_name(request.a))
    bases = request.bases or ([base] if base else [])
    return tuple(dockerfile_drift(image, said) for image in _read(request.a, bases, request, settings))


def _dockerfile(path: Path, where: str, connector: str) -> "tuple[DockerfileFacts, str]":
    from dataclasses import replace

    from reprobuild.analysis.dockerfile_facts import dockerfile_facts, image_base, image_installs
    from reprobuild.analysis.dockerfile_reader import read_dockerfile

    try:
        data = path.read_bytes()
    except OSError as error:
        raise SpecificationError(error.strerror or str(error), where=where, hint="name a Dockerfile") from error
    dockerfile = read_dockerfile(data, where)
    # What another stage installs need not be in the image.
    found = list(image_installs(dockerfile))
    facts = replace(
        dockerfile_facts(dockerfile, connector=connector, variant=""),
        os_packages=tuple(one.name for one in found if one.kind == "os"),
        pip_installs=tuple(one.name for one in found if one.kind == "pip"),
    )
    return facts, image_base(dockerfile)


def _from_lock(request: DriftRequest, name: str, settings: Settings) -> "tuple[Drift, ...]":
    from reprobuild.analysis.drift_from import lock_drift

    images = _read(request.a, request.bases, request, settings)
    return tuple(lock_drift(image, _locked(name, image.platform, settings), name) for image in images)


def _locked(name: str, platform: str, settings: Settings) -> "LockedImage":
    """Return what the lock of the connector *name* says of its image on *platform*."""
    from reprobuild.analysis.drift_from import LockedImage
    from reprobuild.cli.opening import named, open_workspace
    from reprobuild.errors import LockError
    from reprobuild.lock_files import read_lock
    from reprobuild.oci.types import parse_platform
    from reprobuild.target import Target, select

    workspace = open_workspace(settings)
    named(workspace, [name])
    lock = read_lock(workspace.root, [name])
    connector = lock.connectors[name]
    base, wanted = lock.bases[connector.base], parse_platform(platform)
    fitting = next((one for one in base.platforms if one.satisfies(wanted)), None)
    if fitting is None:
        raise LockError(f"is not for {platform}", where=f"the lock of {name}", hint="choose another with --platform")
    wheels = select(connector, Target(platform=fitting, python=base.python, libc=base.libc))
    packages = {wheel.file: package for package in connector.packages for wheel in package.wheels}
    output = connector.outputs.get(fitting)
    return LockedImage(
        base=base.image,
        python=base.python,
        libc=str(base.libc),
        pip=base.pip or "",
        distributions={packages[one.file].name: packages[one.file].version for one in wheels},
        brought={one.name: one.version for one in base.platforms[fitting].distributions},
        manifest=output.manifest if output is not None else "",
        base_layers=_layers(base, fitting),
    )


def _layers(base: Any, platform: Any) -> tuple[str, ...]:
    """Return the digests of the layers of *base*, as far as the store knows them."""
    from reprobuild.builder.base import stored_manifest
    from reprobuild.cli.opening import open_store

    try:
        manifest, _ = stored_manifest(base, platform, open_store())
    except ReprobuildError:
        return ()
    return tuple(layer.digest for layer in manifest.layers)
