"""The lock's values: what is pinned for base images and for connectors (design §6).

Read by `reprobuild.lock_reader`, written by `reprobuild.lock_writer`; both are exact inverses, so a lock that
nobody changed is written back byte for byte.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from reprobuild.canonical import Digest
from reprobuild.oci.types import Platform

__all__ = [
    "BASE_LOCK",
    "FORMAT",
    "BaseDirectory",
    "BaseDistribution",
    "BaseImage",
    "BasePlatform",
    "ConnectorLock",
    "Interpreter",
    "Libc",
    "Lock",
    "LockedInput",
    "Output",
    "Package",
    "Sdist",
    "Wheel",
    "lock_path",
    "normal_name",
]

FORMAT = 3
"""The format that binds every byte rule of design §9. What a lock of an older one records is built as it was."""

BASE_LOCK = "base-images.lock.toml"


def lock_path(connector: str) -> str:
    """Return where the lock of *connector* is, relative to the workspace."""
    return f"lock/pylock.{connector}.toml"


def normal_name(name: str) -> str:
    """Return the name of a distribution in the one form that all spellings share (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel by file name, size in bytes and digest; where it comes from is the index's business."""

    file: str
    size: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdist:
    """A source distribution whose wheels are built here, and all that building them takes.

    ``requires`` are the wheels of the build requirements for every platform, sorted by file name; ``builder`` is
    the name of the base that it is built on.
    """

    file: str
    size: int
    digest: Digest
    builder: str
    requires: tuple[Wheel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A distribution at one version with the wheels that the platforms install, sorted by file name.

    ``marker`` (PEP 508) restricts it to some platforms; ``name`` is normalised (PEP 503). Where ``sdist`` is set,
    an index lacks wheels for some platform: they are built from it.
    """

    name: str
    version: str
    wheels: tuple[Wheel, ...]
    marker: str | None = None
    sdist: Sdist | None = None

    @property
    def built(self) -> tuple[Wheel, ...]:
        """The wheels that are built from ``sdist``: those of indexes are for manylinux or musllinux (PEP 600, 656)."""
        if self.sdist is None:
            return ()
        return tuple(one for one in self.wheels if not re.search("(many|musl)linux", one.file.rpartition("-")[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedInput:
    """A file that hooks may read, by the name that they know it by, its size in bytes and its digest."""

    name: str
    size: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A derivation, and the manifest that building it gave when it was recorded."""

    derivation: Digest
    manifest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorLock:
    """``lock/pylock.<name>.toml``: packages and inputs sorted by name, outputs by platform.

    ``impure`` says what may change the image without the lock: ``hooks: network``.
    """

    name: str
    base: str
    python: str
    requirements: tuple[str, ...]
    environments: tuple[str, ...]
    packages: tuple[Package, ...]
    outputs: Mapping[Platform, Output] = field(default_factory=dict)
    inputs: tuple[LockedInput, ...] = ()
    impure: tuple[str, ...] = ()
    format: int = FORMAT


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Libc:
    """A C library and its version as the dynamic linker counts it: glibc 2.36, musl 1.2."""

    family: str
    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.family} {self.major}.{self.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """Absolute paths of a base image's Python: the executable, and the schemes that wheels install into."""

    executable: str
    purelib: str
    platlib: str
    scripts: str
    include: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseDistribution:
    """A distribution that the base brings along, and the paths to remove before another version goes in."""

    name: str
    version: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseDirectory:
    """A directory of the base whose mode or owner is not 0755 and root's."""

    path: str
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BasePlatform:
    """One platform of a base image, and what its files say that a builder has to respect.

    ``manifest`` is what is locked; ``size`` is that of the manifest in bytes. ``links`` maps the base's
    symbolic links to directories near the root to what they say.
    """

    manifest: Digest
    config: Digest
    size: int
    links: Mapping[str, str]
    directories: tuple[BaseDirectory, ...]
    distributions: tuple[BaseDistribution, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """A base image: the reference as written, the digest it resolved to, and what all platforms share.

    ``python`` and ``pip`` are versions read from files, ``pip_wheel`` is what the built image must have,
    ``timezone`` the zone that was found in the files on every platform.
    """

    name: str
    image: str
    index: Digest
    python: str
    pip: str | None
    libc: Libc
    interpreter: Interpreter
    platforms: Mapping[Platform, BasePlatform]
    pip_wheel: Wheel | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Everything that is pinned: base images and connectors by name."""

    bases: Mapping[str, BaseImage]
    connectors: Mapping[str, ConnectorLock]
