"""Servers that tests start on loopback: the real Distribution registry, its token service, and one that misbehaves."""

import base64
import datetime
import json
import re
import socket
import subprocess
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = [
    "PASSWORD",
    "USER",
    "RunningRegistry",
    "Server",
    "TokenService",
    "basic_registry",
    "docker_registry",
    "serve",
    "token_registry",
]

USER, PASSWORD = "fred", "secret"
_HTPASSWD = f"{USER}:$2b$04$trCGXvRX6T3MYTXN1NoRiufR6PRfhgi8TV2emKg5uCdb7IxeL27Mi\n"
"""bcrypt of PASSWORD, the only kind that Distribution reads."""
_ISSUER, _SERVICE = "token service of the tests", "registry of the tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRegistry:
    """A Distribution registry at *host* (``127.0.0.1:PORT``); ``user`` is empty if it asks nobody.

    ``log`` is its access log.
    """

    host: str
    user: str = ""
    password: str = ""
    log: Path = Path()

    def asked(self, method: str, path: str) -> list[str]:
        """Return the requests of *method*, as the access log has them, whose path holds *path* and that went well."""
        lines = re.findall(r'"([A-Z]+) (\S+) HTTP/1\.1" 2\d\d', self.log.read_text())
        return [target for said, target in lines if said == method and path in target]

    def login(self, folder: Path) -> dict[str, str]:
        """Write Docker's configuration into *folder*, as `docker login` would; return the environment for it."""
        encoded = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"auths": {self.host: {"auth": encoded}}}))
        return {"DOCKER_CONFIG": str(folder)}


@contextmanager
def docker_registry(
    folder: Path, auth: dict[str, Any] | None = None, tls: dict[str, Any] | None = None
) -> Iterator[RunningRegistry]:
    """Run `docker-registry serve` with its blobs in *folder* until the block ends."""
    config = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0", "secret": "tests", **({"tls": tls} if tls else {})},
        **({"auth": auth} if auth else {}),
    }
    path = folder / "config.yml"
    path.write_text(json.dumps(config))  # JSON is YAML.
    command = ["docker-registry", "serve", str(path)]
    log = folder / "access.log"
    with log.open("wb") as out, subprocess.Popen(command, stderr=subprocess.PIPE, stdout=out) as process:
        assert process.stderr is not None
        try:
            said = b""
            for line in process.stderr:
                said += line
                if found := re.search(rb"listening on (127\.0\.0\.1:\d+)", line):
                    break
            else:
                raise RuntimeError(f"docker-registry did not start: {said.decode()}")
            # It must not block on a full pipe.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield RunningRegistry(host=found[1].decode(), log=log)
        finally:
            process.terminate()
            process.wait(timeout=10)


@contextmanager
def basic_registry(folder: Path) -> Iterator[RunningRegistry]:
    """Run a registry that wants USER and PASSWORD."""
    (folder / "htpasswd").write_text(_HTPASSWD)
    auth = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    with docker_registry(folder, auth) as registry:
        yield RunningRegistry(host=registry.host, user=USER, password=PASSWORD, log=registry.log)


@contextmanager
def token_registry(folder: Path) -> Iterator[tuple[RunningRegistry, "TokenService"]]:
    """Run a registry and its token service: repositories in ``public/`` for everybody, others for USER."""
    service = TokenService()
    with serve(service.answer) as server:
        (folder / "service.pem").write_bytes(service.certificate.public_bytes(serialization.Encoding.PEM))
        auth = {
            "token": {
                "realm": f"{server.url}/token",
                "service": _SERVICE,
                "issuer": _ISSUER,
                "rootcertbundle": str(folder / "service.pem"),
            }
        }
        with docker_registry(folder, auth) as registry:
            yield RunningRegistry(host=registry.host, user=USER, password=PASSWORD, log=registry.log), service


