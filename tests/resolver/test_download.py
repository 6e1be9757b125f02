"""Downloads from an index on loopback that misbehaves on demand."""

import datetime
import gzip
import os
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reprobuild.canonical import digest_of
from reprobuild.errors import AuthenticationError, ContentError, LockError, NetworkError
from reprobuild.lockfile import Wheel
from reprobuild.oci.retry import Patience
from reprobuild.resolver.credentials import credentials
from reprobuild.resolver.download import Downloads
from reprobuild.resolver.offers import Offer
from reprobuild.store import Store
from tests.resolver.loopback_index import Fault, LoopbackIndex
from tests.resolver.worlds import Heard

pytestmark = pytest.mark.anyio

Fetch = Callable[..., Awaitable[Wheel]]


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def fetch(root: Path, store: Store, slept: list[float]) -> Fetch:
    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def fetch_(offer: Offer, heard: Heard | None = None) -> Wheel:
        async with Downloads(root, store, patience=Patience(tries=3, sleep=sleep)) as downloads:
            return await downloads.fetch(offer, heard or Heard())

    return fetch_


@pytest.fixture
def offer(index: LoopbackIndex) -> Offer:
    file = index.wheel("alpha", "1.0", files={"alpha.py": os.urandom(3_000_000)})
    data = index.files[file]
    return Offer(file=file, url=f"{index.url}/files/{file}", size=len(data), digest=digest_of(data))


def temporary(store: Store) -> list[Path]:
    return list((store.root / "tmp").iterdir())


def fail(times: int, answer: Callable[[Any, bytes], None]) -> Fault:
    """Return a fault that happens *times* times."""
    left = [times]

    def fault(handler: BaseHTTPRequestHandler, data: bytes) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return False
        answer(handler, data)
        return True

    return fault


def status(code: int, **headers: str) -> Callable[[Any, bytes], None]:
    return lambda handler, _: handler.answer(code, b"no", {k.replace("_", "-"): v for k, v in headers.items()})


def cut(handler: Any, data: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[:1_000_000])
    handler.close_connection = True


