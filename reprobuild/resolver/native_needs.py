"""What wheels need of a base image, looked up when they are locked: people learnt it from an ImportError before."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reprobuild.canonical import Digest
from reprobuild.errors import LockError
from reprobuild.image.elf import machine_of
from reprobuild.image.shared_object import SharedObject
from reprobuild.lockfile import BaseImage, ConnectorLock, Wheel
from reprobuild.oci.types import Platform
from reprobuild.progress import Progress
from reprobuild.resolver.base_fetch import fetch_base
from reprobuild.resolver.base_libraries import base_libraries, remembered_libraries
from reprobuild.resolver.library_packages import package_with
from reprobuild.resolver.needs import BaseLibraries, Missing, missing
from reprobuild.resolver.wheel_elf import remembered_objects, wheel_objects
from reprobuild.selection import selected
from reprobuild.store import Store
from reprobuild.target import Target

if TYPE_CHECKING:
    from reprobuild.workspace import ConnectorSpec, Workspace

__all__ = ["check_needs"]

_SHOWN = 5
"""Distributions, and connectors, that a message lists."""

_Objects = Mapping[Digest, Mapping[str, SharedObject]]
"""Of wheels, by their digests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """A connector on one platform, with the wheels that it installs there."""

    spec: "ConnectorSpec"
    base: BaseImage
    platform: Platform
    wheels: tuple[Wheel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lack:
    """What is missing in an image, and what its base's distribution is."""

    image: _Image
    missing: Missing
    release: Mapping[str, str]


async def check_needs(
    workspace: "Workspace",
    locks: Mapping[str, ConnectorLock],
    bases: Mapping[str, BaseImage],
    store: Store,
    *,
    progress: Progress,
) -> None:
    """Raise LockError if the wheels of *locks*, which are in *store*, need libraries that an image will not have.

    Nothing is executed. A base is read, and fetched if need be, only where a wheel has native code, and once in a
    store's life. For a connector with hooks, which may bring what is missing, it is a warning.
    """
    from anyio import to_thread  # noqa: PLC0415

    images = await to_thread.run_sync(_images, workspace, locks, bases, store, abandon_on_cancel=True)
    objects = await to_thread.run_sync(_objects, images, store, progress, abandon_on_cancel=True)
    native = [image for image in images if any(objects[wheel.digest] for wheel in image.wheels)]
    for name in sorted({image.base.name for image in native}):
        platforms = sorted({image.platform for image in native if image.base.name == name})
        unread = [platform for platform in platforms if remembered_libraries(bases[name], platform, store) is None]
        if unread:
            await fetch_base(workspace, bases[name], store, progress=progress)
            await to_thread.run_sync(_read_base, bases[name], unread, store, progress, abandon_on_cancel=True)
    lacks = await to_thread.run_sync(lambda: list(_lacks(workspace, native, objects, store)))
    if excused := [lack for lack in lacks if lack.image.spec.hooks]:
        progress.warn(f"{_names(excused)}: {_account(excused)}\nunless hooks bring them, imports will fail")
    if fatal := [lack for lack in lacks if not lack.image.spec.hooks]:
        raise LockError(_account(fatal), where=_names(fatal), hint=_hint(fatal))


def _images(
    workspace: "Workspace", locks: Mapping[str, ConnectorLock], bases: Mapping[str, BaseImage], store: Store
) -> list[_Image]:
    images = []
    for name, lock in locks.items():
        spec, base = workspace.connectors[name], bases[lock.base]
        for platform in spec.platforms:
            wheels = selected(store, lock, Target(platform=platform, python=base.python, libc=base.libc))
            images.append(_Image(spec=spec, base=base, platform=platform, wheels=wheels))
    return images


def _objects(images: Iterable[_Image], store: Store, progress: Progress) -> _Objects:
    """Return what is in the wheels of *images*; what was never read is read now."""
    wheels = {wheel.digest: wheel for image in images for wheel in image.wheels}
    known = {digest: remembered_objects(wheel, store) for digest, wheel in wheels.items()}
    unread = [wheel for digest, wheel in wheels.items() if known[digest] is None]
    found = {digest: objects for digest, objects in known.items() if objects is not None}
    if unread:
        task = progress.task("looking for native code", len(unread), unit="wheels")
        for wheel in unread:
            found[wheel.digest] = wheel_objects(wheel, store)
            task.advance(1)
        task.finish()
    return found


def _read_base(base: BaseImage, platforms: Sequence[Platform], store: Store, progress: Progress) -> None:
    task = progress.task(f"reading the libraries of {base.name}")
    for platform in platforms:
        base_libraries(base, platform, store, task=task)
    task.finish()


def _lacks(workspace: "Workspace", images: Iterable[_Image], objects: _Objects, store: Store) -> Iterator[_Lack]:
    known: dict[tuple[str, Platform], BaseLibraries] = {}
    for image in images:
        spec, base, key = image.spec, image.base, (image.base.name, image.platform)
        machine = machine_of(image.platform.architecture)
        if machine is None:
            continue
        libraries = known.setdefault(key, known.get(key) or base_libraries(base, image.platform, store))
        variables = {**workspace.bases[base.name].env, **spec.env}
        found = missing(
            {wheel.file: objects[wheel.digest] for wheel in image.wheels},
            libraries,
            machine=machine,
            libc=base.libc.family,
            site=base.interpreter.platlib,
            directories=[place for place in re.split("[:;]", variables.get("LD_LIBRARY_PATH", "")) if place],
        )
        for one in found:
            if one.library not in spec.missing_libraries:
                yield _Lack(image=image, missing=one, release=libraries.release)


def _account(lacks: Sequence[_Lack]) -> str:
    """Return what is missing, a line for each library or set of versions that some platforms lack."""
    groups: dict[tuple[str, tuple[str, ...]], list[_Lack]] = defaultdict(list)
    for lack in lacks:
        groups[lack.missing.library, lack.missing.versions].append(lack)
    lines = [_line(library, versions, some) for (library, versions), some in sorted(groups.items())]
    bases = " and ".join(sorted({lack.image.base.name for lack in lacks}))
    return f"wheels need shared libraries that neither the base image {bases} nor another wheel has:\n" + "\n".join(
        lines
    )


def _line(library: str, versions: Sequence[str], lacks: Sequence[_Lack]) -> str:
    platforms = " and ".join(sorted({str(lack.image.platform) for lack in lacks}))
    what = f"{library} with {' and '.join(versions)}" if versions else library
    places = sorted({_place(lack.missing) for lack in lacks})
    return f"  {what} on {platforms}, for wheels of {_listed(places)} ({package_with(library, lacks[0].release)})"


def _place(one: Missing) -> str:
    name, version = one.needed_by.split("-")[:2]
    through = f" (through the base image's {one.path})" if one.path.startswith("/") else ""
    return f"{name} {version}{through}"


def _names(lacks: Iterable[_Lack]) -> str:
    return _listed(sorted({lack.image.spec.name for lack in lacks}))


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join([*names[:_SHOWN], *more])


def _hint(lacks: Sequence[_Lack]) -> str:
    first = lacks[0]
    names = ", ".join(f'"{name}"' for name in sorted({lack.missing.library for lack in lacks}))
    remedy = (
        f"install {package_with(first.missing.library, first.release)} in the base image, or take another base image"
    )
    if first.missing.versions:
        remedy = "take a newer base image, or an older version of the distribution that needs it"
    return f"{remedy}; if the connector does without, say so in its table: missing-libraries = [{names}]"
