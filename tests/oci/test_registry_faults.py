"""The registry client against a registry that does everything wrong."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import pytest

from reprobuild.canonical import canonical_json, digest_of
from reprobuild.errors import (
    AuthenticationError,
    ContentError,
    NetworkError,
    ReprobuildError,
    SpecificationError,
)
from reprobuild.oci.reference import RegistryReference
from reprobuild.oci.registries import Registries
from reprobuild.oci.registry import Registry
from reprobuild.oci.retry import Patience
from reprobuild.oci.source import DOCUMENT_LIMIT, read
from reprobuild.oci.types import MANIFEST, Descriptor, Manifest
from tests.servers import Exchange, Server, serve

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 1000
BLOB = Descriptor(media_type="x", digest=digest_of(CONTENT), size=len(CONTENT))
DOCUMENT = canonical_json(Manifest(config=BLOB, layers=()).to_json())
SECRETS = ("s3cret", "czNjcmV0", "t0ken")

Answer = Callable[[Exchange], None]


@dataclass
class Fake:
    """A registry whose answers are the test's, one after another; the last one is repeated."""

    server: Server
    answers: list[Answer] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)

    def source(self, *, host: str = "", insecure: tuple[str, ...] = (), tries: int = 5, **reference: str) -> Registry:
        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        patience = Patience(sleep=sleep, chance=lambda: 1.0, connect=1, read=0.5, tries=tries)
        values = {"repository": "name", "tag": "1"} | reference
        name = RegistryReference(host=host or self.server.host, **values)  # type: ignore[arg-type]
        return Registry(name, environ=self.environ, registries=Registries().with_insecure(insecure), patience=patience)

    @property
    def asked(self) -> list[Exchange]:
        return self.server.exchanges


@pytest.fixture
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fake]:
    answers: list[Answer] = []

    def answer(exchange: Exchange) -> None:
        (answers.pop(0) if len(answers) > 1 else answers[0])(exchange)

    with serve(answer) as server:
        folder = tmp_path_factory.mktemp("docker")
        entry = {"username": "fred", "password": "s3cret"}
        (folder / "config.json").write_text(json.dumps({"auths": {server.host: entry}}))
        yield Fake(server=server, answers=answers, environ={"DOCKER_CONFIG": str(folder)})


def status(code: int, body: bytes = b"", **headers: Any) -> Answer:
    return lambda exchange: exchange.send(code, body, **headers)


def document(exchange: Exchange) -> None:
    exchange.send(200, DOCUMENT, Content_Type=MANIFEST)