def endless(handler: Any, data: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    try:
        for _ in range(1000):
            handler.wfile.write(data)
    except OSError:
        return


def compressed(handler: Any, data: bytes) -> None:
    handler.answer(200, gzip.compress(data), {"Content-Encoding": "gzip"})


async def test_a_wheel_enters_the_store_once(index: LoopbackIndex, offer: Offer, store: Store, fetch: Fetch) -> None:
    heard = Heard()
    expected = Wheel(file=offer.file, size=offer.size or 0, digest=digest_of(index.files[offer.file]))
    assert await fetch(offer, heard) == await fetch(offer) == expected
    assert store.read(expected.digest) == index.files[offer.file]
    assert index.downloads() == [offer.file]
    assert heard.advanced == offer.size


async def test_size_and_digest_are_found_where_nobody_announced_them(offer: Offer, fetch: Fetch) -> None:
    wheel = await fetch(replace(offer, size=None, digest=None))
    assert (wheel.size, wheel.digest) == (offer.size, offer.digest)


async def test_other_bytes_are_refused(index: LoopbackIndex, offer: Offer, store: Store, fetch: Fetch) -> None:
    index.files[offer.file] = os.urandom(offer.size or 0)
    with pytest.raises(ContentError, match="not sha256:") as caught:
        await fetch(offer)
    assert (caught.value.where, temporary(store)) == (offer.file, [])
    assert offer.digest is not None
    assert offer.digest not in store


async def test_a_shorter_wheel_is_refused(index: LoopbackIndex, offer: Offer, store: Store, fetch: Fetch) -> None:
    index.files[offer.file] = b"short"
    with pytest.raises(ContentError, match="5 bytes, not the announced"):
        await fetch(offer)
    assert temporary(store) == []


async def test_an_endless_body_ends_at_the_announced_size(
    index: LoopbackIndex, offer: Offer, store: Store, fetch: Fetch
) -> None:
    index.faults[offer.file] = fail(9, endless)
    with pytest.raises(ContentError, match="more than the announced"):
        await fetch(offer)
    assert temporary(store) == []


async def test_a_body_that_breaks_off_is_asked_for_again(
    index: LoopbackIndex, offer: Offer, fetch: Fetch, slept: list[float]
) -> None:
    index.faults[offer.file], heard = fail(2, cut), Heard()
    assert (await fetch(offer, heard)).digest == offer.digest
    assert len(slept) == 2
    assert heard.advanced == offer.size


async def test_a_body_that_always_breaks_off(index: LoopbackIndex, offer: Offer, store: Store, fetch: Fetch) -> None:
    index.faults[offer.file], heard = fail(9, cut), Heard()
    with pytest.raises(NetworkError, match="did not send it") as caught:
        await fetch(offer, heard)
    assert (caught.value.where, heard.advanced, temporary(store)) == (offer.file, 0, [])


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_a_busy_index_is_asked_again_when_it_says_so(
    index: LoopbackIndex, offer: Offer, fetch: Fetch, slept: list[float], code: int
) -> None:
    index.faults[offer.file] = fail(1, status(code, Retry_After="7"))
    assert (await fetch(offer)).digest == offer.digest
    assert slept == [7.0]


@pytest.mark.parametrize(
    ("code", "kind"), [(401, AuthenticationError), (403, AuthenticationError), (404, LockError), (400, NetworkError)]
)
async def test_final_answers_are_not_asked_again(
    index: LoopbackIndex, offer: Offer, fetch: Fetch, slept: list[float], code: int, kind: type[Exception]
) -> None:
    index.faults[offer.file] = fail(9, status(code))
    with pytest.raises(kind) as caught:
        await fetch(offer)
    assert slept == []
    assert caught.value.where == offer.file  # type: ignore[attr-defined]
    assert caught.value.hint  # type: ignore[attr-defined]


async def test_nobody_there(fetch: Fetch, offer: Offer, slept: list[float]) -> None:
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:9"):
        await fetch(replace(offer, url="http://127.0.0.1:9/alpha.whl"))
    assert len(slept) == 2


async def test_encoded_bodies_are_decoded(index: LoopbackIndex, offer: Offer, fetch: Fetch) -> None:
    index.faults[offer.file] = fail(9, compressed)
    assert (await fetch(offer)).digest == offer.digest


async def test_wheels_in_a_local_folder(tmp_path: Path, index: LoopbackIndex, offer: Offer, fetch: Fetch) -> None:
    path = tmp_path / "a folder" / offer.file
    path.parent.mkdir()
    path.write_bytes(index.files[offer.file])
    assert (await fetch(replace(offer, url=path.as_uri(), size=None))).digest == offer.digest
    assert index.downloads() == []


async def test_redirects_are_followed(index: LoopbackIndex, offer: Offer, fetch: Fetch) -> None:
    index.faults["moved.whl"] = fail(9, status(302, Location=f"/files/{offer.file}"))
    index.files["moved.whl"] = b""
    assert (await fetch(replace(offer, url=f"{index.url}/files/moved.whl"))).digest == offer.digest


@pytest.fixture
def secure_url(tmp_path: Path, index: LoopbackIndex, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server that speaks TLS, and leads to the index, which does not."""
    certificate, key = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", index.url + self.path)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Return the files of a certificate for loopback and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "tls.key").write_bytes(key.private_bytes(*private))
    return folder / "tls.crt", folder / "tls.key"


async def test_what_nobody_has_a_digest_of_is_not_taken_from_plain_http(
    secure_url: str, offer: Offer, fetch: Fetch
) -> None:
    secure = replace(offer, url=f"{secure_url}/files/{offer.file}")
    assert (await fetch(secure)).digest == offer.digest
    with pytest.raises(NetworkError, match="it redirects to plain HTTP"):
        await fetch(replace(secure, digest=None))


@pytest.mark.parametrize("way", ["url", "variable", "named", "netrc"])
async def test_credentials_are_found(
    index: LoopbackIndex, offer: Offer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    index.password = "se cret"
    if way == "url":
        offer = replace(offer, url=offer.url.replace("//", "//user:se%20cret@"))
    elif way == "variable":
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url.replace("//", "//user:se%20cret@") + "/simple")
    elif way == "named":
        monkeypatch.setenv("UV_INDEX", f"my-own={index.url}/simple")
        monkeypatch.setenv("UV_INDEX_MY_OWN_USERNAME", "user")
        monkeypatch.setenv("UV_INDEX_MY_OWN_PASSWORD", "se cret")
    else:
        (tmp_path / "netrc").write_text('machine 127.0.0.1 login user password "se cret"\n')
    assert (await fetch(offer)).digest == offer.digest


async def test_an_error_tells_no_secret(offer: Offer, fetch: Fetch) -> None:
    with pytest.raises(NetworkError) as caught:
        await fetch(replace(offer, url="http://user:hidden@127.0.0.1:9/alpha.whl"))
    assert "hidden" not in str(caught.value)


def test_credentials_stay_at_their_origin(root: Path) -> None:
    environ = {"UV_DEFAULT_INDEX": "https://u:p@one.example/simple", "NETRC": "/nonexistent"}
    assert credentials("https://one.example/files/x.whl", root, environ) == ("u", "p")
    for url in (
        "https://two.example/x",
        "http://one.example/x",
        "https://one.example:444/x",
        "file:///x",
        "https://[/",
    ):
        assert credentials(url, root, environ) is None


def test_credentials_of_an_index_in_the_configuration(root: Path) -> None:
    text = '[[tool.uv.index]]\nname = "in-house"\nurl = "https://one.example/simple"\n'
    (root / "pyproject.toml").write_text(text)
    environ = {"UV_INDEX_IN_HOUSE_USERNAME": "u", "UV_INDEX_IN_HOUSE_PASSWORD": "p", "NETRC": "/nonexistent"}
    assert credentials("https://one.example/files/x.whl", root, environ) == ("u", "p")
    for text in ("[tool.uv]\nindex = 1", "[tool]\nuv = 1", "index = [1]", "[["):
        (root / "pyproject.toml").write_text(text)
        (root / "uv.toml").write_text(text)
        assert credentials("https://one.example/files/x.whl", root, environ) is None
