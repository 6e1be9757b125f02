"""What a published image says of itself, and which connector of a workspace that is. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from reprobuild.canonical import Digest, parse_digest
from reprobuild.errors import ContentError
from reprobuild.lockfile import Lock
from reprobuild.oci.types import ImageConfig
from reprobuild.workspace.types import ConnectorSpec, Workspace

__all__ = ["Identity", "connector_of", "identity_of"]

_OCI = "org.opencontainers.image."
_TITLES = (f"{_OCI}title", "io.airbyte.name")
_VERSIONS = (f"{_OCI}version", "io.airbyte.version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The names that an image goes by, its version, and its base's manifest, as far as it says them."""

    names: tuple[str, ...] = ()
    version: str | None = None
    base: Digest | None = None


def identity_of(annotations: Mapping[str, str], config: ImageConfig) -> Identity:
    """Return what an image with the *annotations* of its manifest and with *config* says of itself.

    Tools that write Docker's media types lose annotations; labels stay.
    """
    labels = config.config.get("Labels")
    said = {**(labels if isinstance(labels, dict) else {}), **annotations}
    texts = {key: value for key, value in said.items() if isinstance(value, str) and value}
    try:
        base = parse_digest(texts.get(f"{_OCI}base.digest"))
    except ContentError:
        base = None
    return Identity(
        names=tuple(texts[key] for key in _TITLES if key in texts),
        version=next((texts[key] for key in _VERSIONS if key in texts), None),
        base=base,
    )


def connector_of(
    identities: Collection[Identity],
    manifests: Collection[Digest],
    workspace: Workspace,
    lock: Lock,
    *,
    repository: str | None = None,
) -> str | None:
    """Return the connector of *workspace* that images of these *identities* and *manifests* are; None if it is none.

    It is the one of which *lock* records one of the manifests, or whose name they bear. Of images that bear none it
    is the one that the *repository* is called after, or the only one on their base.
    """
    for name, connector in lock.connectors.items():
        recorded = {output.manifest for output in connector.outputs.values()}
        if name in workspace.connectors and not recorded.isdisjoint(manifests):
            return name
    said = {name for identity in identities for name in identity.names}
    for name, spec in workspace.connectors.items():
        if not said.isdisjoint(_names(spec)):
            return name
    if said:
        return None
    last = (repository or "").rpartition("/")[2]
    if last in workspace.connectors:
        return last
    bases = {identity.base for identity in identities} - {None}
    standing = [name for name, spec in workspace.connectors.items() if not bases.isdisjoint(_bases(spec, lock))]
    return standing[0] if len(standing) == 1 else None


def _names(spec: ConnectorSpec) -> set[str]:
    return {spec.name, *(spec.labels[key] for key in _TITLES if key in spec.labels)}


def _bases(spec: ConnectorSpec, lock: Lock) -> Iterator[Digest]:
    if spec.base in lock.bases:
        yield from (one.manifest for one in lock.bases[spec.base].platforms.values())