def blob(exchange: Exchange) -> None:
    """The blob, with ranges."""
    start = int(exchange.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
    if start:
        exchange.send(206, CONTENT[start:], Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
    else:
        exchange.send(200, CONTENT)


def cut(count: int) -> Answer:
    """The blob from where it was asked for, broken off after *count* bytes."""

    def answer(exchange: Exchange) -> None:
        start = int(exchange.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers: dict[str, Any] = {"Content_Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if start else {}
        body = CONTENT[start : start + count]
        exchange.send(206 if start else 200, body, length=len(CONTENT) - start, **headers)

    return answer


async def _resolve(source: Registry) -> Descriptor:
    try:
        return await source.resolve()
    finally:
        await source.close()


async def _read(source: Registry, descriptor: Descriptor = BLOB) -> bytes:
    try:
        return await read(source, descriptor)
    finally:
        await source.close()


async def _fails(
    fake: Fake, kind: type[ReprobuildError], match: str, *, what: str = "resolve", **options: Any
) -> ReprobuildError:
    """Assert that resolving, or reading the blob, fails as it should; return the error."""
    source = fake.source(**options)
    with pytest.raises(kind, match=match) as caught:
        await (_resolve(source) if what == "resolve" else _read(source))
    assert caught.value.where
    assert caught.value.hint
    text = f"{caught.value} {caught.value.hint}"
    assert not any(secret in text for secret in SECRETS)
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind", "match"),
    [
        (400, NetworkError, "answered 400"),
        (401, AuthenticationError, "answered 401 to anonymous access"),
        (403, AuthenticationError, "answered 403 to anonymous access"),
        (404, SpecificationError, "there is no such image"),
        (405, NetworkError, "answered 405"),
        (204, NetworkError, "answered 204"),
    ],
)
async def test_statuses_that_are_final(fake: Fake, code: int, kind: type[ReprobuildError], match: str) -> None:
    fake.answers.append(status(code))
    await _fails(fake, kind, match)
    assert fake.waits == []


async def test_the_registrys_own_words_are_passed_on(fake: Fake) -> None:
    body = json.dumps({"errors": [{"code": "DENIED", "message": "not\x1b[31m for you"}]}).encode()
    fake.answers.append(status(403, body))
    await _fails(fake, AuthenticationError, r"\(DENIED: not\[31m for you\)")


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
async def test_statuses_that_may_pass(fake: Fake, code: int) -> None:
    fake.answers += [status(code), status(code), document]
    found = await _resolve(fake.source())
    assert found.digest == digest_of(DOCUMENT)
    assert fake.waits == [0.5, 1.0]


async def test_five_tries_and_no_more(fake: Fake) -> None:
    fake.answers.append(status(429, Retry_After="7"))
    error = await _fails(fake, NetworkError, r"429 Too Many Requests \(tried 5 times\)")
    assert error.exit_code == 3
    assert "docker login" in (error.hint or "")
    assert fake.waits == [7.0] * 4


async def test_retry_after_a_date_is_capped(fake: Fake) -> None:
    fake.answers += [status(503, Retry_After="Sun, 06 Nov 2094 08:49:37 GMT"), document]
    await _resolve(fake.source())
    assert fake.waits == [60.0]


async def test_nobody_listens(fake: Fake) -> None:
    with serve(document) as gone:
        host = gone.host
    error = await _fails(fake, NetworkError, r"\(tried 5 times\)", host=host)
    assert host in str(error)
    assert len(fake.waits) == 4


async def test_silence_is_not_waited_for_forever(fake: Fake) -> None:
    heard = threading.Event()

    def mute(exchange: Exchange) -> None:
        heard.wait(30)

    fake.answers.append(mute)
    source = fake.source(tries=1)
    started = time.monotonic()
    with pytest.raises(NetworkError, match="ReadTimeout"):
        await _resolve(source)
    heard.set()
    assert time.monotonic() - started < 5


async def test_a_manifest_cut_short(fake: Fake) -> None:
    fake.answers += [lambda exchange: exchange.send(200, DOCUMENT[:50], length=len(DOCUMENT)), document]
    assert (await _resolve(fake.source())).digest == digest_of(DOCUMENT)
    assert fake.waits == [0.5]
    fake.answers[:] = [lambda exchange: exchange.send(200, DOCUMENT[:50], length=len(DOCUMENT))]
    await _fails(fake, NetworkError, "broke off")


@pytest.mark.parametrize(
    ("body", "media_type", "match"),
    [
        (b"<html>", MANIFEST, "not a JSON document"),
        (b"[]", MANIFEST, "not a JSON object"),
        (b"{}", MANIFEST, "schemaVersion"),
        (b"[" * 100_000, MANIFEST, "not a JSON document"),
        (DOCUMENT, "application/vnd.oci.image.index.v1+json", "unsupported kind of manifest"),
        (b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", "unsupported kind"),
        (b"{}", "text/html", "unsupported kind"),
        (b'{"schemaVersion":2}', "application/json", "unsupported kind"),
        (b'{"schemaVersion":2,"schemaVersion":2}', MANIFEST, "stands twice"),
        (b" " * (DOCUMENT_LIMIT + 1), MANIFEST, "has more than"),
    ],
)
async def test_manifests_that_are_none(fake: Fake, body: bytes, media_type: str, match: str) -> None:
    fake.answers.append(status(200, body, Content_Type=media_type))
    await _fails(fake, ContentError, match)


async def test_a_manifest_without_a_content_type(fake: Fake) -> None:
    fake.answers.append(status(200, DOCUMENT))
    assert (await _resolve(fake.source())).media_type == MANIFEST


async def test_a_manifest_without_end(fake: Fake) -> None:
    fake.answers.append(lambda exchange: exchange.send_until_closed(iter(lambda: bytes(100_000), None)))
    await _fails(fake, ContentError, "has more than")


async def test_a_manifest_that_is_another(fake: Fake) -> None:
    other = digest_of(b"other")
    fake.answers.append(status(200, DOCUMENT, Content_Type=MANIFEST, Docker_Content_Digest=other))
    await _fails(fake, ContentError, f"are {digest_of(DOCUMENT)}, not {other}")
    fake.answers[:] = [document]
    await _fails(fake, ContentError, f"not {other}", digest=other)


async def test_a_body_is_taken_up_where_it_stopped(fake: Fake) -> None:
    fake.answers += [cut(100_000), cut(50_000), blob]
    assert await _read(fake.source()) == CONTENT
    assert [exchange.headers.get("range") for exchange in fake.asked] == [
        None,
        "bytes=100000-",
        "bytes=150000-",
    ]


async def test_a_registry_without_ranges_starts_again(fake: Fake) -> None:
    fake.answers += [cut(100_000), status(200, CONTENT)]
    assert await _read(fake.source()) == CONTENT
    fake.answers[:] = [cut(100_000), status(416), status(200, CONTENT)]
    assert await _read(fake.source()) == CONTENT
    fake.answers[:] = [
        cut(100_000),
        status(206, CONTENT[5:], Content_Range="bytes 5-9/10"),
        status(200, CONTENT),
    ]
    assert await _read(fake.source()) == CONTENT


async def test_a_body_that_is_another_the_second_time(fake: Fake) -> None:
    fake.answers += [cut(100_000), status(200, bytes(len(CONTENT)))]
    await _fails(fake, ContentError, f"not {BLOB.digest}", what="read")


async def test_a_body_that_always_breaks_off(fake: Fake) -> None:
    fake.answers.append(cut(1000))
    await _fails(fake, NetworkError, r"broke off.* \(tried 5 times\)", what="read")
    assert len(fake.asked) == 5


async def test_a_body_without_a_length_that_ends_early(fake: Fake) -> None:
    fake.answers += [lambda exchange: exchange.send_until_closed(iter([CONTENT[:10]])), blob]
    assert await _read(fake.source()) == CONTENT
    assert len(fake.asked) == 2


async def test_a_body_without_end(fake: Fake) -> None:
    fake.answers.append(lambda exchange: exchange.send_until_closed(iter(lambda: CONTENT, None)))
    await _fails(fake, ContentError, "more than the announced", what="read")


async def test_a_body_of_another_size(fake: Fake) -> None:
    fake.answers.append(status(200, CONTENT + b"x"))
    await _fails(fake, ContentError, f"{len(CONTENT) + 1} bytes announced", what="read")
    fake.answers[:] = [status(200, CONTENT[1:])]
    await _fails(fake, ContentError, f"{len(CONTENT) - 1} bytes announced", what="read")


async def test_a_body_of_other_bytes(fake: Fake) -> None:
    fake.answers.append(status(200, bytes(len(CONTENT))))
    source = fake.source()
    received = 0
    with pytest.raises(ContentError, match=f"not {BLOB.digest}"):
        async for chunk in source.stream(BLOB):
            received += len(chunk)
    # Whoever counts on the size alone must not believe that all is there.
    assert received < BLOB.size
    await source.close()


async def test_a_blob_that_the_registry_lost(fake: Fake) -> None:
    fake.answers.append(status(404))
    await _fails(fake, ContentError, "the image is incomplete", what="read")


async def test_an_empty_blob_is_not_asked_for(fake: Fake) -> None:
    empty = Descriptor(media_type="x", digest=digest_of(b""), size=0)
    assert await _read(fake.source(), empty) == b""
    wrong = Descriptor(media_type="x", digest=digest_of(b"x"), size=0)
    with pytest.raises(ContentError):
        await _read(fake.source(), wrong)


def basic(exchange: Exchange, then: Answer) -> None:
    if exchange.headers.get("authorization", "").startswith("Basic "):
        then(exchange)
    else:
        exchange.send(401, WWW_Authenticate='Basic realm="x"')


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_credentials_stay_when_a_redirect_leaves(fake: Fake, code: int) -> None:
    with serve(blob) as storage:
        location = f"{storage.url}/elsewhere?signature=t0ken"
        fake.answers.append(lambda exchange: basic(exchange, status(code, Location=location)))
        assert await _read(fake.source()) == CONTENT
        (exchange,) = storage.exchanges
    assert "authorization" not in exchange.headers
    assert "cookie" not in exchange.headers
    assert "authorization" in fake.asked[-1].headers


async def test_credentials_stay_with_a_redirect_that_stays(fake: Fake) -> None:
    fake.answers += [
        lambda exchange: basic(exchange, blob),
        status(307, Location="/v2/other"),
        lambda exchange: basic(exchange, blob),
    ]
    assert await _read(fake.source()) == CONTENT
    assert [exchange.path for exchange in fake.asked][1:] == [f"/v2/name/blobs/{BLOB.digest}", "/v2/other"]


async def test_a_redirect_is_followed_with_its_range(fake: Fake) -> None:
    with serve(blob) as storage:
        fake.answers += [cut(1000), status(307, Location=f"{storage.url}/b")]
        assert await _read(fake.source()) == CONTENT
        assert storage.exchanges[0].headers["range"] == "bytes=1000-"


@pytest.mark.parametrize("code", [401, 403])
async def test_a_refusal_from_where_a_redirect_led_is_not_about_us(fake: Fake, code: int) -> None:
    with serve(status(code, WWW_Authenticate='Basic realm="x"')) as storage:
        fake.answers.append(status(307, Location=f"{storage.url}/b?t0ken"))
        await _fails(fake, NetworkError, f"redirects, answered {code}", what="read")
        assert "authorization" not in storage.exchanges[-1].headers


@pytest.mark.parametrize(
    ("location", "match"),
    [
        ("http://storage.example/x?t0ken", "points to http://storage.example, which is not trusted"),
        ("file:///etc/passwd", "which is not trusted"),
        ("https://fred:t0ken@storage.example/", "which is not trusted"),
        ("http://[::1", "Invalid URL in location header"),
        ("", "redirect that cannot be followed"),
        ("/again", "redirects without end"),
    ],
)
async def test_redirects_that_are_not_followed(fake: Fake, location: str, match: str) -> None:
    fake.answers.append(status(302, Location=location))
    await _fails(fake, NetworkError, match)


async def test_basic_credentials_are_sent_when_asked_for(fake: Fake) -> None:
    fake.answers.append(lambda exchange: basic(exchange, document))
    source = fake.source()
    await source.resolve()
    await source.resolve()
    await source.close()
    assert ["authorization" in exchange.headers for exchange in fake.asked] == [False, True, True]


async def test_refused_credentials_are_not_tried_again(fake: Fake) -> None:
    fake.answers.append(status(401, WWW_Authenticate='Basic realm="x"'))
    await _fails(fake, AuthenticationError, "401 to the credentials of 'fred'")
    assert len(fake.asked) == 2


def bearer(realm: str) -> dict[str, Any]:
    return {"WWW_Authenticate": f'Bearer realm="{realm}",service="s",scope="repository:name:pull extra"'}


def token(text: str = "t0ken") -> Answer:
    return status(200, json.dumps({"token": text}).encode())


async def test_a_token_is_asked_for_and_used(fake: Fake) -> None:
    with serve(token()) as service:
        fake.answers += [status(401, **bearer(f"{service.url}/token?a=b")), document]
        await _resolve(fake.source())
        (asked,) = service.exchanges
    assert asked.query == {"a": ["b"], "service": ["s"], "scope": ["repository:name:pull", "extra"]}
    assert asked.headers["authorization"].startswith("Basic ")
    assert fake.asked[-1].headers["authorization"] == "Bearer t0ken"


async def test_a_token_that_expires_on_the_way_is_replaced_once(fake: Fake) -> None:
    given: list[str] = []

    def service(exchange: Exchange) -> None:
        given.append(f"t0ken{len(given)}")
        token(given[-1])(exchange)

    with serve(service) as running:
        refuse = status(401, **bearer(running.url))
        fake.answers += [refuse, cut(1000), refuse, blob]
        assert await _read(fake.source()) == CONTENT
        assert len(given) == 2
        assert fake.asked[-1].headers["authorization"] == "Bearer t0ken1"
        fake.answers[:] = [refuse]
        await _fails(fake, AuthenticationError, "with a token", what="read")
        assert len(given) == 3


async def test_many_requests_at_once_ask_for_one_token(fake: Fake) -> None:
    with serve(token()) as service:

        def answer(exchange: Exchange) -> None:
            good = exchange.headers.get("authorization") == "Bearer t0ken"
            (blob if good else status(401, **bearer(service.url)))(exchange)

        fake.answers.append(answer)
        source = fake.source()
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(read, source, BLOB)
        await source.close()
        assert len(service.exchanges) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "match"),
    [
        (status(401), AuthenticationError, "answered 401"),
        (status(403), AuthenticationError, "answered 403"),
        (status(200, b"t0ken"), AuthenticationError, "gave no token"),
        (status(200, b"{}"), AuthenticationError, "gave no token"),
        (status(200, b'{"token":"t0ken\\r\\nX: y"}'), AuthenticationError, "gave no token"),
        (status(200, b'{"token":7}'), AuthenticationError, "gave no token"),
        (status(503), NetworkError, "answered 503"),
    ],
)
async def test_token_services_that_do_not_work(
    fake: Fake, answer: Answer, kind: type[ReprobuildError], match: str
) -> None:
    with serve(answer) as service:
        fake.answers.append(status(401, **bearer(service.url)))
        await _fails(fake, kind, match)


@pytest.mark.parametrize(
    ("realm", "kind", "match"),
    [
        ("http://auth.example/token", NetworkError, "points to http://auth.example, which is not trusted"),
        ("ftp://auth.example/token", AuthenticationError, "no token endpoint"),
        ("", AuthenticationError, "no token endpoint"),
        ("http://[", NetworkError, "which is not trusted"),
        ("http://a:b:c", AuthenticationError, "no token endpoint"),
        ("https://x:y@auth.example/", AuthenticationError, "no token endpoint"),
    ],
)
async def test_token_services_that_are_not_asked(
    fake: Fake, realm: str, kind: type[ReprobuildError], match: str
) -> None:
    fake.answers.append(status(401, **bearer(realm)))
    await _fails(fake, kind, match)


async def test_a_token_service_that_redirects_does_not_pass_the_password_on(fake: Fake) -> None:
    with serve(token()) as other, serve(status(302, Location=f"{other.url}/t")) as service:
        fake.answers += [status(401, **bearer(service.url)), document]
        await _resolve(fake.source())
        assert "authorization" not in other.exchanges[0].headers


@pytest.mark.parametrize(
    ("host", "insecure", "url"),
    [
        ("docker.io", (), "https://registry-1.docker.io"),
        ("ghcr.io", (), "https://ghcr.io"),
        ("registry.example:5000", (), "https://registry.example:5000"),
        ("registry.example:5000", ("registry.example:5000",), "http://registry.example:5000"),
        ("registry.example:5000", ("registry.example",), "http://registry.example:5000"),
        ("registry.example:5000", ("registry.example:80",), "https://registry.example:5000"),
        ("localhost", (), "http://localhost"),
        ("localhost:443", (), "https://localhost"),
        ("127.3.2.1:5000", (), "http://127.3.2.1:5000"),
        ("[::1]:5000", (), "http://[::1]:5000"),
        ("127.0.0.1.example", (), "https://127.0.0.1.example"),
        ("10.0.0.1:5000", (), "https://10.0.0.1:5000"),
    ],
)
async def test_who_is_spoken_to_over_plain_http(fake: Fake, host: str, insecure: tuple[str, ...], url: str) -> None:
    source = fake.source(host=host, insecure=insecure)
    assert str(source._transport._endpoint.url).rstrip("/") == url
    await source.close()


async def test_a_far_registry_does_not_lead_us_to_a_local_server(fake: Fake) -> None:
    source = fake.source(host="registry.example")
    with pytest.raises(NetworkError, match="which is not trusted"):
        source._transport._endpoint.check(httpx.URL(fake.server.url))
    await source.close()


async def test_a_registry_whose_tls_is_none(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.answers.append(document)
    source = fake.source()
    source._transport._client.base_url = httpx.URL(f"https://{fake.server.host}")
    with pytest.raises(NetworkError, match=r"SSL|TLS|wrong version") as caught:
        await _resolve(source)
    assert "insecure" in (caught.value.hint or "")
    assert fake.waits == []


async def test_a_netrc_file_is_not_read(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / ".netrc"
    netrc.write_text("default login fred password s3cret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(netrc.parent))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    fake.answers.append(document)
    await _resolve(fake.source())
    assert "authorization" not in fake.asked[0].headers
