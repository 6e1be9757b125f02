"""Envelopes: signed with keys of each kind, opened with the right key alone, and read as other tools write them."""

import base64
import json
import sys
from typing import Any
from unittest import mock

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.canonical import canonical_json
from reprobuild.errors import ContentError, MachineError, SpecificationError
from reprobuild.provenance.envelope import PAYLOAD, open_envelope, public_key, signed, signer

KEYS: dict[str, Any] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ecdsa": ec.generate_private_key(ec.SECP256R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
}
STATEMENT = b'{"_type":"https://in-toto.io/Statement/v1"}'


def private_pem(key: Any, encryption: Any = None) -> bytes:
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    assert isinstance(data, bytes)
    return data


def public_pem(key: Any) -> bytes:
    data = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert isinstance(data, bytes)
    return data


def envelope(name: str = "ed25519", payload: bytes = STATEMENT) -> bytes:
    return signed(payload, signer(private_pem(KEYS[name]), where="key", passphrase=lambda: None))


def opened(data: bytes, *names: str) -> bytes:
    return open_envelope(data, [public_key(public_pem(KEYS[name]), where="key") for name in names], where="here")


@pytest.mark.parametrize("name", KEYS)
def test_keys(name: str) -> None:
    data = envelope(name)
    value = json.loads(data)
    assert value["payloadType"] == PAYLOAD
    assert base64.b64decode(value["payload"]) == STATEMENT
    assert opened(data, name) == STATEMENT
    assert opened(data, *KEYS) == STATEMENT
    with pytest.raises(ContentError, match="none of its 1 signatures is of the given key"):
        opened(data, *(KEYS.keys() - {name}))


def test_what_is_signed_is_what_the_protocol_says() -> None:
    value = json.loads(envelope())
    text = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(STATEMENT), STATEMENT)
    KEYS["ed25519"].public_key().verify(base64.b64decode(value["signatures"][0]["sig"]), text)


def test_ed25519_gives_equal_bytes() -> None:
    assert envelope() == envelope()


def test_a_key_with_a_passphrase() -> None:
    pem = private_pem(KEYS["ed25519"], BestAvailableEncryption(b"open sesame"))
    assert signed(STATEMENT, signer(pem, where="key", passphrase=lambda: b"open sesame")) == envelope()
    with pytest.raises(SpecificationError, match="not a private key"):
        signer(pem, where="key", passphrase=lambda: b"wrong")


def test_a_signature_without_a_key_id_and_one_among_others() -> None:
    value = json.loads(envelope())
    good = {"sig": value["signatures"][0]["sig"]}
    bad = {"keyid": value["signatures"][0]["keyid"], "sig": base64.b64encode(b"x" * 64).decode()}
    assert opened(canonical_json({**value, "signatures": [bad, good]}), "ed25519") == STATEMENT


def test_changed_bytes_are_refused() -> None:
    value = json.loads(envelope())
    value["payload"] = base64.b64encode(STATEMENT + b" ").decode()
    with pytest.raises(ContentError, match="none of its 1 signatures"):
        opened(canonical_json(value), "ed25519")


@pytest.mark.parametrize(
    "change",
    [
        {"signatures": None},
        {"signatures": [{}]},
        {"signatures": [1]},
        {"signatures": [{"sig": 1}]},
        {"signatures": [{"sig": "ä"}]},
        {"signatures": [{"sig": ""}] * 101},
        {"payload": 1},
        {"payload": "a"},
        {"payloadType": "text/plain"},
        {"payloadType": None},
    ],
)
def test_what_is_no_envelope(change: dict[str, Any]) -> None:
    with pytest.raises(ContentError):
        opened(canonical_json({**json.loads(envelope()), **change}), "ed25519")


@given(st.binary(max_size=100))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(ContentError):
        opened(data, "ed25519")


@pytest.mark.parametrize(
    "pem", [b"", b"no key", public_pem(KEYS["rsa"]), private_pem(x25519.X25519PrivateKey.generate())]
)
def test_what_is_no_private_key(pem: bytes) -> None:
    with pytest.raises(SpecificationError, match="not a private key") as error:
        signer(pem, where="key.pem", passphrase=lambda: None)
    assert error.value.where == "key.pem"


@pytest.mark.parametrize("pem", [b"", private_pem(KEYS["rsa"]), public_pem(x25519.X25519PrivateKey.generate())])
def test_what_is_no_public_key(pem: bytes) -> None:
    with pytest.raises(SpecificationError, match="not a public key"):
        public_key(pem, where="key.pem")


def test_without_the_libraries_it_says_what_to_install() -> None:
    with mock.patch.dict(sys.modules, {"securesystemslib.signer": None}):
        for call in (
            lambda: signer(b"", where="key", passphrase=lambda: None),
            lambda: public_key(b"", where="key"),
        ):
            with pytest.raises(MachineError) as error:
                call()
            assert error.value.hint == "run `pip install 'reprobuild[sign]'`"


def test_the_serialization_is_standard() -> None:
    assert serialization.load_pem_public_key(public_pem(KEYS["ecdsa"]))
