"""What is found out about a fleet: of its Dockerfiles, of its images, and of all of them together.

These values are what the readers of this package return and all that reports are made of. Sizes are in bytes, times
are RFC 3339 texts, names are sorted unless said otherwise. ``None`` and ``""`` mean: not found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "AddedPackage",
    "Cause",
    "Claim",
    "DockerfileFacts",
    "Fleet",
    "ImageFacts",
    "LayerSize",
    "Missing",
    "PackageFacts",
    "Reason",
    "Score",
    "Setting",
    "Variant",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What could not be read, and why: the report has the rest."""

    name: str
    why: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerfileFacts:
    """What one Dockerfile says, of its last stage unless said otherwise."""

    connector: str
    path: str
    variant: str
    """Seven hexadecimal digits, as the notebook has it."""
    bases: tuple[str, ...]
    """Of all stages, in order, without names of other stages."""
    moving_bases: tuple[str, ...]
    """Those without a digest."""
    stages: int
    instructions: tuple[str, ...]
    """Keywords, in order."""
    os_packages: tuple[str, ...] = ()
    """As given to apt-get, apk, dnf and the like in any stage: ``curl``, ``gcc=4:12.2.0-3``."""
    unpinned_os_packages: tuple[str, ...] = ()
    pip_installs: tuple[str, ...] = ()
    """Arguments of ``pip install`` that name what is installed."""
    unpinned_pip_installs: tuple[str, ...] = ()
    downloads: tuple[str, ...] = ()
    """Addresses that are fetched without a digest, by ADD, curl or wget."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    workdir: str = ""
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    support_level: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Dockerfiles that are the same after normalisation."""

    digest: str
    example: str
    """The connector that is shown for it: the first by name."""
    connectors: tuple[str, ...]
    text: str
    """The normalised text."""
    compared_with: str = ""
    """The digest of the variant that it is most like, of those that are more common; none for the most common."""
    differences: tuple[str, ...] = ()
    """From that variant, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFacts:
    """A distribution or OS package that is installed. *kind* is pypi, deb, apk or rpm."""

    kind: str
    name: str
    version: str
    architecture: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedPackage:
    """An OS package that the base has not, or has in version *before*."""

    package: PackageFacts
    before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A version as the image claims it (in its environment) and as its files have it."""

    claimed: str = ""
    found: str = ""


class Cause:
    """What bytes of an image are there for: the words of `LayerSize.causes`."""

    BASE = "base image"
    OS = "OS packages"
    DEPENDENCIES = "dependencies"
    CODE = "code"
    CACHES = "caches"
    BYTECODE = "bytecode"
    OTHER = "other"
    ALL = (BASE, OS, DEPENDENCIES, CODE, CACHES, BYTECODE, OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSize:
    """A layer: compressed as the manifest has it, its files' bytes by cause, and the instruction that made it."""

    digest: str
    compressed: int
    causes: Mapping[str, int]
    created_by: str = ""
    is_base: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What one image for one platform is."""

    connector: str
    """The name in reports: of the connector, or the repository's last part."""
    reference: str
    digest: str
    """Of the manifest."""
    platform: str
    created: str = ""
    base: str = ""
    """The base image's reference, from metadata, annotations, the Dockerfile or by its layers."""
    base_layers: int = 0
    """How many layers come from the base: known by its layers, or by history."""
    base_moved: bool | None = None
    """Whether the base's tag leads to other layers today; None if that cannot be known."""
    environment: tuple[tuple[str, str], ...] = ()
    """In the image's order."""
    base_environment: Mapping[str, str] | None = None
    """None if the base was not read."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    workdir: str = ""
    timezone: str = ""
    """Such as ``UTC``."""
    python: Claim = Claim()
    pip: Claim = Claim()
    setuptools: Claim = Claim()
    libc: str = ""
    """Such as ``glibc 2.36`` or ``musl 1.2.3``."""
    system: str = ""
    """Such as ``Debian GNU/Linux 12 (bookworm)``."""
    distributions: tuple[PackageFacts, ...] = ()
    os_packages: tuple[PackageFacts, ...] = ()
    added: tuple[AddedPackage, ...] | None = None
    """OS packages that the base lacks; None if the base was not read."""
    layers: tuple[LayerSize, ...] = ()
    unread: tuple[str, ...] = ()
    """What in this image could not be read, with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A variable of the fleet's environment matrix: *spread* is ``static``, ``varying`` or ``specific``.

    Static: all images have it with one value. Varying: all have it, with different values. Specific: not all have it.
    """

    name: str
    spread: str
    values: Mapping[str, tuple[str, ...]]
    """Value → connectors."""
    from_base: Mapping[str, bool | None]
    """Connector → whether its base sets the same value; None if the base was not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a connector does not get all points."""

    code: str
    """Such as ``moving-base``: stable, documented in docs/reference."""
    points: int
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Reproducibility of a connector, 100 for nothing known against it; the reasons' points are what is missing."""

    connector: str
    points: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All that was found, of Dockerfiles or images or both; the rest is empty."""

    dockerfiles: tuple[DockerfileFacts, ...] = ()
    variants: tuple[Variant, ...] = ()
    """The most common first, then by digest."""
    images: tuple[ImageFacts, ...] = ()
    settings: tuple[Setting, ...] = ()
    scores: tuple[Score, ...] = ()
    missing: tuple[Missing, ...] = ()
