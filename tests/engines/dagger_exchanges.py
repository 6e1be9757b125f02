"""What is said to a Dagger engine and what it answers: recorded from a real one, and given again without one.

Recorded is what the SDK posts and gets, in order, with the files that the engine's session wrote on this machine.
Folders and tokens of a run stand for those of any other.
"""

import base64
import gzip
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import httpx

from reprobuild.engines.dagger_executor import DaggerExecutor
from reprobuild.engines.execution import ExecutionError, Mount, Observation, Secret
from reprobuild.progress import Progress
from reprobuild.store import Store
from tests.engines.root_filesystem import tiny_root

__all__ = ["RECORDED", "Exchanges", "played", "recording", "scenario"]

RECORDED = Path(__file__).parent / "recorded" / "dagger.json.gz"
"""Refreshed by scripts/record-dagger."""
_SCRATCH = re.compile(r"/[^\"\\ ]*?/sandboxes/dagger/[^/\"\\ ]+")
_EXPORT = re.compile(r'export\(\s*path: "([^"]*)"')


@dataclass
class Exchanges:
    """``asked`` is what was asked, in order, as it is compared; ``answers`` belong to it."""

    asked: list[str] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        text = json.dumps([{"asked": asked, **rest} for asked, rest in zip(self.asked, self.answers, strict=True)])
        path.write_bytes(gzip.compress(text.encode(), mtime=0))

    @classmethod
    def load(cls, path: Path) -> "Exchanges":
        found = json.loads(gzip.decompress(path.read_bytes()))
        return cls(asked=[one.pop("asked") for one in found], answers=found)


async def scenario(
    store: Store, progress: Progress | None = None, log: Callable[[str], None] | None = None
) -> dict[str, Observation | str]:
    """Run what is recorded; return what was seen of each, or the words of its error."""
    executor = DaggerExecutor(store, progress=progress, log=log)
    from tests.engines.conftest import ENV, HERE, Engine

    engine = Engine(executor=executor, store=store, layers=tiny_root(store), runs_programs=True)
    mounts = (Mount(target="/inputs/deep/table", digest=store.add(b"a table\n")),)
    secret = Secret(name="token", target="/run/secrets/token")
    rest: dict[str, dict[str, Any]] = {
        **{name: {} for name in ("nothing", "write", "delete", "fail")},
        "beside": {"mounts": mounts},
        "secret": {"secrets": (secret,), "bytes_of": {"token": b"hunter2-s3cret"}, "uid": 1000, "gid": 1001},
        "missing": {"argv": ("no-such-program",), "platform": HERE, "env": ENV},
    }
    found: dict[str, Observation | str] = {}
    tokens = (f"{number:032x}" for number in count(1))
    with mock.patch("reprobuild.engines.dagger_executor.random.token_hex", lambda _: next(tokens)):
        for name, values in rest.items():
            try:
                found[name] = await engine.run(name, **values)
            except ExecutionError as error:
                found[name] = f"{error} ({error.code}): {error.output}"
    return found


@contextmanager
def recording(port: int, token: str, exchanges: Exchanges) -> Iterator[int]:
    """Serve on a port, which is given, what the session at *port* answers; note it in *exchanges*."""

    def answer(body: bytes) -> tuple[int, bytes]:
        response = httpx.post(f"http://127.0.0.1:{port}/query", content=body, auth=(token, ""), timeout=120,
                              headers={"Content-Type": "application/json"})  # fmt: skip
        exported = {}
        if place := _exported(body):
            exported = {"file": base64.b64encode(place.read_bytes()).decode()}
        exchanges.asked.append(_asked(body))
        exchanges.answers.append({"status": response.status_code, "body": response.text, **exported})
        return response.status_code, response.content

    with _serving(answer) as own:
        yield own


@contextmanager
def played(recorded: Exchanges, asked: list[str]) -> Iterator[int]:
    """Serve on a port, which is given, the answers of *recorded*, each once; *asked* is what was asked.

    The SDK asks for several things at once where it can, so that their order is not always the same.
    """
    left = list(zip(recorded.asked, recorded.answers, strict=True))

    def answer(body: bytes) -> tuple[int, bytes]:
        asked.append(_asked(body))
        found = [number for number, (one, _) in enumerate(left) if one == asked[-1]]
        if not found:
            return 400, b'{"errors": [{"message": "this was not recorded"}]}'
        _, given = left.pop(found[0])
        if "file" in given and (place := _exported(body)):
            place.write_bytes(base64.b64decode(given["file"]))
        return given["status"], given["body"].encode()

    with _serving(answer) as own:
        yield own


def _asked(body: bytes) -> str:
    value = json.loads(body)
    text = _SCRATCH.sub("SCRATCH", value.pop("query"))
    # What the SDK asks of the schema is its own; lines break where a path of this run makes them long.
    if "IntrospectionQuery" in text:
        return "introspection"
    return json.dumps({"query": re.sub(r"(?<=\() | (?=\))", "", " ".join(text.split())), **value})


def _exported(body: bytes) -> Path | None:
    found = _EXPORT.search(json.loads(body)["query"])
    return Path(found[1]) if found else None


@contextmanager
def _serving(answer: Any) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, data = answer(body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
