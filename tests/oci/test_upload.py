"""Uploads against a registry that does all that the specification has: chunks, resuming, mounts, refusals."""

import hashlib
import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest

from reprobuild.canonical import Digest, digest_of
from reprobuild.errors import AuthenticationError, ContentError, NetworkError, ReprobuildError
from reprobuild.oci.held import Held
from reprobuild.oci.registry_sink import RegistrySink
from reprobuild.oci.retry import Patience
from reprobuild.oci.types import Descriptor
from reprobuild.oci.whereabouts import Whereabouts
from reprobuild.progress import Silent
from tests.faults import faulty_proxy
from tests.servers import Exchange, serve
from tests.small_registry import SmallRegistry, small_registry

pytestmark = pytest.mark.anyio

CONTENT = hashlib.sha256(b"seed").digest() * 200_000
BLOB = Descriptor(media_type="x", digest=digest_of(CONTENT), size=len(CONTENT))
SOURCE = Held([(BLOB, CONTENT)])


@pytest.fixture
def small() -> Iterator[SmallRegistry]:
    with small_registry() as running:
        yield running


def _sink(host: str, name: str = "to", *, waits: list[float] | None = None, **options: Any) -> RegistrySink:
    async def sleep(seconds: float) -> None:
        if waits is not None:
            waits.append(seconds)

    patience = Patience(sleep=sleep, chance=lambda: 1.0, connect=1, read=0.5, commit=0.5)
    return RegistrySink(host, name, environ={}, patience=patience, **options)


async def _put(sink: RegistrySink, source: Any = SOURCE, **options: Any) -> str:
    try:
        return await sink.put(BLOB, source, **options)
    finally:
        await sink.close()


async def test_at_once(small: SmallRegistry) -> None:
    assert await _put(_sink(small.host)) == "uploaded"
    assert small.blobs["to", BLOB.digest] == CONTENT
    assert [method for method, _, _ in small.answered] == ["HEAD", "POST", "PUT"]


async def test_in_chunks_where_the_registry_wants_it(small: SmallRegistry) -> None:
    small.least_chunk = 20 * 1024 * 1024
    content = CONTENT * 4
    blob = Descriptor(media_type="x", digest=digest_of(content), size=len(content))
    sink = _sink(small.host)
    assert await sink.put(blob, Held([(blob, content)])) == "uploaded"
    await sink.close()
    sizes = [len(exchange.body) for exchange in small.server.exchanges if exchange.method == "PATCH"]
    assert sizes == [small.least_chunk, len(content) - small.least_chunk]
    assert small.statuses("PUT") == [201]
    assert small.blobs["to", blob.digest] == content


async def test_smaller_where_something_on_the_way_takes_no_large_bodies(small: SmallRegistry) -> None:
    small.most_body = 2 * 1024 * 1024
    assert await _put(_sink(small.host)) == "uploaded"
    assert small.statuses("PATCH")[-4:] == [202] * 4
    assert small.blobs["to", BLOB.digest] == CONTENT


async def test_too_large_in_any_size(small: SmallRegistry) -> None:
    small.most_body = 1000
    with pytest.raises(NetworkError, match="answered 413"):
        await _put(_sink(small.host))


