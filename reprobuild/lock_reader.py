"""TOML → Lock, strictly: a lock that was cut short, edited by hand or merged badly is named, never guessed at."""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, TypeVar

from reprobuild.canonical import Digest, parse_digest
from reprobuild.errors import ContentError, LockError
from reprobuild.lock_document import load_lock
from reprobuild.lockfile import (
    FORMAT,
    BaseDirectory,
    BaseDistribution,
    BaseImage,
    BasePlatform,
    ConnectorLock,
    Interpreter,
    Libc,
    LockedInput,
    Output,
    Package,
    Sdist,
    Wheel,
    normal_name,
)
from reprobuild.oci.types import Platform, parse_platform

__all__ = ["ours", "parse_base_lock", "parse_connector_lock"]

_T = TypeVar("_T")
_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |$)", re.MULTILINE)
_SDIST = re.compile(r"[A-Za-z0-9._+!-]+(?:\.tar\.gz|\.zip)")
_INPUT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_RELOCK = "run `reprobuild lock update`"


class _Table:
    """A TOML table that knows its place in the file, so that every complaint names it."""

    def __init__(self, value: object, where: str, path: str = "") -> None:
        self.where, self.path = where, path
        if not isinstance(value, dict):
            raise self.fault("", "not a table")
        self.value: dict[str, Any] = value

    def fault(self, key: str, why: str) -> LockError:
        path = ".".join(part for part in (self.path, key) if part)
        return LockError(f"{path}: {why}" if path else why, where=self.where, hint=_RELOCK)

    def get(self, key: str, kind: type[_T]) -> _T:
        value = self.value.get(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.fault(key, "missing" if value is None else f"not a {kind.__name__}")
        return value

    def optional(self, key: str, kind: type[_T]) -> _T | None:
        return self.get(key, kind) if key in self.value else None

    def strings(self, key: str) -> tuple[str, ...]:
        items = self.get(key, list)
        if not all(isinstance(item, str) for item in items):
            raise self.fault(key, "not a list of strings")
        return tuple(items)

    def digest(self, key: str) -> Digest:
        try:
            return parse_digest(self.get(key, str))
        except ContentError as error:
            raise self.fault(key, error.message) from error

    def table(self, key: str) -> "_Table":
        return _Table(self.get(key, dict), self.where, f"{self.path}.{key}".lstrip("."))

    def tables(self, key: str) -> list["_Table"]:
        items = self.value.get(key, [])
        if not isinstance(items, list):
            raise self.fault(key, "not a list of tables")
        return [_Table(item, self.where, f"{self.path}.{key}[{i}]".lstrip(".")) for i, item in enumerate(items)]

    def by_platform(self, key: str, read: "Callable[[_Table], _T]") -> dict[Platform, _T]:
        tables = _Table(self.value.get(key, {}), self.where, f"{self.path}.{key}".lstrip("."))
        return {parse_platform(name, where=self.where): read(tables.table(name)) for name in tables.value}

    def only(self, *known: str) -> None:
        """Refuse keys that reprobuild does not write: someone meant something that would be ignored."""
        for key in self.value:
            if key not in known:
                raise self.fault(key, "a key that reprobuild does not write")


def parse_connector_lock(text: str, name: str, *, where: str) -> ConnectorLock:
    """Return the lock of connector *name* that *text* writes; raise LockError with the place of a fault."""
    root = _document(text, where)
    own = root.table("tool").table("reprobuild")
    number = _format(own)
    if root.get("lock-version", str) != "1.0":
        raise root.fault("lock-version", f"unsupported: {root.value['lock-version']!r}, expected '1.0'")
    root.only("lock-version", "environments", "requires-python", "created-by", "packages", "tool")
    own.only("format", "base", "requirements", "inputs", "impure", "outputs")
    packages = tuple(_package(table) for table in root.tables("packages"))
    seen: set[tuple[str, str | None]] = set()
    for package in packages:
        if (package.name, package.marker) in seen:
            raise root.fault("packages", f"{package.name} stands twice")
        seen.add((package.name, package.marker))
    inputs = tuple(_input(table) for table in own.tables("inputs"))
    if len({one.name for one in inputs}) != len(inputs):
        raise own.fault("inputs", "a name stands twice")
    return ConnectorLock(
        name=name,
        base=own.get("base", str),
        python=root.get("requires-python", str),
        requirements=own.strings("requirements"),
        environments=root.strings("environments"),
        packages=packages,
        outputs=own.by_platform("outputs", _output),
        inputs=inputs,
        impure=own.strings("impure") if "impure" in own.value else (),
        format=number,
    )


def parse_base_lock(text: str, *, where: str) -> dict[str, BaseImage]:
    """Return the base images that *text* writes, by name; raise LockError with the place of a fault."""
    root = _document(text, where)
    _format(root)
    root.only("format", "base")
    bases = [_base(table) for table in root.tables("base")]
    if len({base.name for base in bases}) != len(bases):
        raise root.fault("base", "a name stands twice")
    return {base.name: base for base in bases}


def ours(text: str) -> str:
    """Return *text* with the first side of every merge conflict, so that a relock still knows old versions."""
    kept, skipping = [], False
    for line in text.splitlines(keepends=True):
        mark = _CONFLICT.match(line)
        if mark is None:
            kept += [] if skipping else [line]
        else:
            skipping = mark[1][0] in "=|"
    return "".join(kept)


def _document(text: str, where: str) -> _Table:
    if mark := _CONFLICT.search(text):
        line = text.count("\n", 0, mark.start()) + 1
        raise LockError(f"a merge conflict is in it, at line {line}", where=where, hint=_RELOCK)
    try:
        return _Table(load_lock(text), where)
    except tomllib.TOMLDecodeError as error:
        raise LockError(f"not TOML: {error}; was it cut short or edited by hand?", where=where, hint=_RELOCK) from error


def _format(table: _Table) -> int:
    number = table.get("format", int)
    if number > FORMAT:
        raise LockError(
            f"format {number} is newer than this reprobuild, which knows format {FORMAT}",
            where=table.where,
            hint="upgrade reprobuild to the version that wrote it",
        )
    if number < 1:
        raise table.fault("format", f"there is no format {number}")
    return number


def _output(table: _Table) -> Output:
    table.only("derivation", "manifest")
    return Output(derivation=table.digest("derivation"), manifest=table.digest("manifest"))


def _package(table: _Table) -> Package:
    table.only("name", "version", "marker", "wheels", "tool")
    name, version = table.get("name", str), table.get("version", str)
    wheels = tuple(_wheel(wheel) for wheel in table.tables("wheels"))
    if not wheels:
        raise table.fault("wheels", f"{name} {version} has none")
    for wheel in wheels:
        parts = wheel.file.split("-")
        if normal_name(parts[0]) != name or not _same_version(parts[1], version):
            raise table.fault("wheels", f"{wheel.file} is not a wheel of {name} {version}")
    sdist = _sdist(table.table("tool"), name) if "tool" in table.value else None
    return Package(name=name, version=version, wheels=wheels, marker=table.optional("marker", str), sdist=sdist)


def _sdist(tool: _Table, name: str) -> Sdist:
    tool.only("reprobuild")
    table = tool.table("reprobuild")
    table.only("sdist", "builder", "requires")
    sdist = table.table("sdist")
    sdist.only("name", "size", "hashes")
    file = sdist.get("name", str)
    if _SDIST.fullmatch(file) is None or not normal_name(file).startswith(f"{name}-"):
        raise sdist.fault("name", f"{file!r} is not a source distribution of {name}")
    return Sdist(
        file=file,
        size=sdist.get("size", int),
        digest=_sha256(sdist),
        builder=table.get("builder", str),
        requires=tuple(_wheel(wheel) for wheel in table.tables("requires")),
    )


def _input(table: _Table) -> LockedInput:
    table.only("name", "size", "hashes")
    name = table.get("name", str)
    if _INPUT.fullmatch(name) is None:
        raise table.fault("name", f"{name!r} is not a name for a file")
    return LockedInput(name=name, size=table.get("size", int), digest=_sha256(table))


def _same_version(written: str, version: str) -> bool:
    if written == version:
        return True
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415 - nearly every file name says it alike

    try:
        return Version(written.replace("_", "-")) == Version(version)
    except InvalidVersion:
        return False


def _wheel(table: _Table) -> Wheel:
    table.only("path", "size", "hashes")
    path = table.get("path", str)
    file = PurePosixPath(path).name
    if path != f"wheels/{file}" or not file.endswith(".whl") or file.count("-") not in {4, 5}:
        raise table.fault("path", f"{path!r} is not wheels/<wheel file name>")
    return Wheel(file=file, size=table.get("size", int), digest=_sha256(table))


def _sha256(table: _Table) -> Digest:
    hashes = table.table("hashes")
    try:
        return parse_digest(f"sha256:{hashes.get('sha256', str)}")
    except ContentError as error:
        raise hashes.fault("sha256", error.message) from error


def _base(table: _Table) -> BaseImage:
    table.only("name", "image", "index", "python", "pip", "libc", "timezone", "interpreter", "platforms", "pip-wheel")
    paths = table.table("interpreter")
    return BaseImage(
        name=table.get("name", str),
        image=table.get("image", str),
        index=table.digest("index"),
        python=table.get("python", str),
        pip=table.optional("pip", str),
        libc=_libc(table),
        interpreter=Interpreter(**{key: paths.get(key, str) for key in Interpreter.__slots__}),
        platforms=table.by_platform("platforms", _base_platform),
        pip_wheel=_wheel(table.table("pip-wheel")) if "pip-wheel" in table.value else None,
        timezone=table.optional("timezone", str),
    )


def _libc(table: _Table) -> Libc:
    match = re.fullmatch(r"(glibc|musl) (\d+)\.(\d+)", table.get("libc", str))
    if match is None:
        raise table.fault("libc", "not like 'glibc 2.36' or 'musl 1.2'")
    return Libc(family=match[1], major=int(match[2]), minor=int(match[3]))


def _base_platform(table: _Table) -> BasePlatform:
    table.only("manifest", "config", "size", "links", "directories", "distributions")
    links: Mapping[str, str] = table.get("links", dict)
    return BasePlatform(
        manifest=table.digest("manifest"),
        config=table.digest("config"),
        size=table.get("size", int),
        links=dict(links),
        directories=tuple(_directory(item) for item in table.tables("directories")),
        distributions=tuple(
            BaseDistribution(name=item.get("name", str), version=item.get("version", str), paths=item.strings("paths"))
            for item in table.tables("distributions")
        ),
    )


def _directory(table: _Table) -> BaseDirectory:
    mode = table.get("mode", str)
    if re.fullmatch(r"[0-7]{3,4}", mode) is None:
        raise table.fault("mode", "not an octal mode")
    return BaseDirectory(
        path=table.get("path", str), mode=int(mode, 8), uid=table.get("uid", int), gid=table.get("gid", int)
    )
