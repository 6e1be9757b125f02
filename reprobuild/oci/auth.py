"""Who we are to a registry, as `docker login` or `podman login` has left it, or the environment says.

The first place that knows the registry counts: ``DOCKER_AUTH_CONFIG`` (the text of a configuration, as CI systems set
it), the file ``REGISTRY_AUTH_FILE`` (containers-auth.json(5)), ``config.json`` in ``$DOCKER_CONFIG`` or ``~/.docker``,
and ``containers/auth.json`` in ``$XDG_RUNTIME_DIR`` and ``~/.config``. In each, ``credHelpers`` and ``credsStore`` name
programs that are asked over stdin (docker-credential-helpers), ``auths`` holds credentials in base64. Without any of
them one is anonymous. Nothing is read before a registry asks for it, and no secret enters a message or a repr.
"""

import base64
import binascii
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reprobuild.canonical import parse_json
from reprobuild.errors import AuthenticationError, ContentError

__all__ = ["Credential", "config_path", "credential_places", "find_credential"]

_VARIABLE = "DOCKER_AUTH_CONFIG"

_DOCKER_IO = "https://index.docker.io/v1/"
_DOCKER_IO_HOSTS = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HELPER_SECONDS = 60
_NOT_FOUND = "credentials not found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A user name with a password; or an identity token that is exchanged for access tokens (OAuth 2.0); or those.

    ``place`` is where it was found.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    place: str = field(default="", compare=False)

    @property
    def basic(self) -> str:
        """The value of an Authorization header of the Basic scheme (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")


def config_path(environ: Mapping[str, str]) -> Path | None:
    """Return where Docker's configuration is for the user of *environ*; None if nothing says so."""
    if folder := environ.get("DOCKER_CONFIG"):
        return Path(folder) / "config.json"
    return Path(environ["HOME"]) / ".docker" / "config.json" if environ.get("HOME") else None


def credential_places(environ: Mapping[str, str]) -> tuple[str | Path, ...]:
    """Return where credentials are looked for, in order: the name of a variable, or files, which may not be there."""
    places: list[str | Path] = [_VARIABLE] if environ.get(_VARIABLE) else []
    if file := environ.get("REGISTRY_AUTH_FILE"):
        places.append(Path(file))
    if (docker := config_path(environ)) is not None:
        places.append(docker)
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        places.append(Path(runtime) / "containers" / "auth.json")
    if home := environ.get("HOME"):
        places.append(Path(environ.get("XDG_CONFIG_HOME") or f"{home}/.config") / "containers" / "auth.json")
    return tuple(places)


def find_credential(host: str, environ: Mapping[str, str], repository: str = "") -> Credential | None:
    """Return the credential for *repository* of the registry *host* (with its port), None for anonymous.

    Blocks while a credential helper runs. Raises AuthenticationError if what is configured cannot be used.
    """
    for place in credential_places(environ):
        config = _read(place, host, environ)
        if config is not None and (found := _found(config, place, host, repository, environ)) is not None:
            return replace(found, place=str(place))
    return None


def _found(
    config: Mapping[str, Any], place: str | Path, host: str, repository: str, environ: Mapping[str, str]
) -> Credential | None:
    helper = _lookup(_mapping(config, "credHelpers", place, host), host)
    if helper is not None:
        return _ask(helper, host, place, environ)
    if config.get("credsStore") and (found := _ask(config["credsStore"], host, place, environ)):
        return found
    entry = _lookup(_mapping(config, "auths", place, host), host, repository)
    return None if entry is None else _decoded(entry, place, host)


def _read(place: str | Path, host: str, environ: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        data = place.read_bytes() if isinstance(place, Path) else environ[place].encode()
        return parse_json(data, where=str(place))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ContentError) as error:
        reason = error.message if isinstance(error, ContentError) else error.strerror or str(error)
        raise _unusable(reason, place, host) from None


def _mapping(config: Mapping[str, Any], key: str, path: str | Path, host: str) -> Mapping[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, dict):
        raise _unusable(f"{key} is not an object", path, host)
    return value


