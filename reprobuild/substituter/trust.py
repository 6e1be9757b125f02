"""Whether an output is to be believed: what a lock records decides; where it records nothing, a signature may."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reprobuild.builder.plan import PlannedImage
from reprobuild.canonical import Digest
from reprobuild.errors import ContentError
from reprobuild.provenance.envelope import open_envelope
from reprobuild.provenance.statement import PROVENANCE, Statement, parse_statement

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

__all__ = ["recorded_manifest", "require_signed"]


def recorded_manifest(image: PlannedImage) -> Digest | None:
    """Return the manifest that the lock records for the derivation of *image*, None if it records none."""
    recorded = image.recorded
    return recorded.manifest if recorded is not None and recorded.derivation == image.key else None


def require_signed(
    derivation: Digest, manifest: Digest, envelopes: Iterable[bytes], keys: "Sequence[SSlibKey]", *, where: str
) -> None:
    """Raise ContentError unless one of *envelopes*, signed by one of *keys*, says that *derivation* gave *manifest*.

    The statement is SLSA provenance as `reprobuild attest` writes it: docs/reference/attestations.md.
    """
    why = "nobody signed it"
    for data in envelopes:
        try:
            statement = parse_statement(open_envelope(data, keys, where=where), where=where)
        except ContentError as error:
            why = error.message
            continue
        if statement.predicate_type == PROVENANCE and statement.subject == manifest and _from(statement) == derivation:
            return
        why = "what is signed is about another image, or another derivation"
    raise ContentError(why, where=where)


def _from(statement: Statement) -> str:
    """Return the digest of the derivation that *statement* is about, as far as it says one."""
    found: Any = statement.predicate
    for key in ("buildDefinition", "internalParameters", "derivation", "sha256"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return f"sha256:{found}"
