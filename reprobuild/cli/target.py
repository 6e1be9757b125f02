"""Where `reprobuild push` pushes a connector to: from the words of the command line and the specification."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reprobuild.errors import SpecificationError
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.tag import LATEST, check_tag, is_release

if TYPE_CHECKING:
    from reprobuild.workspace import ConnectorSpec

__all__ = ["PushTarget", "destinations", "targets"]

_MARKS = frozenset("/:.@")
_TRANSPORTS = ("oci:", "oci-archive:", "docker-archive:")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushTarget:
    """A connector, and the repository and tags that it is to have."""

    connector: str
    host: str
    repository: str
    tags: tuple[str, ...]

    @property
    def where(self) -> str:
        """The repository, with its host."""
        return f"{self.host}/{self.repository}"


def destinations(words: Sequence[str], *, everything: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which of *words* are connectors and which are destinations: those hold ``/``, ``:``, ``.`` or ``@``."""
    places = tuple(dict.fromkeys(word for word in words if _MARKS & set(word)))
    names = tuple(word for word in words if not _MARKS & set(word))
    if everything and names:
        hint = f"a destination needs a registry, such as docker.io/{names[0]}"
        raise SpecificationError(f"--all is every connector already, and {names[0]!r} is one", hint=hint)
    return names, places


def targets(
    connector: "ConnectorSpec",
    places: Sequence[str],
    *,
    tags: Sequence[str],
    latest: bool,
    several: bool,
    force: bool = False,
) -> tuple[PushTarget, ...]:
    """Return where *connector* is pushed: to *places*, or where its specification says.

    *tags* are set in place of its version; *latest* as well if that is a release. A place that ends with a slash gets
    the connector's name; with *several* connectors each has to. Raises SpecificationError for what cannot be, and,
    unless *force*, for a pre-release that is to be ``latest``.
    """
    found = tuple(
        _target(connector, *_reference(connector, place, several=several), tags=tags, latest=latest)
        for place in places or (_specified(connector),)
    )
    version = connector.version
    if not force and version is not None and not is_release(version) and any(LATEST in one.tags for one in found):
        hint = "leave the tag out: --latest sets it for releases alone; --force sets it all the same"
        raise SpecificationError(f"{version} is no release, and is not to be {LATEST}", where=connector.name, hint=hint)
    return found


def _target(
    connector: "ConnectorSpec", reference: RegistryReference, tag: str | None, *, tags: Sequence[str], latest: bool
) -> PushTarget:
    chosen = [*([tag] if tag else []), *tags]
    if not chosen:
        if connector.version is None:
            hint = "give one with --tag, or set version in the specification"
            raise SpecificationError("has no version that could be its tag", where=connector.name, hint=hint)
        chosen = [connector.version]
    if latest and connector.version is not None and is_release(connector.version):
        chosen.append(LATEST)
    checked = dict.fromkeys(check_tag(one, where=connector.name) for one in chosen)
    return PushTarget(
        connector=connector.name, host=reference.host, repository=reference.repository, tags=tuple(checked)
    )


def _specified(connector: "ConnectorSpec") -> str:
    if connector.repository is not None:
        return connector.repository
    hint = 'write it after the name, such as ghcr.io/acme/, or set namespace = "ghcr.io/acme" in the specification'
    raise SpecificationError("says nowhere where it is pushed to", where=connector.name, hint=hint)


def _reference(connector: "ConnectorSpec", place: str, *, several: bool) -> tuple[RegistryReference, str | None]:
    """Return what *place* means for *connector*, and the tag that it has."""
    if place.startswith(_TRANSPORTS):
        hint = f"write it with `reprobuild build {connector.name} --output {place}`"
        raise SpecificationError(f"{place} is not in a registry", hint=hint)
    reference = parse_reference(f"{place}{connector.name}" if place.endswith("/") else place, where="DESTINATION")
    if not isinstance(reference, RegistryReference) or reference.digest is not None:
        raise SpecificationError(f"a push has no say in the digest: {place}", hint="leave it out")
    if several and connector.repository != place and not place.endswith("/"):
        hint = f"end it with a slash for a repository each: {place.partition(':')[0]}/"
        raise SpecificationError(f"one repository for several connectors: {place}", hint=hint)
    tagged = ":" in place.rpartition("/")[2]
    return reference, reference.tag if tagged else None
