"""What `reprobuild verify` says of documents beside an image: read with the user's keys, made where it is asked to."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from reprobuild.canonical import Digest
from reprobuild.cli.origin import workspace_registries
from reprobuild.cli.output import plain, say, styled
from reprobuild.cli.settings import Settings
from reprobuild.cli.signing import public_keys
from reprobuild.errors import ContentError, SpecificationError
from reprobuild.oci.layout import Layout
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.types import Descriptor, parse_platform
from reprobuild.provenance.attested import Attestation, Attested, Document, Key, judged
from reprobuild.verify.verification import Verification, Verified

if TYPE_CHECKING:
    from reprobuild.cli.statements import Made, Statements
    from reprobuild.oci.registries import Registries
    from reprobuild.progress import Progress
    from reprobuild.store import Store
    from reprobuild.verify.reading import Origin

__all__ = [
    "Wanted",
    "attest_rebuild",
    "attestation_json",
    "print_attestations",
    "registry_of",
    "wanted_attestations",
    "with_attestations",
]

_LARGEST = 4 * 1024 * 1024
_ORDER = get_args(Attested)
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The public keys that are trusted, and files with envelopes beside those that the registry has."""

    keys: tuple[Key, ...]
    files: tuple[Path, ...]
    settings: Settings

    async def attestations(
        self, origin: "Origin", image: Descriptor, derivation: Digest | None
    ) -> tuple[Attestation, ...]:
        """Return what the documents about *image*, read at *origin*, are worth, the best first."""
        documents, unread = await self._beside(origin, image)
        found = [*(judged(one, self.keys, image.digest, derivation) for one in (*self._files(), *documents)), *unread]
        return tuple(sorted(found, key=lambda one: (_ORDER.index(one.answer), one.where)))

    async def _beside(self, origin: "Origin", image: Descriptor) -> tuple[list[Document], list[Attestation]]:
        from reprobuild.provenance.beside import envelopes

        if isinstance(origin.source, Layout):
            return await envelopes(image, origin.source, origin.source)
        place = registry_of(origin)
        if place is None:
            return [], []
        from reprobuild.oci.repository import Repository

        registries = workspace_registries(self.settings)
        repository = Repository(place.host, place.repository, environ=os.environ, registries=registries)
        try:
            return await envelopes(image, repository, repository.reader(image.digest))
        finally:
            await repository.close()

    def _files(self) -> list[Document]:
        return [Document(where=str(path), data=_data(self.settings.directory / path)) for path in self.files]


def registry_of(origin: "Origin") -> RegistryReference | None:
    """Return the reference of *origin* if it is in a registry."""
    if origin.reference.startswith("store:"):
        return None
    reference = parse_reference(origin.reference)
    return reference if isinstance(reference, RegistryReference) else None


def wanted_attestations(keys: Sequence[Path], files: Sequence[Path], settings: Settings) -> Wanted | None:
    """Return what is wanted with public *keys*, None without; *files* have envelopes that no registry has."""
    if not keys:
        if files:
            hint = "give the public key of who signed it with --key"
            raise SpecificationError("nobody can tell whose it is", where="--attestation", hint=hint)
        return None
    return Wanted(keys=public_keys(keys, settings.directory), files=tuple(files), settings=settings)


async def with_attestations(
    found: Verification, origin: "Origin", images: Mapping[str, Descriptor], wanted: Wanted | None
) -> Verification:
    """Return *found* with what documents beside *images*, by platform, say; as it is if nobody wants to know."""
    if wanted is None:
        return found
    answers = [
        replace(one, attestations=await wanted.attestations(origin, images[one.platform], one.derivation))
        for one in found.images
    ]
    return replace(found, images=tuple(answers))


async def attest_rebuild(
    found: Verification,
    images: Mapping[str, Descriptor],
    statements: "Statements",
    place: RegistryReference | None,
    *,
    store: "Store",
    registries: "Registries",
    progress: "Progress",
) -> None:
    """Write that *images*, by platform, were made again as *found* says, and put it beside them in *place*."""
    from reprobuild.cli.statements import push_statements

    documents = _rebuilds(found.connector or "", images, found.images, statements)
    if unknown := [one.platform for one in found.images if one.answer == "unknown"]:
        progress.warn(f"nothing is attested for {', '.join(unknown)}: it could not be rebuilt")
    statements.write(documents)
    if place is not None:
        await push_statements(documents, place.host, place.repository, store=store, registries=registries)


def print_attestations(one: Verified, indent: str, settings: Settings) -> None:
    """Print what was attested of *one*, whose documents were looked for."""
    for found in (one.attestations or ())[:_MOST_SHOWN]:
        say(f"{indent}{_line(found, settings)}")
    if one.attestations is not None and len(one.attestations) > _MOST_SHOWN:
        say(f"{indent}and {len(one.attestations) - _MOST_SHOWN} more documents: --json has them all")
    if not one.attestations:
        say(f"{indent}{styled('not attested', 'bad', sys.stdout, settings)}: no signed document is beside it")


def attestation_json(one: Attestation) -> dict[str, Any]:
    """Return *one* as JSON."""
    return {
        "where": one.where,
        "answer": one.answer,
        "key": one.key,
        "kind": one.kind,
        "builder": one.by,
        "reason": one.reason,
    }


def _line(found: Attestation, settings: Settings) -> str:
    good = found.answer == "good"
    word = styled("attested" if good else "not attested", "good" if good else "bad", sys.stdout, settings)
    if good:
        return f"{word}: {plain(f'{found.kind} by {found.by}, signed with {found.key}')}"
    kind = f"{found.kind} signed with {found.key}, but " if found.kind else ""
    return f"{word}: {plain(f'{kind}{found.answer}: {found.reason} ({found.where})')}"


def _data(path: Path) -> bytes:
    from reprobuild.store import machine_errors

    if not path.is_file():
        hint = "give a file that `reprobuild attest --key` wrote"
        raise SpecificationError("there is no such file", where=str(path), hint=hint)
    with machine_errors(path), path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ContentError(f"more than {_LARGEST} bytes are not read", where=str(path))
    return data


def _rebuilds(
    name: str, images: Mapping[str, Descriptor], answers: Sequence[Verified], statements: "Statements"
) -> "list[Made]":
    """Return the statement of each of *answers* that is about bytes, by *statements*; none of what is *unknown*."""
    from reprobuild.provenance.statement import rebuild_statement

    documents = []
    for one in answers:
        if one.published is None or one.built is None or one.derivation is None or one.format is None:
            continue
        if one.answer not in {"identical", "same content, other compression", "differs"}:
            continue
        statement = rebuild_statement(
            name=name,
            published=one.published,
            derivation=one.derivation,
            platform=parse_platform(one.platform),
            rebuilt=one.built,
            answer=one.answer,
            format=one.format,
            rebuilder=statements.builder,
            finished=statements.finished,
        )
        stem = f"{name}-{one.platform.replace('/', '-')}.rebuild"
        documents.append(statements.made(statement, stem, images[one.platform]))
    return documents
