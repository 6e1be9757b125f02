"""The keys of a connector, in the workspace's table for it and in its folder's own `[tool.reprobuild]`."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from reprobuild.oci.types import Platform, parse_platform
from reprobuild.workspace.requirement import normal_requirements
from reprobuild.workspace.toml_table import Table

__all__ = ["CONNECTOR_KEYS", "FOLDER_KEYS", "Settings", "overlaid", "read_env", "read_platforms", "read_settings"]

CONNECTOR_KEYS = ("requirements", "base", "entrypoint", "env", "labels", "workdir", "user", "platforms", "version")
FOLDER_KEYS = ("main", "packages", "include")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a table says of a connector; None where it says nothing. ``places`` tells where each key stands."""

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
        places={key: table.where(key) for key in table.value},
    )


def overlaid(under: Settings, over: Settings) -> Settings:
    """Return *under* with all that *over* says in its place; tables of strings are joined by key."""
    chosen = {
        name: getattr(under if getattr(over, name) is None else over, name)
        for name in Settings.__slots__
        if name not in {"env", "labels", "places"}
    }
    return Settings(
        **chosen,
        env={**under.env, **over.env},
        labels={**under.labels, **over.labels},
        places={**under.places, **over.places},
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
