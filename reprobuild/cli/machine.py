"""What this machine has: interpreter, uv, store, libraries that decide bytes, Docker's configuration, clients."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reprobuild.cli.dagger_finding import dagger_finding
from reprobuild.cli.finding import Finding, Mark
from reprobuild.cli.output import size
from reprobuild.errors import ReprobuildError
from reprobuild.store import default_root

__all__ = ["machine_findings"]

_LEAST_SPACE, _MUCH_SPACE = 100_000_000, 2_000_000_000
_CLIENTS = ("docker", "podman", "skopeo", "runc")
_UV_SECONDS = 20
_PIP_INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS")
_NETWORK = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


def machine_findings(directory: Path) -> Iterator[Finding]:
    """Yield what was found out without network or workspace; uv's configuration is looked for from *directory*."""
    yield _python()
    yield _uv()
    yield from _indexes(directory)
    yield _network()
    yield from _store()
    yield _compression()
    yield from _docker()
    yield _clients()
    yield _sandbox()
    yield dagger_finding(os.environ)


def _python() -> Finding:
    text = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"
    return Finding(name="python", mark=Mark.OK, message=text)


def _uv() -> Finding:
    hint = "reinstall reprobuild, or uv next to it"
    try:
        from uv import find_uv_bin

        program = find_uv_bin()
        done = subprocess.run(  # noqa: S603 - the uv that we depend on
            [program, "--version"], capture_output=True, text=True, timeout=_UV_SECONDS, check=True
        )
    except (ImportError, OSError, subprocess.SubprocessError) as error:
        return Finding(name="uv", mark=Mark.FAIL, message=f"cannot be run: {error}", hint=hint)
    return Finding(name="uv", mark=Mark.OK, message=f"{done.stdout.strip()}, {program}")


def _indexes(directory: Path) -> Iterator[Finding]:
    """Say by name what tells uv of package indexes; a value may hold a secret."""
    variables = [name for name in sorted(os.environ) if name.startswith("UV_")]
    files = [str(path) for path in _uv_files(directory)]
    told = ", ".join((*variables, *files)) or "nothing is set: uv's default index"
    yield Finding(name="indexes", mark=Mark.OK, message=told)
    unread = [name for name in _PIP_INDEXES if name in os.environ]
    if unread and not any(name.startswith(("UV_INDEX", "UV_DEFAULT_INDEX", "UV_FIND_LINKS")) for name in variables):
        hint = "if they matter, set UV_DEFAULT_INDEX, UV_INDEX or UV_FIND_LINKS as well"
        yield Finding(name="indexes", mark=Mark.WARN, message=f"uv does not read {', '.join(unread)}", hint=hint)


def _uv_files(directory: Path) -> Iterator[Path]:
    """Yield the files that configure uv, as it looks for them, and a netrc file."""
    for folder in (directory.absolute(), *directory.absolute().parents):
        found = [path for path in (folder / "uv.toml", folder / "pyproject.toml") if _configures_uv(path)]
        if found:
            yield found[0]
            break
    home = Path(os.environ.get("HOME") or "/")
    user = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "uv" / "uv.toml"
    netrc = Path(os.environ.get("NETRC") or home / ".netrc")
    yield from (path for path in (user, Path("/etc/uv/uv.toml"), netrc) if path.is_file())


def _configures_uv(path: Path) -> bool:
    if path.name == "uv.toml":
        return path.is_file()
    try:
        tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool")
    except (OSError, ValueError):
        return False
    return isinstance(tool, dict) and "uv" in tool


def _network() -> Finding:
    names = sorted({name for name in os.environ if name.upper() in _NETWORK})
    return Finding(name="network", mark=Mark.OK, message=", ".join(names) or "no proxy, no authorities of your own")


def _store() -> Iterator[Finding]:
    root = default_root(os.environ).absolute()
    existing = next(place for place in (root, *root.parents) if place.exists())
    kind, hint = _file_system(existing), "point REPROBUILD_STORE to a folder of yours on a larger disk"
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        message = f"{root} cannot be written: {error.strerror}"
        yield Finding(name="store", mark=Mark.FAIL, message=message, hint=hint)
        return
    mark = Mark.FAIL if free < _LEAST_SPACE else Mark.WARN if free < _MUCH_SPACE else Mark.OK
    there = "" if existing == root else ", made when it is needed"
    message = f"{root} ({kind}{there}), {size(free)} free"
    yield Finding(name="store", mark=mark, message=message, hint=None if mark is Mark.OK else hint)


