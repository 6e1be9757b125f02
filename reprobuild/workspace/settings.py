"""The keys of a connector, in the workspace's table for it and in its folder's own `[tool.reprobuild]`."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reprobuild.oci.types import Platform, parse_platform
from reprobuild.workspace.hook_settings import HookSettings, read_hooks, read_inputs, read_secrets
from reprobuild.workspace.hooks import InputSpec, SecretSpec
from reprobuild.workspace.registry_settings import read_repository
from reprobuild.workspace.requirement import normal_requirements
from reprobuild.workspace.toml_table import Table
from reprobuild.workspace.types import Source

__all__ = [
    "CONNECTOR_KEYS",
    "FOLDER_KEYS",
    "Settings",
    "file_sources",
    "overlaid",
    "read_env",
    "read_platforms",
    "read_settings",
]

CONNECTOR_KEYS = (
    *("requirements", "base", "entrypoint", "env", "labels", "workdir", "user", "platforms", "version"),
    *("files", "hooks", "input", "secret", "missing-libraries", "repository"),
)
FOLDER_KEYS = ("main", "packages", "include")
_JOINED = ("env", "labels", "files", "inputs", "secrets", "places")
_MOUNTED = ("/dev", "/proc", "/sys")
_LIBRARY = re.compile(r"[A-Za-z0-9_+.-]+\.so(?:\.[A-Za-z0-9_+.-]+)?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a table says of a connector; None where it says nothing. ``places`` tells where each key stands.

    ``files`` maps paths in the image to paths on this machine; ``inputs`` and ``secrets`` are by name. Paths on this
    machine are as written.
    """

    requirements: tuple[str, ...] | None = None
    base: str | None = None
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    platforms: tuple[Platform, ...] | None = None
    version: str | None = None
    main: str | None = None
    packages: tuple[str, ...] | None = None
    include: tuple[str, ...] | None = None
    missing_libraries: tuple[str, ...] | None = None
    repository: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    hooks: HookSettings = field(default_factory=HookSettings)
    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    secrets: Mapping[str, SecretSpec] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)


def read_settings(table: Table, elsewhere: Mapping[str, str] | None = None) -> Settings:
    """Return what *table* says; raise SpecificationError for keys and values that are not known.

    *elsewhere*: see `Table.only`.
    """
    table.only((*CONNECTOR_KEYS, *FOLDER_KEYS), elsewhere)
    packages, include = table.texts("packages"), table.texts("include")
    main = table.text("main")
    return Settings(
        requirements=_requirements(table),
        base=table.text("base"),
        entrypoint=_filled(table, "entrypoint"),
        env=read_env(table),
        labels=table.mapping("labels"),
        workdir=_workdir(table),
        user=_user(table),
        platforms=read_platforms(table),
        version=table.text("version"),
        main=None if main is None else table.below("main", main),
        packages=None if packages is None else tuple(table.below("packages", path) for path in packages),
        include=None if include is None else tuple(table.below("include", path) for path in include),
        missing_libraries=_libraries(table),
        repository=read_repository(table),
        files=_files(table),
        hooks=read_hooks(table),
        inputs=read_inputs(table),
        secrets=read_secrets(table),
        places={key: table.where(key) for key in table.value},
    )


def overlaid(under: Settings, over: Settings) -> Settings:
    """Return *under* with all that *over* says in its place; what has keys or names is joined by them."""
    chosen = {
        name: getattr(under if getattr(over, name) is None else over, name)
        for name in Settings.__slots__
        if name not in {*_JOINED, "hooks"}
    }
    joined: dict[str, Any] = {name: {**getattr(under, name), **getattr(over, name)} for name in _JOINED}
    return Settings(**chosen, **joined, hooks=over.hooks.over(under.hooks))


def file_sources(settings: Settings) -> tuple[Source, ...]:
    """Return what the key ``files`` puts into the image."""
    return tuple(
        Source(kind="file", places=(path,), target=target, where=settings.places["files"])
        for target, path in sorted(settings.files.items())
    )


def read_platforms(table: Table) -> tuple[Platform, ...] | None:
    """Return the platforms that *table* lists, in its order, each once."""
    texts = _filled(table, "platforms")
    if texts is None:
        return None
    return tuple(dict.fromkeys(parse_platform(text, where=table.where("platforms")) for text in texts))


def read_env(table: Table) -> dict[str, str]:
    """Return the environment variables that *table* sets."""
    env = table.mapping("env")
    for name in env:
        if "=" in name:
            raise table.fault("env", f"{name!r} cannot be a variable's name: it holds =")
    return env


def _requirements(table: Table) -> tuple[str, ...] | None:
    texts = _filled(table, "requirements")
    return None if texts is None else normal_requirements(texts, where=table.where("requirements"))


def _filled(table: Table, key: str) -> tuple[str, ...] | None:
    items = table.texts(key)
    if items == ():
        raise table.fault(key, "is empty", hint="list at least one, or leave the key out")
    return items


def _workdir(table: Table) -> str | None:
    workdir = table.text("workdir")
    if workdir is not None and posixpath.normpath("/" + workdir.lstrip("/")) != workdir:
        raise table.fault(
            "workdir",
            f"must be absolute and clean: {workdir[:200]!r}",
            hint='write it like "/airbyte/integration_code"',
        )
    return workdir


def _user(table: Table) -> str | None:
    user = table.text("user")
    if user is not None and _USER.fullmatch(user) is None:
        raise table.fault("user", f"not a user: {user[:100]!r}", hint='write it like "airbyte", "1000" or "1000:1000"')
    return user


def _files(table: Table) -> dict[str, str]:
    """Return the files that *table* adds: paths in the image, absolute or below the workdir, to paths in the folder."""
    inner = table.table("files") or Table({}, table.file)
    return {_target(inner, target): inner.below(target, inner.text(target) or "") for target in inner.value}


def _target(table: Table, target: str) -> str:
    clean = posixpath.normpath("/" + target.lstrip("/"))
    if target in {"", "."} or clean == "/" or clean.lstrip("/") != target.removeprefix("/") or not target.isprintable():
        raise table.fault(target, "not a clean path of a file in an image", hint='write it like "/etc/ssl/ca.pem"')
    if any(f"{clean}/".startswith(f"{mounted}/") for mounted in _MOUNTED) and target.startswith("/"):
        raise table.fault(target, "what runs the image covers that folder", hint="choose another place")
    return target


def _libraries(table: Table) -> tuple[str, ...] | None:
    names = table.texts("missing-libraries")
    for name in names or ():
        if _LIBRARY.fullmatch(name) is None:
            why = f"not the name of a shared library: {name[:100]!r}"
            raise table.fault("missing-libraries", why, hint='write it like "libGL.so.1"')
    return None if names is None else tuple(sorted(set(names)))
