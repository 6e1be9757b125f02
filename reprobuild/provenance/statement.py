"""Statements about an image: how it was made, and that somebody made it again.

in-toto Statement v1 (attestation spec, statement.md). How it was made: SLSA provenance v1. That it was made
again: a predicate of ours, since none that is published says which bytes came out. A statement is a function of
what it says: no clock is in it unless its maker passes a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from reprobuild import __version__
from reprobuild.canonical import Digest, canonical_json, hex_of, parse_digest, parse_json
from reprobuild.derivation import Derivation
from reprobuild.errors import ContentError
from reprobuild.lockfile import BaseImage, Package
from reprobuild.oci.types import Platform
from reprobuild.provenance.materials import materials

__all__ = [
    "BUILDER",
    "BUILD_TYPE",
    "PROVENANCE",
    "REBUILD",
    "STATEMENT",
    "Answer",
    "Statement",
    "parse_statement",
    "provenance",
    "rebuild_statement",
]

STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
REBUILD = "https://reprobuild.dev/rebuild/v1"
"""The predicate of a rebuild; docs/reference/attestations.md has its members."""
BUILD_TYPE = "https://reprobuild.dev/build/v1"
"""How to read externalParameters and internalParameters: docs/reference/attestations.md."""
BUILDER = "https://reprobuild.dev/builder/unnamed"
"""Who built, where nobody says more: some machine with reprobuild on it."""

Answer = Literal["identical", "same content, other compression", "differs"]
"""What a rebuild says of what was published. A rebuild that could not run says nothing, and is no statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement; ``subject`` is the manifest or index that it is about, known as ``name``."""

    name: str
    subject: Digest
    predicate_type: str
    predicate: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the statement object."""
        return {
            "_type": STATEMENT,
            "subject": [{"name": self.name, "digest": {"sha256": hex_of(self.subject)}}],
            "predicateType": self.predicate_type,
            "predicate": dict(self.predicate),
        }

    @property
    def data(self) -> bytes:
        """The statement's bytes: canonical JSON."""
        return canonical_json(self.to_json())


def provenance(
    derivation: Derivation,
    manifest: Digest,
    *,
    packages: Sequence[Package] = (),
    bases: Mapping[str, BaseImage] | None = None,
    builder: str = BUILDER,
    finished: datetime | None = None,
) -> Statement:
    """Return how *manifest* came from *derivation*; see `materials` for *packages* and *bases* of the lock.

    *builder* is the URI of who built it. Hooks that had the network are said not to have been hermetic.
    """
    details: dict[str, Any] = {"builder": _builder(builder)}
    if finished is not None:
        details["metadata"] = {"finishedOn": _time(finished)}
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "connector": derivation.connector,
                "platform": str(derivation.platform),
                "format": derivation.format,
            },
            "internalParameters": _internal(derivation),
            "resolvedDependencies": materials(derivation, packages, bases),
        },
        "runDetails": details,
    }
    return Statement(name=derivation.connector, subject=manifest, predicate_type=PROVENANCE, predicate=predicate)


def rebuild_statement(
    *,
    name: str,
    published: Digest,
    derivation: Digest,
    platform: Platform,
    rebuilt: Digest,
    answer: Answer,
    format: int,  # noqa: A002 - the field's name
    rebuilder: str = BUILDER,
    finished: datetime | None = None,
) -> Statement:
    """Return that *rebuilder*, a URI, made the image again from *derivation*, and that *rebuilt* came out.

    The subject is the manifest *published*, known as *name*. Raises ValueError if *answer* contradicts the digests.
    """
    if (answer == "identical") != (published == rebuilt):
        message = f"{answer}: {published} and {rebuilt}"
        raise ValueError(message)
    predicate: dict[str, Any] = {
        "rebuilder": _builder(rebuilder),
        "derivation": {"sha256": hex_of(derivation)},
        "platform": str(platform),
        "format": format,
        "result": {"answer": answer, "digest": {"sha256": hex_of(rebuilt)}},
    }
    if finished is not None:
        predicate["finishedOn"] = _time(finished)
    return Statement(name=name, subject=published, predicate_type=REBUILD, predicate=predicate)


def parse_statement(data: bytes, *, where: str | None = None) -> Statement:
    """Return the statement in *data*, about one subject with a sha256 digest; raise ContentError for anything else."""
    value = parse_json(data, where=where)
    subjects, predicate, kind = value.get("subject"), value.get("predicate"), value.get("predicateType")
    if value.get("_type") != STATEMENT or not isinstance(kind, str) or not isinstance(predicate, dict):
        raise ContentError("not a statement of in-toto, version 1", where=where)
    if not isinstance(subjects, list) or len(subjects) != 1 or not isinstance(subjects[0], dict):
        raise ContentError("a statement about one subject is needed", where=where)
    digests, name = subjects[0].get("digest"), subjects[0].get("name", "")
    if not isinstance(digests, dict) or not isinstance(name, str):
        raise ContentError("a subject needs a digest, and a name that is text", where=where)
    subject = parse_digest(f"sha256:{digests.get('sha256')}", where=where)
    return Statement(name=name, subject=subject, predicate_type=kind, predicate=predicate)


def _internal(derivation: Derivation) -> dict[str, Any]:
    return {
        "derivation": {"sha256": hex_of(derivation.digest)},
        "epoch": derivation.epoch,
        "compression": derivation.compression,
        "bytecode": derivation.bytecode,
        "hermetic": not (derivation.network and derivation.hooks),
        "secrets": list(derivation.secrets if derivation.hooks else ()),
    }


def _builder(uri: str) -> dict[str, Any]:
    return {"id": uri, "version": {"reprobuild": __version__}}


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
