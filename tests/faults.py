"""A proxy on loopback before a registry: what networks do to requests and answers, alike each time for one seed."""

import http.client
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from tests.servers import Exchange, Server, serve

__all__ = ["FAULTS", "FaultyProxy", "faulty_proxy"]

FAULTS = (
    "drop",  # before the registry has heard of it
    "lost",  # the registry has done it, and its answer gets lost
    "cut",  # in the middle of what is sent
    "stall",  # no answer at all
    "429",
    "429 with Retry-After",
    "500",
    "503",
    "other bytes sent",
    "other bytes answered",
    "short answer",
)
_OF_BODIES = {"cut", "other bytes sent"}
_OF_ANSWERS = {"other bytes answered", "short answer"}
_HOPS = {"connection", "transfer-encoding", "keep-alive"}


@dataclass(kw_only=True)
class FaultyProxy:
    """Passes requests on to *upstream*; of each ten, about *often* go wrong in one of the ways *kinds*.

    A stall takes as long as a client waits, so there are few.
    """

    upstream: str
    seed: int = 0
    often: int = 3
    kinds: tuple[str, ...] = FAULTS
    most: int = 1_000_000
    most_stalls: int = 3
    done: Counter[str] = field(default_factory=Counter)
    server: Server = field(default_factory=lambda: Server(host=""))

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        return self.server.host

    def answer(self, exchange: Exchange) -> None:
        """Pass *exchange* on, well or badly."""
        fault = self._fault(exchange)
        match fault:
            case "drop":
                exchange.hang_up()
            case "stall":
                exchange.stall()
            case "429 with Retry-After":
                exchange.send(429, Retry_After="1")
            case "429" | "500" | "503":
                exchange.send(int(fault))
            case "cut":
                self._cut(exchange)
            case _:
                self._pass_on(exchange, fault)

    def _fault(self, exchange: Exchange) -> str | None:
        with self._lock:
            if self._random.randrange(10) >= self.often or self.done.total() >= self.most:
                return None
            fits = [kind for kind in self.kinds if self._fits(kind, exchange)]
            # Bodies are rare; what can happen to them alone is therefore likelier.
            fits += 4 * [kind for kind in fits if kind in _OF_BODIES]
            fault = self._random.choice(fits) if fits else None
            self.done.update([fault] if fault else [])
            return fault

    def _fits(self, kind: str, exchange: Exchange) -> bool:
        if kind in _OF_BODIES:
            return bool(exchange.body)
        if kind in _OF_ANSWERS:
            return exchange.method == "GET"
        return kind != "stall" or self.done[kind] < self.most_stalls

    def _connection(self, exchange: Exchange, body: bytes) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.upstream, timeout=10)
        connection.putrequest(exchange.method, exchange.path, skip_host=True, skip_accept_encoding=True)
        for name, value in exchange.headers.items():
            if name not in _HOPS:
                connection.putheader(name, value)
        connection.endheaders(body or None)
        return connection

    def _cut(self, exchange: Exchange) -> None:
        with closing(self._connection(exchange, exchange.body[: len(exchange.body) // 2])):
            exchange.hang_up()

    def _pass_on(self, exchange: Exchange, fault: str | None) -> None:
        body = _damaged(exchange.body) if fault == "other bytes sent" else exchange.body
        with closing(self._connection(exchange, body)) as connection:
            response = connection.getresponse()
            data, length = response.read(), response.headers.get("Content-Length")
        if fault == "lost":
            exchange.hang_up()
            return
        if fault == "other bytes answered":
            data = _damaged(data)
        if fault == "short answer":
            data = data[: len(data) // 2]
        kept = {name.replace("-", "_"): value for name, value in response.headers.items() if name.lower() not in _HOPS}
        kept.pop("Content_Length", None)
        exchange.send(response.status, data, length=int(length or 0), **kept)


def _damaged(data: bytes) -> bytes:
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] if data else data


@contextmanager
def faulty_proxy(upstream: str, **options: object) -> Iterator[FaultyProxy]:
    """Run one before the registry *upstream* until the block ends."""
    proxy = FaultyProxy(upstream=upstream, **options)  # type: ignore[arg-type]
    with serve(proxy.answer) as server:
        proxy.server = server
        yield proxy
