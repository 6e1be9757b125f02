"""Statements signed with a key: DSSE envelopes, through securesystemslib, which is an extra.

Keys are PEM files: private ones PKCS#8, public ones SubjectPublicKeyInfo; Ed25519, ECDSA or RSA, whatever the
library takes. What a signature covers is the library's business (DSSE protocol.md).
"""

import binascii
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from reprobuild.canonical import canonical_json, parse_json
from reprobuild.errors import ContentError, MachineError, SpecificationError

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner, SSlibKey

__all__ = ["ENVELOPE", "PAYLOAD", "open_envelope", "public_key", "signed", "signer"]

PAYLOAD = "application/vnd.in-toto+json"
"""The payload type, and the media type of a statement that nobody signed."""
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
_MOST_SIGNATURES = 100


def signer(pem: bytes, *, where: str, passphrase: Callable[[], bytes | None]) -> "CryptoSigner":
    """Return what signs with the private key *pem*; *passphrase* is asked if it is encrypted.

    Raises SpecificationError, naming *where*, if it is no such key; MachineError without the libraries.
    """
    try:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415
        from securesystemslib.signer import CryptoSigner  # noqa: PLC0415
    except ImportError as error:
        raise _lacking(error) from error
    try:
        key = load_pem_private_key(pem, passphrase() if b"ENCRYPTED" in pem else None)
        return CryptoSigner(key)
    except Exception as error:
        hint = "write one with `openssl genpkey -algorithm ed25519`"
        raise SpecificationError(f"not a private key: {str(error)[:200]}", where=where, hint=hint) from error


def public_key(pem: bytes, *, where: str) -> "SSlibKey":
    """Return the public key *pem*; raise as `signer` does."""
    try:
        from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415
        from securesystemslib.signer import SSlibKey  # noqa: PLC0415
    except ImportError as error:
        raise _lacking(error) from error
    try:
        return SSlibKey.from_crypto(load_pem_public_key(pem))
    except Exception as error:
        hint = "write it with `openssl pkey -in KEY -pubout`"
        raise SpecificationError(f"not a public key: {str(error)[:200]}", where=where, hint=hint) from error


def signed(payload: bytes, by: "CryptoSigner") -> bytes:
    """Return the envelope of the statement *payload*, signed *by* a key; canonical JSON.

    Equal bytes each time with Ed25519 only: the signatures of other keys are salted.
    """
    from securesystemslib.dsse import Envelope  # noqa: PLC0415

    envelope = Envelope(payload, PAYLOAD, {})
    envelope.sign(by)
    return canonical_json(envelope.to_dict())


def open_envelope(data: bytes, keys: Sequence["SSlibKey"], *, where: str | None = None) -> bytes:
    """Return the statement in the envelope *data* if one of *keys* has signed it.

    A signature's keyid is a hint that need not be there (DSSE envelope.md): each key is tried. Raises ContentError
    if no signature is good, and for what is no envelope of a statement.
    """
    from securesystemslib.exceptions import UnverifiedSignatureError  # noqa: PLC0415
    from securesystemslib.signer import Signature  # noqa: PLC0415

    envelope = _parsed(parse_json(data, where=where), where)
    pae = envelope.pae()
    for key in keys:
        for one in envelope.signatures.values():
            try:
                key.verify_signature(Signature(key.keyid, one.signature), pae)
            except UnverifiedSignatureError:
                continue
            return envelope.payload
    raise ContentError(
        f"none of its {len(envelope.signatures)} signatures is of the given key",
        where=where,
        hint="do not trust it; check which key is the right one",
    )


def _parsed(value: dict[str, Any], where: str | None) -> "Envelope":
    from securesystemslib.dsse import Envelope  # noqa: PLC0415
    from securesystemslib.exceptions import FormatError  # noqa: PLC0415

    signatures = value.get("signatures")
    if not isinstance(signatures, list) or len(signatures) > _MOST_SIGNATURES:
        raise ContentError("an envelope needs a list of signatures, and not too many", where=where)
    try:
        # The library keeps signatures by keyid, and wants one: places make one that each has.
        numbered = [{"keyid": str(place), "sig": one["sig"]} for place, one in enumerate(signatures)]
        envelope = Envelope.from_dict({**value, "signatures": numbered})
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error, FormatError) as error:
        raise ContentError(f"not a DSSE envelope: {str(error)[:200]}", where=where) from error
    if envelope.payload_type != PAYLOAD:
        raise ContentError(f"its payload is {str(envelope.payload_type)[:100]!r}, no statement", where=where)
    return envelope


def _lacking(error: ImportError) -> MachineError:
    return MachineError(
        "the libraries that sign are not installed",
        where=str(error.name or "securesystemslib"),
        hint="run `pip install 'reprobuild[sign]'`",
    )