def _file_system(path: Path) -> str:
    """Return the kind of the file system that *path* is on, as Linux calls it."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown file system"
    best, kind = "", "unknown file system"
    for line in lines:
        before, _, after = line.partition(" - ")
        place = before.split()[4].replace("\\040", " ")
        # Of several on one place the last is seen.
        if path.resolve().is_relative_to(place) and len(place) >= len(best):
            best, kind = place, after.split()[0]
    return kind


def _compression() -> Finding:
    """Say which libraries write the bytes that are hashed."""
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        library: Any = zstd
        told = [f"{name} {version(name)}" for name in ("deflate", "installer")]
        told.append(f"zstd {'.'.join(map(str, library.zstd_version_info))}")
    except (ImportError, PackageNotFoundError, AttributeError) as error:
        hint = "reinstall reprobuild with its dependencies"
        return Finding(name="libraries", mark=Mark.FAIL, message=f"missing: {error}", hint=hint)
    return Finding(name="libraries", mark=Mark.OK, message=", ".join(told))


def _docker() -> Iterator[Finding]:
    """Say what Docker's configuration holds, by name, and whether its credential helpers are there."""
    from reprobuild.canonical import parse_json
    from reprobuild.oci.auth import config_path, credential_places

    path = config_path(os.environ)
    others = [one for one in credential_places(os.environ) if one != path]
    if there := [str(one) for one in others if isinstance(one, str) or one.exists()]:
        yield Finding(name="credentials", mark=Mark.OK, message=", ".join(there))
    if path is None or not path.exists():
        if not there:
            message = "no Docker configuration: registries are anonymous"
            yield Finding(name="credentials", mark=Mark.OK, message=message)
        return
    try:
        config = parse_json(path.read_bytes(), where=str(path))
    except (OSError, ReprobuildError) as error:
        hint = "mend the file, or run `docker login` again"
        yield Finding(name="credentials", mark=Mark.FAIL, message=f"{path} cannot be read: {error}", hint=hint)
        return
    auths, helpers = _mapping(config, "auths"), _mapping(config, "credHelpers")
    hosts = sorted({*auths, *helpers})
    yield Finding(name="credentials", mark=Mark.OK, message=f"{path}: {', '.join(hosts) or 'no registries'}")
    for name in sorted({str(one) for one in (*helpers.values(), config.get("credsStore")) if one}):
        yield _helper(f"docker-credential-{name}")


def _helper(program: str) -> Finding:
    if found := shutil.which(program):
        return Finding(name="credentials", mark=Mark.OK, message=found)
    hint = "install it, or take it out of credHelpers and credsStore and run `docker login` again"
    return Finding(name="credentials", mark=Mark.WARN, message=f"{program} is not on PATH", hint=hint)


def _mapping(config: dict[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _clients() -> Finding:
    found = [path for path in map(shutil.which, _CLIENTS) if path]
    none = f"none of {', '.join(_CLIENTS)}: images can be built, not run"
    return Finding(name="clients", mark=Mark.OK, message=", ".join(found) or none)


def _sandbox() -> Finding:
    """Say whether programs can be run while images are built: hooks, sdists. Most builds run none."""
    from reprobuild.engines.emulation import emulated
    from reprobuild.engines.runtimes import find_runtime
    from reprobuild.engines.subordinate_ids import subordinate_ids

    try:
        told = find_runtime(os.environ)
        if os.geteuid() == 0:
            told += ", as root"
        else:
            ids = subordinate_ids()[0][2]
            told += f", rootless with {ids.count} subordinate ids from {ids.first} on"
    except ReprobuildError as error:
        return Finding(name="sandbox", mark=Mark.WARN, message=f"nothing can be run: {error}", hint=error.hint)
    return Finding(name="sandbox", mark=Mark.OK, message=f"{told}; emulated: {', '.join(emulated()) or 'none'}")