def _lookup(entries: Mapping[str, Any], host: str, repository: str = "") -> Any:
    """Return the entry for *host*, whose key may be written as a URL; that of a namespace or the exact name first."""
    parts = repository.split("/") if repository else []
    for count in range(len(parts), 0, -1):
        if (name := "/".join([host, *parts[:count]])) in entries:
            return entries[name]
    wanted = _DOCKER_IO_HOSTS if host in _DOCKER_IO_HOSTS else {host}
    exact = [key for key in (_server(host), host) if key in entries]
    loose = [key for key in entries if _host_of(key) in wanted]
    return next((entries[key] for key in exact + loose), None)


def _host_of(key: str) -> str:
    name = key.removeprefix("https://").removeprefix("http://")
    host, _, path = name.partition("/")
    # A longer path is somebody's namespace, whose credentials are not the whole registry's.
    return host if path.strip("/") in {"", "v1", "v2"} else key


def _server(host: str) -> str:
    return _DOCKER_IO if host in _DOCKER_IO_HOSTS else host


def _decoded(entry: object, path: str | Path, host: str) -> Credential | None:
    if not isinstance(entry, dict) or not all(isinstance(value, str | None) for value in entry.values()):
        raise _unusable("its entry in auths is not an object of strings", path, host)
    username, password = entry.get("username") or "", entry.get("password") or ""
    if encoded := entry.get("auth"):
        try:
            username, colon, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            colon = ""
        if not colon:
            # Without a cause: it would hold the secret.
            raise _unusable("its auth is not base64 of NAME:PASSWORD", path, host) from None
    token, bearer = entry.get("identitytoken") or "", entry.get("registrytoken") or ""
    if not token and not username and not bearer:
        return None
    password = password.rstrip("\0")
    return Credential(username=username, password=password, identity_token=token, registry_token=bearer)


def _ask(name: object, host: str, path: str | Path, environ: Mapping[str, str]) -> Credential | None:
    """Return what ``docker-credential-NAME get`` says about *host*, None if it knows nothing."""
    if not isinstance(name, str) or _PROGRAM.fullmatch(name) is None:
        raise _unusable("the credential helper's name is malformed", path, host)
    program = f"docker-credential-{name}"
    found = shutil.which(program, path=environ.get("PATH", ""))
    if found is None:
        raise AuthenticationError(
            f"the credential helper {program} for {host} is not on PATH",
            where=str(path),
            hint=f"install it, or take {name!r} out of credHelpers and credsStore and run `docker login {host}`",
        )
    try:
        answer = subprocess.run(  # noqa: S603 - the program that the user has configured
            [found, "get"],
            input=_server(host).encode(),
            capture_output=True,
            timeout=_HELPER_SECONDS,
            env=dict(environ),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else f"no answer in {_HELPER_SECONDS} s"
        raise _failed(program, host, path, reason) from None
    if answer.returncode != 0:
        said = (answer.stdout or answer.stderr).decode("utf-8", "replace").strip()
        if _NOT_FOUND in said.lower():
            return None
        reason = f"exit code {answer.returncode}" + (f", {said.splitlines()[0][:200]!r}" if said else "")
        raise _failed(program, host, path, reason)
    return _answered(answer.stdout, program, host, path)


def _answered(output: bytes, program: str, host: str, path: str | Path) -> Credential:
    try:
        value = parse_json(output)
    except ContentError:
        raise _failed(program, host, path, "its answer is not a JSON object") from None
    username, secret = value.get("Username"), value.get("Secret")
    if not isinstance(username, str) or not isinstance(secret, str):
        raise _failed(program, host, path, "its answer lacks Username or Secret")
    if username == "<token>":
        return Credential(identity_token=secret)
    return Credential(username=username, password=secret)


def _failed(program: str, host: str, path: str | Path, reason: str) -> AuthenticationError:
    return AuthenticationError(
        f"the credential helper {program} failed for {host}: {reason}",
        where=str(path),
        hint=f"try it: echo {_server(host)} | {program} get; or run `docker login {host}` again",
    )


def _unusable(reason: str, path: str | Path, host: str) -> AuthenticationError:
    return AuthenticationError(
        f"the credentials for {host} cannot be read: {reason}",
        where=str(path),
        hint=f"mend it, or run `docker login {host}` again",
    )
