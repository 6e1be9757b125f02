"""What documents beside an image are worth: who signed them, and whether they are about this image and this lock.

Nothing of a document is believed before a signature on it is good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError
from reprobuild.provenance.envelope import open_envelope
from reprobuild.provenance.statement import PROVENANCE, REBUILD, Statement, parse_statement

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

__all__ = ["Attestation", "Attested", "Document", "Key", "judged"]

Attested = Literal["good", "of another lock", "a rebuild that differs", "of another image", "not by these keys"]
"""From what is asked for to what says nothing. *Good*: provenance or an identical rebuild, from the same derivation."""
_KINDS = {PROVENANCE: "provenance", REBUILD: "rebuild"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A public key, and the file that it came from."""

    name: str
    key: "SSlibKey"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The bytes of an envelope, and where they were found."""

    where: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """What a document is worth; of one that none of the keys signed, nothing more is known than why.

    ``kind`` is ``provenance``, ``rebuild``, or a predicate type; ``by`` the URI of who built.
    """

    where: str
    answer: Attested
    key: str | None = None
    kind: str | None = None
    by: str | None = None
    reason: str | None = None


def judged(document: Document, keys: Sequence[Key], image: Digest, derivation: Digest | None) -> Attestation:
    """Return what *document* is worth for the manifest *image*, which the lock makes from *derivation*.

    *derivation* is None where the lock says nothing of such an image.
    """
    reason = "no key was given"
    for key in keys:
        try:
            payload = open_envelope(document.data, [key.key], where=document.where)
        except ContentError as error:
            reason = error.message
            continue
        try:
            return _said(parse_statement(payload, where=document.where), document, key, image, derivation)
        except ContentError as error:
            return Attestation(where=document.where, answer="not by these keys", key=key.name, reason=error.message)
    return Attestation(where=document.where, answer="not by these keys", reason=reason)


def _said(statement: Statement, document: Document, key: Key, image: Digest, derivation: Digest | None) -> Attestation:
    kind = _KINDS.get(statement.predicate_type, statement.predicate_type)
    answer, reason = _worth(statement, image, derivation)
    by = _text(statement.predicate, *_BUILDERS.get(kind, ()))
    return Attestation(where=document.where, answer=answer, key=key.name, kind=kind, by=by, reason=reason)


_BUILDERS = {"provenance": ("runDetails", "builder", "id"), "rebuild": ("rebuilder", "id")}
_DERIVATIONS = {
    PROVENANCE: ("buildDefinition", "internalParameters", "derivation", "sha256"),
    REBUILD: ("derivation", "sha256"),
}


def _worth(statement: Statement, image: Digest, derivation: Digest | None) -> tuple[Attested, str | None]:
    if statement.subject != image:
        return "of another image", f"it is about {statement.subject}"
    path = _DERIVATIONS.get(statement.predicate_type)
    if path is None:
        return "of another lock", f"it is of the type {statement.predicate_type[:200]}, which says nothing of a lock"
    said = _text(statement.predicate, *path)
    if derivation is None or f"sha256:{said}" != derivation:
        return "of another lock", f"it was made from the derivation sha256:{said}"
    result = _text(statement.predicate, "result", "answer")
    if statement.predicate_type == REBUILD and result != "identical":
        return "a rebuild that differs", f"it says: {result}"
    return "good", None


def _text(value: Any, *path: str) -> str | None:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value[:1000] if isinstance(value, str) else None
