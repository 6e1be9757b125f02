"""Derivation: everything that determines an image, and nothing else (design §7).

Not in it: the host, the time, paths of the build machine, the number of processors, the engine. Its digest
keys outputs in the store, and the lock maps it to the manifest that it gives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reprobuild.builder.compress import Compression
from reprobuild.builder.connector import ConnectorFile
from reprobuild.builder.hook import Hook
from reprobuild.builder.layering import GROUPS, LARGE_WHEEL, LARGE_WHEELS, layering
from reprobuild.canonical import Digest, canonical_json, digest_of
from reprobuild.lockfile import FORMAT, BaseImage, BasePlatform, LockedInput, Wheel
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.types import Platform
from reprobuild.workspace import BaseSpec, ConnectorSpec, Workspace
from reprobuild.workspace.hooks import DEFAULT_TIMEOUT
from reprobuild.workspace.types import Bytecode

__all__ = ["Derivation", "derive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """One connector on one platform: what goes in, and how.

    ``base`` and ``files`` are the lock's and the folder's values; ``env`` is what is added to the base's
    environment, sorted by name; ``wheels`` are in the order of installation. ``inputs``, ``secrets`` (by name alone)
    and ``network`` are what the ``hooks`` are given; their ``timeout``, in seconds, determines nothing. ``bytecode``
    says what is compiled of the wheels; ``format`` is the lock's.
    """

    connector: str
    platform: Platform
    base: BaseImage
    timezone: str | None
    wheels: tuple[Wheel, ...]
    files: tuple[ConnectorFile, ...]
    env: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    entrypoint: tuple[str, ...]
    workdir: str
    user: str | None
    epoch: int
    compression: Compression
    hooks: tuple[Hook, ...] = ()
    inputs: tuple[LockedInput, ...] = ()
    secrets: tuple[str, ...] = ()
    network: bool = False
    timeout: float = DEFAULT_TIMEOUT
    bytecode: Bytecode = "none"
    format: int = FORMAT

    @property
    def names_once(self) -> bool:
        """Whether a layer names no path twice, as Docker wants it: since format 2."""
        return self.format >= 2

    @property
    def installed(self) -> tuple[Wheel, ...]:
        """All wheels that go into the image: the pinned pip first, unless the connector brings its own."""
        pip = self.base.pip_wheel
        own = any(wheel.file.lower().startswith("pip-") for wheel in self.wheels)
        return self.wheels if pip is None or own else (pip, *self.wheels)

    @property
    def layered(self) -> tuple[tuple[Wheel, ...], ...]:
        """What is installed, by layer; until format 2 all wheels but the large ones shared one."""
        return layering(self.installed, groups=self._groups)

    @property
    def names_all(self) -> bool:
        """Whether the history of the image names all wheels of a layer: since format 3."""
        return self.format >= 3

    @property
    def _groups(self) -> int:
        return GROUPS if self.format >= 3 else 1

    @property
    def base_platform(self) -> BasePlatform:
        """The base image on this derivation's platform."""
        return self.base.platforms[self.platform]

    @property
    def shared_annotations(self) -> dict[str, str]:
        """The annotations that hold for every platform, and therefore for the index."""
        return {key: value for key, value in self.annotations.items() if not key.endswith(".base.digest")}

    def to_json(self) -> dict[str, Any]:
        """Return the canonical value; what is not in it cannot change the image."""
        base, locked = self.base, self.base_platform
        return {
            "format": self.format,
            "platform": str(self.platform),
            "base": {
                "manifest": locked.manifest,
                "interpreter": {key: getattr(base.interpreter, key) for key in base.interpreter.__slots__},
                "links": dict(locked.links),
                "directories": [[item.path, item.mode, item.uid, item.gid] for item in locked.directories],
                "distributions": [[item.name, item.version, *item.paths] for item in locked.distributions],
            },
            "setup": {
                "timezone": self.timezone,
                "pip": [base.pip_wheel.file, base.pip_wheel.digest] if base.pip_wheel else None,
            },
            "wheels": [[wheel.file, wheel.size, wheel.digest] for wheel in self.wheels],
            "files": [[file.path, file.executable, file.target, file.digest] for file in self.files],
            "hooks": [[hook.kind, hook.digest] for hook in self.hooks],
            **self._given(),
            "env": dict(self.env),
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "entrypoint": list(self.entrypoint),
            "workdir": self.workdir,
            "user": self.user,
            "epoch": self.epoch,
            "layering": {
                "wheels": LARGE_WHEELS,
                "from": LARGE_WHEEL,
                **({"groups": self._groups} if self._groups > 1 else {}),
            },
            "compression": self.compression,
            **({"bytecode": self.bytecode} if self.bytecode != "none" else {}),
        }

    def _given(self) -> dict[str, Any]:
        """Return what the hooks are given; nothing where there are none, or where it is not there."""
        given = {
            "inputs": [[item.name, item.digest] for item in self.inputs],
            "secrets": list(self.secrets),
            "network": self.network,
        }
        return {key: value for key, value in given.items() if value and self.hooks}

    @property
    def digest(self) -> Digest:
        """The identity of this derivation."""
        return digest_of(canonical_json(self.to_json()))


def derive(
    workspace: Workspace,
    connector: ConnectorSpec,
    base: BaseImage,
    platform: Platform,
    *,
    wheels: Sequence[Wheel],
    files: Sequence[ConnectorFile],
    hooks: Sequence[Hook] = (),
    inputs: Sequence[LockedInput] = (),
    format: int = FORMAT,  # noqa: A002 - it is what the lock calls it
) -> Derivation:
    """Return the derivation of *connector* on *platform* from its specification, its lock, its files and hooks."""
    spec = workspace.bases[connector.base]
    return Derivation(
        connector=connector.name,
        platform=platform,
        base=base,
        timezone=spec.timezone,
        wheels=tuple(wheels),
        files=tuple(files),
        env=dict(sorted({**spec.env, **connector.env}.items())),
        labels=connector.labels,
        annotations=_annotations(connector, spec, base, platform),
        entrypoint=connector.entrypoint,
        workdir=connector.workdir,
        user=connector.user,
        epoch=workspace.epoch,
        compression=workspace.compression,
        hooks=tuple(hooks),
        inputs=tuple(inputs),
        secrets=tuple(secret.name for secret in connector.secrets),
        network=connector.hooks.network,
        timeout=connector.hooks.timeout,
        bytecode=workspace.bytecode,
        format=format,
    )


def _annotations(connector: ConnectorSpec, spec: BaseSpec, base: BaseImage, platform: Platform) -> dict[str, str]:
    """Return the annotations of the image, by the keys that OCI predefines (image-spec, annotations.md)."""
    key = "org.opencontainers.image."
    annotations = {f"{key}title": connector.name, f"{key}base.digest": base.platforms[platform].manifest}
    if connector.version:
        annotations[f"{key}version"] = connector.version
    reference = parse_reference(base.image, where=spec.where)
    if isinstance(reference, RegistryReference):
        annotations[f"{key}base.name"] = str(reference)
    return annotations
