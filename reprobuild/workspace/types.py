"""The specification's values: what shall be built, before anything is resolved (design §5).

Read by `reprobuild.workspace`; whoever only passes them on imports them from there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reprobuild.builder.compress import Compression
from reprobuild.errors import SpecificationError
from reprobuild.oci.reference import Reference
from reprobuild.oci.registries import Registries
from reprobuild.oci.types import Platform
from reprobuild.workspace.hooks import HookSpec, InputSpec, SecretSpec

if TYPE_CHECKING:
    from reprobuild.workspace.expect import Expectations
    from reprobuild.workspace.substituters import SubstituterSpec
    from reprobuild.workspace.toml_table import Table

__all__ = [
    "DEFAULT_EPOCH",
    "DEFAULT_WORKDIR",
    "OWN_FILE",
    "PYPROJECT",
    "REQUIREMENTS_TXT",
    "BaseSpec",
    "Bytecode",
    "ConnectorSpec",
    "Source",
    "Workspace",
    "check_name",
]

DEFAULT_EPOCH = 315532800
"""1980-01-01T00:00:00Z, the oldest time that a zip can hold."""

OWN_FILE = "reprobuild.toml"
PYPROJECT = "pyproject.toml"
REQUIREMENTS_TXT = "requirements.txt"
DEFAULT_WORKDIR = "/airbyte/integration_code"

Bytecode = Literal["none", "unchecked-hash"]
"""No bytecode, or `.pyc` files that are never held against their source (PEP 552)."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file or folder that goes into the image, as ``target``: absolute, or relative to the connector's workdir.

    ``places`` are where to look for it, relative to the connector's folder, or the workspace's where it has none:
    the first that exists is taken. If none does, a required one is an error. ``where`` is what asked for it.
    """

    kind: Literal["main file", "package folder", "included path", "file"]
    places: tuple[str, ...]
    target: str
    where: str
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseSpec:
    """A base image to build on; the path of a file reference is relative to the workspace.

    ``pip`` is the version that the built image must have, None for whatever the base has; ``env`` is added to
    the base's own environment. ``builder`` names the base that sdists are built on, None for this one itself.
    ``contract`` is the table that `expect` is read from. ``where`` is the file and key path that said so.
    """

    name: str
    image: Reference
    where: str
    pip: str | None = None
    timezone: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    builder: str | None = None
    contract: "Table | None" = field(default=None, compare=False)

    @property
    def expect(self) -> "Expectations | None":
        """What connectors may count on, None if nothing is said; raises SpecificationError for what cannot be.

        Read when it is asked for: a build with nothing to do does not ask.
        """
        if self.contract is None:
            return None
        from reprobuild.workspace.expect import read_expectations  # noqa: PLC0415

        return read_expectations(self.contract)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorSpec:
    """A connector: what is installed, what of its folder is copied, and how it is started.

    ``requirements`` are PEP 508 in normal form, sorted, each once. ``pins`` is the lock file of another tool in
    the folder, if there is one. ``python`` is a set of specifiers (PEP 440). ``folder`` is None for a connector
    that is published as a distribution; ``root`` is then the workspace's. ``workdir`` is absolute and clean.
    ``missing_libraries`` are shared libraries that nothing in the image has and that it is said to do without.
    ``repository`` is where it is pushed, if that is said.
    """

    name: str
    base: str
    requirements: tuple[str, ...]
    entrypoint: tuple[str, ...]
    platforms: tuple[Platform, ...]
    where: str
    version: str | None = None
    pins: tuple[Path, ...] = ()
    python: str | None = None
    folder: Path | None = None
    root: Path | None = None
    sources: tuple[Source, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    workdir: str = DEFAULT_WORKDIR
    user: str | None = None
    hooks: HookSpec = field(default_factory=HookSpec)
    inputs: tuple[InputSpec, ...] = ()
    secrets: tuple[SecretSpec, ...] = ()
    missing_libraries: tuple[str, ...] = ()
    repository: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Everything that is specified below ``root``; bases and connectors sorted by name.

    ``epoch`` is in seconds since 1970; ``bytecode`` says what is compiled of the wheels; ``registries``
    says how registries are spoken to; ``build_constraints`` (PEP 508, normal form) bound what sdists are built with.
    ``substituters`` are where outputs are taken from, in the order in which they are asked. ``engine`` runs what is
    executed, unless who builds names another.
    """

    root: Path
    platforms: tuple[Platform, ...]
    bases: Mapping[str, BaseSpec]
    connectors: Mapping[str, ConnectorSpec]
    where: str
    epoch: int = DEFAULT_EPOCH
    compression: Compression = "gzip"
    bytecode: Bytecode = "none"
    registries: Registries = field(default_factory=Registries)
    build_constraints: tuple[str, ...] = ()
    substituters: "tuple[SubstituterSpec, ...]" = ()
    engine: str | None = None


def check_name(name: str, what: str, where: str) -> None:
    """Refuse names that would not do in a file name; PEP 751 allows a lock's name no dot."""
    allowed = "lower-case letters, digits, - and _" + (" and ." if what == "base" else "")
    if _NAME.fullmatch(name) is None or (what == "connector" and "." in name):
        raise SpecificationError(f"not a name for a {what}: {name[:100]!r}", where=where, hint=f"use {allowed} only")
