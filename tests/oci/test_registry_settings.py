"""Settings of single registries: a certificate authority, a proxy."""

import datetime
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reprobuild.errors import MachineError, NetworkError, SpecificationError
from reprobuild.oci.reference import RegistryReference
from reprobuild.oci.registries import Registries, RegistrySettings
from reprobuild.oci.registry import Registry
from tests.servers import docker_registry, serve

pytestmark = pytest.mark.anyio


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Write the certificate of an authority of its own for 127.0.0.1, and its key, into *folder*."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the tests")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    encoded = key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(encoded)
    return folder / "ca.pem", folder / "key.pem"


async def _ask(host: str, **settings: object) -> None:
    registries = Registries(hosts={host: RegistrySettings(**settings)})  # type: ignore[arg-type]
    source = Registry(RegistryReference(host=host, repository="x", tag="1"), environ={}, registries=registries)
    try:
        await source.resolve()
    finally:
        await source.close()


async def test_an_authority_of_its_own(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    tls = {"certificate": str(certificate), "key": str(key)}
    with docker_registry(tmp_path, tls=tls) as registry:
        with pytest.raises(SpecificationError, match="there is no such image"):
            await _ask(registry.host, ca_file=certificate)
        other = tmp_path / "other"
        other.mkdir()
        with pytest.raises(NetworkError, match="certificate") as caught:
            await _ask(registry.host, ca_file=_certificate(other)[0])
    assert "ca-file" in (caught.value.hint or "")


@pytest.mark.parametrize("content", [None, b"", b"no PEM"])
async def test_an_authority_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(MachineError, match="no certificate authorities can be read") as caught:
        await _ask("127.0.0.1:1", ca_file=tmp_path / "ca.pem")
    assert caught.value.where == str(tmp_path / "ca.pem")


async def test_a_proxy() -> None:
    with serve(lambda exchange: exchange.send(404)) as proxy:
        with pytest.raises(SpecificationError, match="there is no such image"):
            await _ask("registry.example:5000", insecure=True, proxy=proxy.url)
        assert [exchange.path for exchange in proxy.exchanges] == ["http://registry.example:5000/v2/x/manifests/1"]