async def test_one_that_broke_off_goes_on_where_it_stopped(small: SmallRegistry) -> None:
    with faulty_proxy(small.host, often=10, kinds=("cut",), most=1) as proxy:
        assert await _put(_sink(proxy.host)) == "uploaded"
        sent = [len(exchange.body) for exchange in proxy.server.exchanges if exchange.method in {"PUT", "PATCH"}]
        assert sent == [BLOB.size, BLOB.size - BLOB.size // 2, 0]
        methods = [exchange.method for exchange in proxy.server.exchanges]
        assert methods == ["HEAD", "POST", "PUT", "HEAD", "GET", "PATCH", "PUT"]
    assert small.blobs["to", BLOB.digest] == CONTENT


async def test_a_lost_answer_is_no_reason_to_send_it_again(small: SmallRegistry) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.method == "PUT":
            small._take(_Silent(exchange), "to", "0")  # type: ignore[arg-type]
            exchange.hang_up()
        else:
            small.answer(exchange)

    with serve(answer) as server:
        assert await _put(_sink(server.host)) == "uploaded"
        assert [exchange.method for exchange in server.exchanges] == ["HEAD", "POST", "PUT", "HEAD"]


class _Silent:
    """An exchange whose answer nobody hears."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exchange, name)

    def send(self, *_: Any, **__: Any) -> None:
        pass


async def test_progress_makes_patient(small: SmallRegistry) -> None:
    # Each cut loses half of what is left: many more failures than tries, and an end.
    with faulty_proxy(small.host, often=10, kinds=("cut",), most=8) as proxy:
        content = CONTENT * 8
        blob = Descriptor(media_type="x", digest=digest_of(content), size=len(content))
        sink = _sink(proxy.host)
        assert await sink.put(blob, Held([(blob, content)])) == "uploaded"
        await sink.close()
        assert proxy.done["cut"] > 4
    assert small.blobs["to", blob.digest] == content


async def test_retry_after_is_heeded(small: SmallRegistry) -> None:
    waits: list[float] = []
    pending = [{"Retry_After": "7"}, {}]

    def answer(exchange: Exchange) -> None:
        if exchange.method == "PUT" and pending:
            exchange.send(429, **pending.pop(0))
        else:
            small.answer(exchange)

    with serve(answer) as server:
        assert await _put(_sink(server.host, waits=waits)) == "uploaded"
    assert waits == [7.0, 1.0]


async def test_mounted_from_where_it_is_known_to_be(small: SmallRegistry) -> None:
    whereabouts = Whereabouts()
    assert await _put(_sink(small.host, "from", whereabouts=whereabouts)) == "uploaded"
    assert await _put(_sink(small.host, "to", whereabouts=whereabouts)) == "mounted"
    assert small.blobs["to", BLOB.digest] == CONTENT
    assert len(small.statuses("PUT")) == 1


async def test_a_mount_that_is_refused_becomes_an_upload(small: SmallRegistry) -> None:
    small.mounts = False
    whereabouts = Whereabouts()
    whereabouts.expect(small.host, BLOB.digest, "from")
    assert await _put(_sink(small.host, whereabouts=whereabouts)) == "uploaded"
    assert [method for method, _, _ in small.answered] == ["HEAD", "POST", "PUT"]


async def test_a_mount_that_we_may_not_ask_for_becomes_an_upload(small: SmallRegistry) -> None:
    def answer(exchange: Exchange) -> None:
        if "mount=" in exchange.path:
            exchange.send(403)
        else:
            small.answer(exchange)

    whereabouts = Whereabouts()
    for name in ("one", "two"):
        whereabouts.add("", BLOB.digest, name)
    with serve(answer) as server:
        whereabouts.expect(server.host, BLOB.digest, "from")
        assert await _put(_sink(server.host, whereabouts=whereabouts)) == "uploaded"
        assert [exchange.method for exchange in server.exchanges] == ["HEAD", "POST", "POST", "PUT"]


async def test_progress_is_told_once_for_each_byte(small: SmallRegistry) -> None:
    class Count(Silent):
        total = 0

        def advance(self, amount: int) -> None:
            self.total += amount

    with faulty_proxy(small.host, often=10, kinds=("cut", "503"), most=2) as proxy:
        task = Count()
        await _put(_sink(proxy.host), task=task)
    assert task.total == BLOB.size


@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [
        (401, AuthenticationError, "docker login"),
        (403, AuthenticationError, "docker login"),
        (404, NetworkError, "made first"),
        (405, NetworkError, "look at the registry"),
    ],
)
async def test_a_registry_that_takes_nothing(
    small: SmallRegistry, status: int, kind: type[ReprobuildError], hint: str
) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.method == "POST":
            exchange.send(status, b'{"errors": [{"code": "DENIED", "message": "not you"}]}')
        else:
            small.answer(exchange)

    with serve(answer) as server, pytest.raises(kind, match="DENIED: not you") as caught:
        await _put(_sink(server.host))
    assert hint in (caught.value.hint or "")
    assert caught.value.where


async def test_a_registry_that_always_hangs_up(small: SmallRegistry) -> None:
    faults = faulty_proxy(small.host, often=10, kinds=("drop",))
    with faults as proxy, pytest.raises(NetworkError, match="tried 5 times"):
        await _put(_sink(proxy.host))


async def test_a_blob_of_another_size_is_there(small: SmallRegistry) -> None:
    small.blobs["to", BLOB.digest] = b"short"
    with pytest.raises(ContentError, match="has 5 bytes for"):
        await _put(_sink(small.host))


async def test_bytes_that_change_on_the_way_are_sent_again(small: SmallRegistry) -> None:
    with faulty_proxy(small.host, often=10, kinds=("other bytes sent",), most=2) as proxy:
        assert await _put(_sink(proxy.host)) == "uploaded"
        assert proxy.done.total() == 2
    assert small.blobs["to", BLOB.digest] == CONTENT


async def test_a_far_place_for_uploads_gets_no_credentials(
    small: SmallRegistry, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("docker")
    with serve(small.answer) as storage:

        def answer(exchange: Exchange) -> None:
            if "authorization" not in exchange.headers:
                exchange.send(401, WWW_Authenticate='Basic realm="x"')
            elif exchange.method == "POST":
                small.uploads["9"] = bytearray()
                exchange.send(202, Location=f"http://{storage.host}/v2/to/blobs/uploads/9")
            else:
                small.answer(exchange)

        with serve(answer) as server:
            entry = {"username": "fred", "password": "s3cret"}
            (folder / "config.json").write_text(json.dumps({"auths": {server.host: entry}}))
            sink = RegistrySink(server.host, "to", environ={"DOCKER_CONFIG": str(folder)})
            assert await _put(sink) == "uploaded"
        assert [exchange.method for exchange in storage.exchanges] == ["PUT"]
        assert "authorization" not in storage.exchanges[0].headers


async def test_an_upload_is_not_led_to_what_is_not_trusted(small: SmallRegistry) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.method == "POST":
            exchange.send(202, Location="http://elsewhere.example/upload")
        else:
            small.answer(exchange)

    with serve(answer) as server, pytest.raises(NetworkError, match="which is not trusted"):
        await _put(_sink(server.host))


async def test_an_upload_follows_a_redirect_that_keeps_its_body(small: SmallRegistry) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.method == "PUT":
            exchange.send(307, Location=f"http://{small.host}{exchange.path}")
        else:
            small.answer(exchange)

    with serve(answer) as server:
        assert await _put(_sink(server.host)) == "uploaded"
    assert small.blobs["to", BLOB.digest] == CONTENT


async def test_a_token_that_expires_halfway(small: SmallRegistry) -> None:
    spent: list[str] = []

    def answer(exchange: Exchange) -> None:
        said = exchange.headers.get("authorization", "")
        if exchange.path.startswith("/token"):
            exchange.send(200, f'{{"token": "t{len(server.exchanges)}"}}'.encode())
        elif not said or (exchange.method == "PUT" and not spent):
            spent.extend([said] if said else [])
            exchange.send(401, WWW_Authenticate=f'Bearer realm="http://{server.host}/token"')
        elif said in spent:
            exchange.send(401)
        else:
            small.answer(exchange)

    with serve(answer) as server:
        assert await _put(_sink(server.host)) == "uploaded"
    assert len(spent) == 1
    assert small.blobs["to", BLOB.digest] == CONTENT


async def test_a_source_that_fails_in_the_middle_ends_the_upload(small: SmallRegistry) -> None:
    class Failing(Held):
        async def _chunks(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
            yield CONTENT[:1_000_000]
            raise NetworkError("the base's registry is gone", where="base", hint="try again")

    with pytest.raises(NetworkError, match="the base's registry is gone"):
        await _put(_sink(small.host), Failing([(BLOB, b"")]))
    assert ("to", BLOB.digest) not in small.blobs


async def test_nothing_is_read_before_there_is_somewhere_to_send_it(small: SmallRegistry) -> None:
    chunk, count = bytes(1024 * 1024), 64
    blob = Descriptor(media_type="x", digest=_digest_of_zeros(count), size=count * len(chunk))
    read = 0

    class Large(Held):
        async def _chunks(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
            nonlocal read
            for _ in range(count):
                read += 1
                yield chunk

    taken: list[int] = []

    def answer(exchange: Exchange) -> None:
        taken.append(read)
        small.answer(exchange)

    with serve(answer) as server:
        sink = _sink(server.host)
        assert await sink.put(blob, Large([(blob, b"")])) == "uploaded"
        await sink.close()
    assert taken[1] == 0


def _digest_of_zeros(megabytes: int) -> Digest:
    return digest_of(bytes(megabytes * 1024 * 1024))
