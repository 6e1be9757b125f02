"""What a workspace says of registries: how each is spoken to, and where connectors are pushed."""

import re
from collections.abc import Iterator
from pathlib import Path

from reprobuild.errors import SpecificationError
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.registries import Registries, RegistrySettings
from reprobuild.workspace.toml_table import Table

__all__ = ["parse_repository", "read_namespace", "read_registries", "read_repository"]

_KEYS = ("mirrors", "insecure", "ca-file", "proxy")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")


def read_registries(table: Table, root: Path) -> Registries:
    """Return what the keys ``registry`` and ``insecure-registries`` of *table*, that of the workspace *root*, say."""
    hosts = dict(_registries(table, root))
    return Registries(hosts=hosts).with_insecure(_insecure(table))


def read_namespace(table: Table) -> str | None:
    """Return the key ``namespace``: a registry's host, and perhaps a path, below which connectors are pushed."""
    text = table.text("namespace")
    if text is None:
        return None
    # A name below it must be one that a registry takes.
    _plain_repository(f"{text}/x", table, "namespace", 'write it like "ghcr.io/acme"')
    _check_host(text, table, "namespace", f'write "docker.io/{text}"')
    return text


def read_repository(table: Table) -> str | None:
    """Return the key ``repository``, a registry's host and a path, in full."""
    text = table.text("repository")
    if text is None:
        return None
    return _plain_repository(text, table, "repository", 'write it like "ghcr.io/acme/source-notion"')


def parse_repository(text: str, *, where: str | None = None) -> RegistryReference | None:
    """Return the repository of a registry that *text* names without a tag, None if it names something else.

    Raises SpecificationError, naming *where*, for what is no reference at all.
    """
    reference = parse_reference(text, where=where)
    if not isinstance(reference, RegistryReference) or reference.digest is not None:
        return None
    return None if ":" in text.rpartition("/")[2] or "://" in text else reference


def _plain_repository(text: str, table: Table, key: str, hint: str) -> str:
    reference = parse_repository(text, where=table.where(key))
    if reference is None:
        raise table.fault(key, f"not a repository: {text[:100]!r}", hint=f"{hint}, without a tag")
    return f"{reference.host}/{reference.repository}"


def _check_host(text: str, table: Table, key: str, hint: str) -> None:
    """Refuse what would not be taken for a host where it begins a reference."""
    host = text.partition("/")[0]
    if not any(mark in host for mark in ".:") and host != "localhost":
        raise table.fault(key, f"names no registry: {text[:100]!r}", hint=hint)


def _registries(table: Table, root: Path) -> Iterator[tuple[str, RegistrySettings]]:
    for host, inner in table.tables("registry"):
        if _HOST.fullmatch(host) is None:
            raise SpecificationError(
                f"not a host: {host[:100]!r}", where=inner.where(), hint='write it like "ghcr.io" or "localhost:5000"'
            )
        inner.only(_KEYS)
        file = inner.text("ca-file")
        yield (
            host,
            RegistrySettings(
                mirrors=_mirrors(inner),
                insecure=inner.get("insecure", bool) or False,
                ca_file=None if file is None else root / Path(file).expanduser(),
                proxy=_proxy(inner),
            ),
        )


def _mirrors(table: Table) -> tuple[str, ...]:
    mirrors = table.texts("mirrors") or ()
    hint = 'write it like "mirror.lan:5000" or "mirror.lan/docker-hub"'
    for mirror in mirrors:
        _plain_repository(f"{mirror}/x", table, "mirrors", hint)
        _check_host(mirror, table, "mirrors", hint)
    return mirrors


def _proxy(table: Table) -> str | None:
    text = table.text("proxy")
    if text is None:
        return None
    from urllib.parse import urlsplit  # noqa: PLC0415 - hardly a workspace has one

    try:
        url = urlsplit(text)
        valid = url.scheme in {"http", "https"} and bool(url.hostname) and url.path in {"", "/"} and url.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise table.fault("proxy", "not the URL of a proxy", hint='write it like "http://proxy.lan:3128"')
    if "@" in url.netloc:
        # Without the text: it holds a secret.
        raise table.fault("proxy", "holds credentials", hint="set HTTPS_PROXY instead, where nobody commits it")
    return text


def _insecure(table: Table) -> tuple[str, ...]:
    hosts = table.texts("insecure-registries") or ()
    for host in hosts:
        if _HOST.fullmatch(host) is None:
            raise table.fault(
                "insecure-registries", f"not a host: {host[:100]!r}", hint='write it like "localhost:5000"'
            )
    return hosts
