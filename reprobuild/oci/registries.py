"""What users say of single registries: where else to read, whom to trust, which way to go (design §5)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

__all__ = ["Registries", "RegistrySettings"]

_NAMES = {"index.docker.io": "docker.io", "registry-1.docker.io": "docker.io"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """How one registry is spoken to.

    ``mirrors`` are hosts, or hosts with a path, that are asked before it when images are read. ``insecure`` allows
    plain HTTP. ``ca_file`` holds certificate authorities (PEM) that are trusted beside the machine's. ``proxy`` is the
    URL of an HTTP proxy, in place of the environment's.
    """

    mirrors: tuple[str, ...] = ()
    insecure: bool = False
    ca_file: Path | None = None
    proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registries:
    """The settings of registries by host, with its port if it has one; a host without any has the defaults."""

    hosts: Mapping[str, RegistrySettings] = field(default_factory=dict)

    def of(self, host: str) -> RegistrySettings:
        """Return the settings of *host*."""
        return self.hosts.get(_NAMES.get(host, host)) or RegistrySettings()

    @property
    def insecure(self) -> tuple[str, ...]:
        """The hosts that may be spoken to in plain HTTP."""
        return tuple(host for host, settings in self.hosts.items() if settings.insecure)

    def with_insecure(self, hosts: Iterable[str]) -> "Registries":
        """Return these settings with *hosts* as insecure ones."""
        return Registries(hosts={**self.hosts, **{host: replace(self.of(host), insecure=True) for host in hosts}})