class TokenService:
    """Distribution's token service: signs what the caller may do; counts the tokens it gave."""

    identity_token = "identity-of-fred"

    def __init__(self) -> None:
        self.given = 0
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = _certificate(self._key)

    def answer(self, exchange: "Exchange") -> None:
        """Answer GET with Basic credentials or without, and POST with an identity token."""
        asked = exchange.form if exchange.method == "POST" else exchange.query
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        said = exchange.headers.get("authorization")
        known = said == expected or asked.get("refresh_token") == [self.identity_token]
        if not known and (said or "refresh_token" in asked):
            exchange.send(401, b"{}")
            return
        access = [item for scope in asked.get("scope", []) for item in self._access(scope, known=known)]
        self.given += 1
        exchange.send(200, json.dumps({"token": self._sign(access)}).encode())

    def _access(self, scope: str, *, known: bool) -> list[dict[str, Any]]:
        access = []
        for item in scope.split():
            kind, name, actions = item.split(":")
            allowed = actions.split(",") if known else ["pull"] if name.startswith("public/") else []
            access.append({"type": kind, "name": name, "actions": allowed})
        return access

    def _sign(self, access: list[dict[str, Any]]) -> str:
        now = datetime.datetime.now(datetime.UTC)
        claims = {
            "iss": _ISSUER,
            "sub": USER,
            "aud": _SERVICE,
            "iat": now,
            "nbf": now - datetime.timedelta(minutes=1),
            "exp": now + datetime.timedelta(minutes=10),
            "jti": str(self.given),
            "access": access,
        }
        chain = [base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()]
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"x5c": chain})


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _ISSUER)])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


@dataclass(kw_only=True)
class Exchange:
    """One request, and the means to answer it, well or badly."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    handler: BaseHTTPRequestHandler = field(repr=False)

    @property
    def query(self) -> dict[str, list[str]]:
        return urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)

    @property
    def form(self) -> dict[str, list[str]]:
        return urllib.parse.parse_qs(self.body.decode())

    @property
    def is_cut(self) -> bool:
        """Whether the client went away in the middle of the body."""
        return len(self.body) < int(self.headers.get("content-length") or 0)

    def hang_up(self) -> None:
        """Close the connection without another word."""
        self.handler.close_connection = True
        with suppress(OSError):
            self.handler.connection.shutdown(socket.SHUT_RDWR)

    def stall(self) -> None:
        """Say nothing until the client goes away."""
        self.handler.close_connection = True
        with suppress(OSError):
            while self.handler.connection.recv(1):
                pass

    def send(self, status: int, body: bytes = b"", *, length: int | None = None, **headers: str) -> None:
        """Answer with *body*; *length* lies about it. Underscores in names of *headers* are hyphens."""
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.send_header("Content-Length", str(len(body) if length is None else length))
        self.handler.end_headers()
        self.handler.wfile.write(body)
        if length is not None and length != len(body):
            self.handler.close_connection = True

    def send_until_closed(self, bodies: Iterator[bytes], **headers: str) -> None:
        """Answer without a length: the body ends with the connection."""
        self.handler.send_response(200)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.send_header("Connection", "close")
        self.handler.end_headers()
        self.handler.close_connection = True
        for body in bodies:
            self.handler.wfile.write(body)


@dataclass(kw_only=True)
class Server:
    """A server under way: where it is, and what it has been asked."""

    host: str
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}"


@contextmanager
def serve(answer: Callable[[Exchange], None], *, address: str = "127.0.0.1") -> Iterator[Server]:
    """Run a server whose every request is put to *answer*, on a free port of the loopback *address*."""
    server = Server(host="")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            exchange = Exchange(
                method=self.command,
                path=self.path,
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(length),
                handler=self,
            )
            server.exchanges.append(exchange)
            try:
                answer(exchange)
            except (BrokenPipeError, ConnectionResetError, TimeoutError):
                self.close_connection = True  # The client has heard enough.

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Loopback(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # A client that hangs up is part of the tests.

    with Loopback((address, 0), Handler) as running:
        server.host = f"{address}:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            running.shutdown()
            thread.join()
