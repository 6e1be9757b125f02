"""A repository of a registry, and how it is spoken to: what reading, writing and listing share."""

from collections.abc import Mapping

from reprobuild.canonical import Digest
from reprobuild.oci.reference import RegistryReference
from reprobuild.oci.registries import Registries
from reprobuild.oci.registry import Registry
from reprobuild.oci.retry import Patience
from reprobuild.oci.transport import Transport

__all__ = ["Repository"]


class Repository:
    """The repository *repository* of the registry *host*; *actions* are what we mean to do there.

    *registries* are users' settings of single registries; mirrors are not asked.
    """

    def __init__(
        self,
        host: str,
        repository: str,
        *,
        environ: Mapping[str, str],
        registries: Registries | None = None,
        patience: Patience | None = None,
        actions: str = "pull",
    ) -> None:
        self.host, self.repository = host, repository
        self.where = f"{host}/{repository}"
        self.transport = Transport(
            host,
            f"repository:{repository}:{actions}",
            environ=environ,
            registries=registries or Registries(),
            patience=patience or Patience(),
        )
        self._environ = environ

    def reader(self, name: str) -> Registry:
        """Return the source of what *name*, a tag or a digest, leads to; it lives as long as this does."""
        digest = Digest(name) if name.startswith("sha256:") else None
        tag = None if digest else name
        reference = RegistryReference(host=self.host, repository=self.repository, tag=tag, digest=digest)
        return Registry(reference, environ=self._environ, transport=self.transport)

    async def close(self) -> None:
        """Close all connections."""
        await self.transport.close()
