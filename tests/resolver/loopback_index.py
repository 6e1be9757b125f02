"""A package index on loopback (PEP 503, PEP 691) with synthetic wheels, and the faults that a test asks for."""

import base64
import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from zipfile import ZipFile, ZipInfo

Fault = Callable[[BaseHTTPRequestHandler, bytes], bool]
"""Answers a request for a file itself and says True, or leaves it alone and says False."""


def wheel_bytes(
    name: str,
    version: str,
    *,
    tag: str = "py3-none-any",
    requires: Sequence[str] = (),
    files: dict[str, bytes] | None = None,
    python: str | None = None,
) -> bytes:
    """Return a valid wheel; equal arguments give equal bytes."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Requires-Python: {python}"] if python else []
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    members = {
        **(files if files is not None else {f"{module}/__init__.py": f"VERSION = {version!r}\n".encode()}),
        f"{info}/METADATA": ("\n".join(metadata) + "\n").encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    rows = []
    for path, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        rows.append(f"{path},sha256={digest},{len(data)}")
    members[f"{info}/RECORD"] = ("\n".join([*rows, f"{info}/RECORD,,"]) + "\n").encode()
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for path, data in members.items():
            archive.writestr(ZipInfo(path), data)
    return buffer.getvalue()


@dataclass
class LoopbackIndex:
    """What the server serves; change it while it runs."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    pages: dict[str, Fault] = field(default_factory=dict)
    announced: dict[str, dict[str, object]] = field(default_factory=dict)
    password: str | None = None
    sizes: bool = True
    max_age: int | None = None
    requests: list[str] = field(default_factory=list)

    def wheel(self, name: str, version: str, *, tag: str = "py3-none-any", **more: object) -> str:
        """Add a wheel and return its file name."""
        file = f"{name.replace('-', '_')}-{version}-{tag}.whl"
        self.files[file] = wheel_bytes(name, version, tag=tag, **more)  # type: ignore[arg-type]
        return file

    def sdist(self, name: str, version: str) -> str:
        """Add something that is called as an sdist is and return its file name."""
        file = f"{name.replace('-', '_')}-{version}.tar.gz"
        self.files[file] = b"not a tar"
        return file

    def downloads(self) -> list[str]:
        """Return the files that have been asked for, in order."""
        return [PurePosixPath(path).name for path in self.requests if path.endswith(".whl")]

    def asked(self) -> list[str]:
        """Return the distributions whose pages have been asked for, in order."""
        return [path.split("/")[2] for path in self.requests if path.startswith("/simple/")]

    def page(self, project: str) -> dict[str, object] | None:
        """Return the simple API's answer for *project* (PEP 691)."""
        mine = [file for file in self.files if _project(file) == project]
        if not mine:
            return None
        return {
            "meta": {"api-version": "1.1"},
            "name": project,
            "versions": [],
            "files": [self._file(file) for file in mine],
        }

    def _file(self, file: str) -> dict[str, object]:
        data = self.files[file]
        value: dict[str, object] = {
            "filename": file,
            "url": f"../../files/{file}",
            "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
        }
        if self.sizes:
            value["size"] = len(data)
        if file.endswith(".whl"):
            value["core-metadata"] = True
        return value | self.announced.get(file, {})


def _project(file: str) -> str:
    stem = file.removesuffix(".whl") if file.endswith(".whl") else file.removesuffix(".tar.gz")
    return stem.split("-")[0].replace("_", "-")


def _metadata(data: bytes) -> bytes:
    with ZipFile(io.BytesIO(data)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA")))


def _handler(index: LoopbackIndex) -> type[BaseHTTPRequestHandler]:  # noqa: C901
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.send_error(405)

        def do_GET(self) -> None:
            index.requests.append(self.path)
            if index.password is not None and not self._allowed():
                self.answer(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="index"'})
            elif self.path.startswith("/simple/"):
                self._page(self.path.split("/")[2])
            else:
                self._file(PurePosixPath(self.path).name)

        def _allowed(self) -> bool:
            expected = base64.b64encode(f"user:{index.password}".encode()).decode()
            return self.headers.get("Authorization") == f"Basic {expected}"

        def _page(self, project: str) -> None:
            if (fault := index.pages.get(project)) and fault(self, b""):
                return
            value = index.page(project)
            if value is None:
                self.answer(404, b"nothing here")
                return
            headers = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
            if index.max_age is not None:
                headers["Cache-Control"] = f"max-age={index.max_age}, public"
            self.answer(200, json.dumps(value).encode(), headers)

        def _file(self, file: str) -> None:
            data = index.files.get(file.removesuffix(".metadata"))
            if data is None:
                self.answer(404, b"nothing here")
            elif file.endswith(".metadata"):
                self.answer(200, _metadata(data))
            elif not ((fault := index.faults.get(file)) and fault(self, data)):
                self.answer(200, data)

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


@contextmanager
def serving() -> Iterator[LoopbackIndex]:
    """Serve an empty index on a free port of loopback until the block ends."""
    index = LoopbackIndex()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(index))
    server.daemon_threads = True
    index.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
