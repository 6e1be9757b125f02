"""The contract of a base image held against what is about to be locked, on every platform."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reprobuild.canonical import Digest, canonical_json, digest_of
from reprobuild.contract.check import check_base
from reprobuild.contract.facts import facts_of
from reprobuild.contract.finding import Finding
from reprobuild.contract.probe import Probe, probe, probes
from reprobuild.contract.verdict import broken, summary, unchecked
from reprobuild.errors import LockError
from reprobuild.image.index import RootLayer
from reprobuild.image.tree import ImageTree
from reprobuild.lockfile import BaseImage
from reprobuild.oci.types import Platform
from reprobuild.progress import Progress
from reprobuild.resolver.platform_image import PlatformImage
from reprobuild.store import Store
from reprobuild.workspace.expect import Expectations

if TYPE_CHECKING:
    from reprobuild.builder.executions import Executions
    from reprobuild.workspace import BaseSpec

__all__ = ["Held", "held", "is_remembered", "remember", "require_kept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What became of a contract on one platform, and the commands that are still to be asked."""

    findings: tuple[Finding, ...]
    probes: tuple[Probe, ...]


def held(
    spec: "BaseSpec", expectations: Expectations, image: PlatformImage, tree: ImageTree, *, python: str, pip: str | None
) -> Held:
    """Return what config and files of *image* say to *expectations*, *spec*'s pip, timezone and variables on top."""
    facts = facts_of(image.config, env=spec.env, tree=tree, timezone=spec.timezone, python=python, pip=spec.pip or pip)
    layers = zip(image.manifest.layers, image.config.diff_ids, strict=True)
    return Held(
        findings=check_base(expectations, facts),
        probes=probes(
            expectations,
            facts,
            tuple(RootLayer(descriptor=layer, diff_id=diff_id) for layer, diff_id in layers),
            image.platform,
            what=f"base {spec.name}, {image.platform}",
        ),
    )


async def require_kept(
    spec: "BaseSpec", platforms: Mapping[Platform, Held], executions: "Executions | None", progress: Progress
) -> None:
    """Ask the commands through *executions*, tell *progress* how the contract stands; raise LockError if it is broken.

    What could not be checked here is a warning.
    """
    findings = {platform: (*one.findings, *await probe(one.probes, executions)) for platform, one in platforms.items()}
    for line in unchecked(findings):
        progress.warn(f"base {spec.name}: {line}")
    if lines := broken(findings):
        raise LockError(
            f"the base image breaks {len(lines)} of the promises that are expected of it:\n"
            + "\n".join(f"  {line}" for line in lines),
            where=spec.expect.where if spec.expect is not None else spec.where,
            hint="use a base image that keeps them, or correct what is expected",
        )
    progress.note(f"base {spec.name}: {summary(findings)}")


def is_remembered(spec: "BaseSpec", base: BaseImage, store: Store) -> bool:
    """Say whether *store* knows that *base* keeps the contract of *spec*; it does if there is none."""
    return spec.expect is None or store.record("contract", _key(spec, spec.expect, base)) is not None


def remember(spec: "BaseSpec", base: BaseImage, store: Store) -> None:
    """Let *store* know that *base* keeps the contract of *spec*."""
    if spec.expect is not None:
        store.write_record("contract", _key(spec, spec.expect, base), {"base": spec.name})


def _key(spec: "BaseSpec", expectations: Expectations, base: BaseImage) -> Digest:
    platforms = {str(platform): one.manifest for platform, one in base.platforms.items()}
    table = [spec.pip, spec.timezone, dict(spec.env)]
    return digest_of(canonical_json(["contract", expectations.to_json(), table, platforms]))
