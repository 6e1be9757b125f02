"""What an image was made of, as resource descriptors of in-toto (attestation spec, v1, resource_descriptor.md).

All of it is in the derivation, but for the sdists that some wheels were built from: those are in the lock.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.utils import parse_wheel_filename

from reprobuild.canonical import Digest, canonical_json, digest_of, hex_of
from reprobuild.derivation import Derivation
from reprobuild.lockfile import BaseImage, Package, Sdist, Wheel
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.types import MANIFEST, Platform
from reprobuild.resolver.locked_sdist import required_wheels
from reprobuild.sbom.purl import purl, pypi_purl
from reprobuild.target import Target

__all__ = ["FILES", "files_digest", "materials"]

FILES = "application/vnd.reprobuild.files.v1+json"
"""A connector's files as canonical JSON: a list of [path, executable, target of a link, digest], by path."""


def materials(
    derivation: Derivation, packages: Sequence[Package] = (), bases: Mapping[str, BaseImage] | None = None
) -> list[dict[str, Any]]:
    """Return every input of *derivation*, each once, in its order: base, wheels, files, hooks, inputs.

    With the *packages* and *bases* of its lock also what wheels were built from: the sdist, what builds it, and the
    image that it was built on.
    """
    found = [
        _image(derivation.base, derivation.platform),
        *(_wheel(wheel) for wheel in derivation.installed),
        {"name": "files", "digest": _sha256(files_digest(derivation)), "mediaType": FILES},
        *({"name": str(hook), "digest": _sha256(hook.digest)} for hook in derivation.hooks),
        *({"name": f"input {item.name}", "digest": _sha256(item.digest)} for item in derivation.inputs),
        *_built(derivation, packages, bases or {}),
    ]
    return list({canonical_json(one): one for one in found}.values())


def files_digest(derivation: Derivation) -> Digest:
    """Return the digest of the connector's files, as a document of media type `FILES`."""
    listed = sorted([file.path, file.executable, file.target, file.digest] for file in derivation.files)
    return digest_of(canonical_json(listed))


def _built(
    derivation: Derivation, packages: Sequence[Package], bases: Mapping[str, BaseImage]
) -> Iterator[dict[str, Any]]:
    installed = {wheel.digest for wheel in derivation.wheels}
    for package in packages:
        if package.sdist is None or not installed & {wheel.digest for wheel in package.built}:
            continue
        yield _sdist(package, package.sdist)
        if (builder := bases.get(package.sdist.builder)) is not None:
            yield _image(builder, derivation.platform)
            target = Target(platform=derivation.platform, python=builder.python, libc=builder.libc)
            yield from (_wheel(wheel) for wheel in required_wheels(package.sdist, target))


def _image(base: BaseImage, platform: Platform) -> dict[str, Any]:
    manifest = base.platforms[platform].manifest
    reference = parse_reference(base.image)
    found: dict[str, Any] = {"name": base.image, "digest": _sha256(manifest), "mediaType": MANIFEST}
    if isinstance(reference, RegistryReference):
        place = f"{reference.host}/{reference.repository}"
        qualifiers = {"arch": platform.architecture, "repository_url": place}
        found["uri"] = purl("oci", posixpath.basename(place), manifest, qualifiers=qualifiers)
    return found


def _wheel(wheel: Wheel) -> dict[str, Any]:
    name, version, _, _ = parse_wheel_filename(wheel.file)
    return {
        "uri": pypi_purl(name, str(version), file_name=wheel.file),
        "name": wheel.file,
        "digest": _sha256(wheel.digest),
    }


def _sdist(package: Package, sdist: Sdist) -> dict[str, Any]:
    return {
        "uri": pypi_purl(package.name, package.version, file_name=sdist.file),
        "name": sdist.file,
        "digest": _sha256(sdist.digest),
    }


def _sha256(digest: Digest) -> dict[str, str]:
    return {"sha256": hex_of(digest)}
