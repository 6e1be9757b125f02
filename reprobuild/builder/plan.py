"""What a build has to do, known before any of it is done: derivations, and what the store has of them.

Synchronous and light, since a build that has nothing to do ends here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from reprobuild.builder.connector import connector_files
from reprobuild.builder.hook import hooks_of
from reprobuild.canonical import Digest, parse_digest
from reprobuild.derivation import Derivation, derive
from reprobuild.errors import ContentError, LockError
from reprobuild.lockfile import BaseImage, ConnectorLock, Lock, Output, lock_path
from reprobuild.oci.types import MANIFEST, Descriptor, Platform, parse_manifest
from reprobuild.selection import selected
from reprobuild.store import Store
from reprobuild.target import Target
from reprobuild.workspace import ConnectorSpec, Workspace

__all__ = ["Outcome", "PlannedImage", "is_substituted", "plan_connector", "remember", "remembered"]

Outcome = Literal["verified", "new", "mismatch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedImage:
    """One image to have: its derivation, what the lock recorded for it, and what the store already holds.

    ``manifest`` is None where the image has to be built; ``substituted`` says that it came from a substituter just now.
    """

    derivation: Derivation
    key: Digest
    recorded: Output | None
    manifest: Descriptor | None
    substituted: bool = False

    def outcome(self, manifest: Digest) -> Outcome:
        """Say how *manifest*, which this image's derivation gave, stands to the lock (design §6)."""
        if self.recorded is None or self.recorded.derivation != self.key:
            return "new"
        return "verified" if self.recorded.manifest == manifest else "mismatch"


def plan_connector(
    workspace: Workspace, lock: Lock, name: str, store: Store, *, platforms: Collection[Platform] = ()
) -> tuple[PlannedImage, ...]:
    """Return the images of connector *name*, for *platforms* or for all that it is specified for."""
    spec = workspace.connectors[name]
    connector, base = _locked(lock, spec)
    files, hooks = connector_files(spec), hooks_of(spec.hooks)
    wanted = [platform for platform in spec.platforms if not platforms or platform in platforms]
    images = []
    for platform in wanted:
        if platform not in base.platforms:
            raise LockError(
                f"the base image {base.name} is not locked for {platform}",
                where="base-images.lock.toml",
                hint="run `reprobuild lock update --bases`",
            )
        wheels = selected(store, connector, Target(platform=platform, python=base.python, libc=base.libc))
        derivation = derive(
            workspace,
            spec,
            base,
            platform,
            wheels=wheels,
            files=files,
            hooks=hooks,
            inputs=connector.inputs,
            format=connector.format,
        )
        images.append(_planned(derivation, connector.outputs.get(platform), store))
    return tuple(images)


def remembered(key: Digest, store: Store) -> Descriptor | None:
    """Return the manifest that derivation *key* gave before, if all that it made is still in the store."""
    record = store.record("output", key)
    if record is None:
        return None
    try:
        digest = parse_digest(record.get("manifest"))
        data = store.read(digest)
        manifest = parse_manifest(data)
        made = manifest.layers[int(record.get("base", 0)) :]
    except (ContentError, ValueError, TypeError):
        return None
    if not all(store.has(blob.digest, blob.size) for blob in (manifest.config, *made)):
        return None
    return Descriptor(media_type=MANIFEST, digest=digest, size=len(data))


def remember(key: Digest, manifest: Descriptor, base: int, store: Store, *, substituted: bool = False) -> None:
    """Let *store* remember that derivation *key* gave *manifest*, whose first *base* layers are its base's.

    *substituted*: somebody else has made it.
    """
    value = {"manifest": manifest.digest, "base": base}
    store.write_record("output", key, {**value, "substituted": True} if substituted else value)


def is_substituted(key: Digest, store: Store) -> bool:
    """Say whether what *store* remembers of derivation *key* was made by somebody else."""
    record = store.record("output", key)
    return record is not None and record.get("substituted") is True


def _locked(lock: Lock, spec: ConnectorSpec) -> tuple[ConnectorLock, BaseImage]:
    connector, base = lock.connectors.get(spec.name), lock.bases.get(spec.base)
    if connector is None:
        raise LockError(
            "there is no lock", where=lock_path(spec.name), hint=f"run `reprobuild lock update {spec.name}`"
        )
    if base is None:
        raise LockError(
            f"the base image {spec.base} is not locked",
            where="base-images.lock.toml",
            hint="run `reprobuild lock update --bases`",
        )
    return connector, base


def _planned(derivation: Derivation, recorded: Output | None, store: Store) -> PlannedImage:
    key = derivation.digest
    manifest = remembered(key, store)
    if manifest is not None and recorded is not None and recorded.derivation == key:
        # What the store remembers is never the reason for a mismatch: build again, and let the bytes say so.
        manifest = manifest if manifest.digest == recorded.manifest else None
    return PlannedImage(derivation=derivation, key=key, recorded=recorded, manifest=manifest)
