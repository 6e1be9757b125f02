"""The inventory of an image: every component that its files and documents tell of. Nothing is executed."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError, LockError
from reprobuild.image.os_packages import OsPackage
from reprobuild.image.tree import ImageTree
from reprobuild.lockfile import Wheel
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.types import Descriptor, ImageConfig, Manifest, Platform
from reprobuild.resolver.interpreter import find_interpreter
from reprobuild.sbom.component import Component
from reprobuild.sbom.contents import RELEASE, installed, os_packages, os_release, readable
from reprobuild.sbom.distributions import wheel_digest, wheels_by_name
from reprobuild.sbom.purl import purl, pypi_purl

__all__ = ["Inventory", "ReadImage", "inventory_of"]

_KEY = "org.opencontainers.image."


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadImage:
    """One platform's image, read: ``tree`` has the contents of the files that are wanted.

    ``unread`` says in words which of them it has not, and why.
    """

    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig
    tree: ImageTree
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What is in an image on one platform: components, sorted, and in words what could not be read.

    ``created`` is what the config says. ``purl`` is empty where the image is in no registry.
    """

    name: str
    version: str
    platform: Platform
    manifest: Digest
    created: datetime | None
    components: tuple[Component, ...]
    purl: str = ""
    unread: tuple[str, ...] = ()


def inventory_of(image: ReadImage, *, name: str, wheels: Sequence[Wheel] = (), base: str = "") -> Inventory:
    """Return what is in *image*, which is known as *name*: a reference to a registry, or any name.

    *wheels* are those that it was made of and *base* is the reference of its base image, where that is known.
    """
    annotations = image.manifest.annotations
    unread = [readable(one) for one in image.unread]
    found = [
        *_base(annotations, base),
        *_system(image.tree),
        *_packages(image.tree, unread),
        *_distributions(image, wheels, unread),
    ]
    found += _interpreter(image, unread, has_distributions=any(one.kind == "distribution" for one in found))
    digest = image.descriptor.digest
    return Inventory(
        name=annotations.get(f"{_KEY}title") or name,
        version=annotations.get(f"{_KEY}version") or digest,
        platform=image.config.platform,
        manifest=digest,
        created=_time(image.config.created),
        components=_merged(found),
        purl=_image_purl(name, digest, image.config.platform),
        unread=tuple(sorted(unread)),
    )


def _base(annotations: Mapping[str, str], given: str) -> Iterator[Component]:
    """Yield the base image, by the keys that OCI predefines (image-spec, annotations.md)."""
    digest, name = annotations.get(f"{_KEY}base.digest", ""), annotations.get(f"{_KEY}base.name") or given
    if digest or name:
        known = Digest(digest) if digest.startswith("sha256:") else None
        yield Component(
            kind="base",
            name=name or "base image",
            version=digest,
            purl=_image_purl(name, known) if known and name else "",
            digest=known,
        )


def _image_purl(name: str, digest: Digest, platform: Platform | None = None) -> str:
    """Return the package URL of the image *digest* at *name*; none if that is no reference to a registry."""
    host, slash, _ = name.partition("/")
    if not slash or not (any(mark in host for mark in ".:") or host == "localhost"):
        return ""
    try:
        reference = parse_reference(name)
    except (ContentError, LockError, ValueError):
        return ""
    if not isinstance(reference, RegistryReference):
        return ""
    place = f"{reference.host}/{reference.repository}"
    arch = platform.architecture if platform is not None else ""
    return purl("oci", posixpath.basename(place), digest, qualifiers={"arch": arch, "repository_url": place})


def _system(tree: ImageTree) -> Iterator[Component]:
    release = os_release(tree)
    if release.get("ID"):
        found = next(path for path in RELEASE if tree.find(path) is not None)
        yield Component(
            kind="operating-system", name=release["ID"], version=release.get("VERSION_ID", ""), paths=(found,)
        )


def _packages(tree: ImageTree, unread: list[str]) -> Iterator[Component]:
    release = os_release(tree)
    return (_package(one, release) for one in os_packages(tree, unread))


def _package(one: OsPackage, release: Mapping[str, str]) -> Component:
    system, number = release.get("ID", ""), release.get("VERSION_ID", "")
    qualifiers = {
        "arch": one.architecture,
        "distro": f"{system}-{number}" if system and number else system,
        "epoch": one.epoch,
        "upstream": one.source,
    }
    return Component(
        kind="package",
        name=one.name,
        version=f"{one.epoch}:{one.version}" if one.epoch else one.version,
        purl=purl(one.kind, one.name, one.version, namespace=system, qualifiers=qualifiers),
        paths=(one.database,),
        license=one.license,
    )


def _distributions(image: ReadImage, wheels: Sequence[Wheel], unread: list[str]) -> Iterator[Component]:
    known = wheels_by_name(wheels)
    for one in installed(image.tree, unread):
        yield Component(
            kind="distribution",
            name=one.name,
            version=one.version,
            purl=pypi_purl(one.name, one.version),
            paths=(readable(one.path),),
            license=one.license,
            digest=wheel_digest(one, known),
            layer=image.config.diff_ids[one.layer],
        )


def _interpreter(image: ReadImage, unread: list[str], *, has_distributions: bool) -> list[Component]:
    """Return the Python that the image runs; nothing if it has none."""
    try:
        python = find_interpreter(image.tree, image.config, image.config.platform, where="its Python")
    except LockError as error:
        # An image need not have a Python. What is there for one says that it should.
        unread += [str(error)] if has_distributions else []
        return []
    found = image.tree.find(python.interpreter.executable)
    return [
        Component(
            kind="interpreter",
            name="python",
            version=python.version,
            purl=purl("generic", "python", python.version),
            paths=(found.path,) if found is not None else (),
            layer=image.config.diff_ids[found.node.layer] if found is not None else None,
        )
    ]


def _merged(found: Iterable[Component]) -> tuple[Component, ...]:
    """Return *found* sorted, each package URL once with all its paths."""
    merged: dict[tuple[str, str, str], Component] = {}
    for one in sorted(found, key=lambda one: (one.kind, one.name, one.version, one.purl, one.paths)):
        key = one.kind, one.purl or one.name, one.version
        first = merged.setdefault(key, one)
        if first is not one:
            paths = tuple(sorted({*first.paths, *one.paths}))
            merged[key] = replace(first, paths=paths, license=first.license or one.license)
    return tuple(merged.values())


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
