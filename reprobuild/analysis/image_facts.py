"""An image that was read → what it is: nothing was executed, its config and its files are asked."""

import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from reprobuild.analysis.facts import AddedPackage, Claim, ImageFacts, LayerSize, PackageFacts
from reprobuild.analysis.zone import zone_of
from reprobuild.canonical import Digest
from reprobuild.image.tree import ImageTree
from reprobuild.sbom.component import Component
from reprobuild.sbom.inventory import ReadImage, inventory_of

__all__ = ["BaseImage", "Subject", "base_image", "image_facts", "shared_layers"]

_KINDS = {"deb": "deb", "apk": "apk", "rpm": "rpm"}
_RELEASE = ("etc/os-release", "usr/lib/os-release")
_MUSL = re.compile(r"ld-musl-[^/]+\.so\.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An image to look at: of which connector, where, and what is said to be its base, or nothing."""

    connector: str
    reference: str
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """What a base image is today, on one platform."""

    reference: str
    diff_ids: tuple[Digest, ...]
    environment: Mapping[str, str]
    packages: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """Kind and name → versions."""


def base_image(image: ReadImage, reference: str) -> BaseImage:
    """Return *image*, which *reference* leads to, as a base of others."""
    packages: dict[tuple[str, str], frozenset[str]] = {}
    for one in _packages(inventory_of(image, name="base").components):
        key = (one.kind, one.name)
        packages[key] = packages.get(key, frozenset()) | {one.version}
    return BaseImage(
        reference=reference, diff_ids=image.config.diff_ids, environment=image.config.env, packages=packages
    )


def image_facts(
    image: ReadImage, subject: Subject, *, base: BaseImage | None, layers: tuple[LayerSize, ...]
) -> ImageFacts:
    """Return what *image*, of *subject*, is; *base* is its base as it is today, None if nobody could read that."""
    inventory = inventory_of(image, name=subject.connector)
    config, environment = image.config.config, image.config.env
    components = inventory.components
    distributions, packages = tuple(_distributions(components)), tuple(_packages(components))
    python = next((one.version for one in components if one.kind == "interpreter"), "")
    shared = shared_layers(image.config.diff_ids, base)
    return ImageFacts(
        connector=subject.connector,
        reference=subject.reference,
        digest=image.descriptor.digest,
        platform=str(image.config.platform),
        created=image.config.created or "",
        base=subject.base or image.manifest.annotations.get("org.opencontainers.image.base.name", ""),
        base_layers=shared,
        base_moved=None if base is None else shared < len(base.diff_ids),
        environment=tuple(environment.items()),
        base_environment=dict(base.environment) if base is not None else None,
        entrypoint=_words(config.get("Entrypoint")),
        command=_words(config.get("Cmd")),
        labels={name: str(value) for name, value in _mapping(config.get("Labels")).items()},
        user=str(config.get("User") or ""),
        workdir=str(config.get("WorkingDir") or ""),
        timezone=zone_of(image.tree, environment),
        python=Claim(claimed=environment.get("PYTHON_VERSION", ""), found=python),
        pip=Claim(claimed=environment.get("PYTHON_PIP_VERSION", ""), found=_version(components, "pip", python)),
        setuptools=Claim(
            claimed=environment.get("PYTHON_SETUPTOOLS_VERSION", ""),
            found=_version(components, "setuptools", python),
        ),
        libc=_libc(packages, image.tree),
        system=_system(image.tree),
        distributions=distributions,
        os_packages=packages,
        added=None if base is None else tuple(_added(packages, base)),
        layers=layers,
        unread=inventory.unread,
    )


def shared_layers(diff_ids: Sequence[Digest], base: BaseImage | None) -> int:
    """Return how many layers at the bottom are those that *base* has today."""
    pairs = zip(diff_ids, base.diff_ids if base is not None else (), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _distributions(components: Iterable[Component]) -> Iterable[PackageFacts]:
    """Yield what pip would list: what stands directly among Python's distributions, not inside one of them."""
    for one in components:
        if one.kind == "distribution" and any(_is_installed(path) for path in one.paths):
            yield PackageFacts(kind="pypi", name=one.name, version=one.version)


def _is_installed(path: str) -> bool:
    return posixpath.basename(posixpath.dirname(path)) in {"site-packages", "dist-packages"}


def _version(components: Iterable[Component], name: str, python: str) -> str:
    """Return the version of the distribution *name*; of several that of the *python* which runs."""
    folder = f"/python{'.'.join(python.split('.')[:2])}/"
    found = [
        (folder not in f"/{path}", path, one.version)
        for one in components
        if one.kind == "distribution" and one.name == name
        for path in one.paths
        if _is_installed(path)
    ]
    return min(found)[2] if found else ""


def _packages(components: Iterable[Component]) -> Iterable[PackageFacts]:
    for one in components:
        if one.kind == "package":
            yield PackageFacts(
                kind=_KINDS.get(one.purl.removeprefix("pkg:").partition("/")[0], "os"),
                name=one.name,
                version=one.version,
                architecture=_architecture(one.purl),
            )


def _architecture(purl: str) -> str:
    found = re.search(r"[?&]arch=([^&#]*)", purl)
    return found[1] if found else ""


def _added(packages: Iterable[PackageFacts], base: BaseImage) -> Iterable[AddedPackage]:
    for one in packages:
        there = base.packages.get((one.kind, one.name), frozenset())
        if one.version not in there:
            yield AddedPackage(package=one, before=", ".join(sorted(there)))


def _libc(packages: Iterable[PackageFacts], tree: ImageTree) -> str:
    for one in packages:
        if (one.kind, one.name) in {("deb", "libc6"), ("rpm", "glibc")}:
            return f"glibc {re.split(r'[-+~]', one.version.rpartition(':')[2])[0]}"
        if (one.kind, one.name) == ("apk", "musl"):
            return f"musl {one.version.partition('-r')[0]}"
    names = {name for folder in ("lib", "lib64", "usr/lib", "usr/lib64") for name in _names(tree, folder)}
    if any(_MUSL.fullmatch(name) for name in names):
        return "musl"
    return "glibc" if any(name.startswith("ld-linux") for name in names) else ""


def _names(tree: ImageTree, path: str) -> list[str]:
    found = tree.find(path)
    return tree.names(found.path) if found is not None else []


def _system(tree: ImageTree) -> str:
    """Return what os-release(5) calls the system."""
    for path in _RELEASE:
        found = tree.find(path)
        for line in (found.node.content or b"" if found else b"").decode("utf-8", "replace").splitlines():
            name, _, value = line.partition("=")
            if name == "PRETTY_NAME":
                try:
                    return " ".join(shlex.split(value))
                except ValueError:
                    return value
    return ""


def _words(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
