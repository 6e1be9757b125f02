"""The contract of a base image as specified: `[tool.reprobuild.base.NAME.expect]`.

Pure values. What they mean for an image is `reprobuild.contract`'s business. Loaded when it is asked for, since every
build begins with reading the specification; which keys there are is known to who reads that.
"""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from reprobuild.errors import SpecificationError
from reprobuild.workspace.profiles import PROFILES
from reprobuild.workspace.toml_table import Table, suggestion

__all__ = ["Expectations", "ExpectedUser", "read_expectations"]

_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)+(?:(?:a|b|rc|\.post|\.dev)[0-9]+)*")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_COMMAND = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9_.+\[-]*")
_COMMAND_VERSION = re.compile(r"\*|[0-9][0-9A-Za-z.+-]*(?:\.\*)?")
_OPERATORS = ("==", "!=", "<=", ">=", "~=", "<", ">")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")
_PACKAGE_VERSION = re.compile(r"[0-9A-Za-z.+~:_-]*\*?")
_MOUNTED = ("/proc", "/sys", "/dev")
"""What a runtime mounts over: an image's own say there is never seen."""
_LARGEST_ID = 2**32 - 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedUser:
    """A user that /etc/passwd must have, with these ids where they are given."""

    name: str
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """What connectors may count on of a base image; what is None or empty is not checked.

    ``python`` and ``pip`` are exact versions. ``run_as`` (the key ``as``) is whom paths and commands are checked
    for, in the form of an image's user; None for ``user``, or else the image's own. Paths are absolute and clean.
    ``env`` and ``labels`` must have these values, ``env_present`` any. ``commands`` map to ``*``, to a version or
    the beginning of one (``5.2.*``), or to PEP 440 specifiers; ``os_packages`` to a version, or to the beginning
    of one with ``*`` behind it. ``where`` is the file and key path that said so.
    """

    where: str
    profile: str | None = None
    timezone: str | None = None
    python: str | None = None
    pip: str | None = None
    user: ExpectedUser | None = None
    run_as: str | None = None
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    not_writable: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    env_present: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] | None = None
    commands: Mapping[str, str] = field(default_factory=dict)
    os_packages: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what is expected as a canonical value, without the place that says so."""
        return {key: value for key, value in asdict(self).items() if key not in {"where", "profile"}}


def read_expectations(table: Table) -> Expectations:
    """Return what *table*, the ``expect`` of a base image, says, over the profile that it names.

    Raises SpecificationError for a profile or value that is not known, and for a path that is to be writable
    and not writable.
    """
    own = _read(table)
    if own.profile is None:
        return own
    if own.profile not in PROFILES:
        hint = suggestion(own.profile, PROFILES) or f"there is {', '.join(sorted(PROFILES))}"
        raise table.fault("profile", f"there is no profile {own.profile[:100]!r}", hint=hint)
    return _joined(_read(Table(PROFILES[own.profile], f"profile {own.profile}")), own)


def _joined(profile: Expectations, own: Expectations) -> Expectations:
    """Return *own* over *profile*: lists and tables are joined, all else is *own*'s where it says something."""
    return Expectations(
        where=own.where,
        profile=own.profile,
        timezone=own.timezone or profile.timezone,
        python=own.python or profile.python,
        pip=own.pip or profile.pip,
        user=own.user or profile.user,
        run_as=own.run_as or (own.user.name if own.user else profile.run_as),
        readable=_union(profile.readable, own.readable),
        writable=_union([path for path in profile.writable if path not in own.not_writable], own.writable),
        not_writable=_union([path for path in profile.not_writable if path not in own.writable], own.not_writable),
        env={**profile.env, **own.env},
        env_present=_union(profile.env_present, own.env_present),
        labels={**profile.labels, **own.labels},
        entrypoint=profile.entrypoint if own.entrypoint is None else own.entrypoint,
        commands={**profile.commands, **own.commands},
        os_packages={**profile.os_packages, **own.os_packages},
    )


def _union(one: tuple[str, ...] | list[str], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _read(table: Table) -> Expectations:
    if not table.value:
        raise SpecificationError(
            "expects nothing", where=table.where(), hint='write what to check, such as timezone = "UTC", or a profile'
        )
    found = Expectations(
        where=table.where(),
        profile=table.text("profile"),
        timezone=_matching(table, "timezone", _ZONE, "a timezone", "UTC"),
        python=_matching(table, "python", _VERSION, "one version", "3.11.9"),
        pip=_matching(table, "pip", _VERSION, "one version", "25.3"),
        user=_user(table),
        run_as=_matching(table, "as", _USER, "a user", "airbyte"),
        readable=_paths(table, "readable"),
        writable=_paths(table, "writable"),
        not_writable=_paths(table, "not-writable"),
        env=_env(table),
        env_present=_names(table, "env-present"),
        labels=table.mapping("labels"),
        entrypoint=table.texts("entrypoint"),
        commands=_versions(table, "commands", _COMMAND, _is_command_version, "5.2.*"),
        os_packages=_versions(table, "os-packages", _PACKAGE, _is_package_version, "12.2.0-14"),
    )
    if both := set(found.writable) & set(found.not_writable):
        raise table.fault("not-writable", f"{min(both)} is in writable, too", hint="take it out of one of them")
    return found


def _matching(table: Table, key: str, pattern: re.Pattern[str], what: str, example: str) -> str | None:
    text = table.text(key)
    if text is not None and pattern.fullmatch(text) is None:
        raise table.fault(key, f"not {what}: {text[:100]!r}", hint=f'write it like "{example}"')
    return text


def _user(table: Table) -> ExpectedUser | None:
    inner = table.table("user")
    if inner is None:
        return None
    inner.only(("name", "uid", "gid"))
    name = _matching(inner, "name", _USER, "a user's name", "airbyte")
    if name is None or ":" in name or name.isdecimal():
        raise inner.fault("name", "is missing" if name is None else "must be a name", hint='write it like "airbyte"')
    return ExpectedUser(name=name, uid=_id(inner, "uid"), gid=_id(inner, "gid"))


def _id(table: Table, key: str) -> int | None:
    number = table.get(key, int)
    if number is not None and not 0 <= number <= _LARGEST_ID:
        raise table.fault(key, f"not a numeric id: {number}", hint="write it like 1000")
    return number


def _paths(table: Table, key: str) -> tuple[str, ...]:
    paths = table.texts(key) or ()
    for path in paths:
        if posixpath.normpath("/" + path.lstrip("/")) != path:
            raise table.fault(key, f"must be absolute and clean: {path[:200]!r}", hint='write it like "/airbyte"')
        if any(path == place or path.startswith(f"{place}/") for place in _MOUNTED):
            raise table.fault(key, f"{path[:200]} is not the image's: whatever runs it mounts that", hint="remove it")
    return paths


def _env(table: Table) -> dict[str, str]:
    if isinstance(table.value.get("env"), list):
        raise table.fault("env", "must be a table, not a list", hint='names alone belong to env-present = ["HOME"]')
    env = table.mapping("env")
    _check_names(table, "env", env)
    return env


def _names(table: Table, key: str) -> tuple[str, ...]:
    names = table.texts(key) or ()
    _check_names(table, key, names)
    return names


def _check_names(table: Table, key: str, names: Mapping[str, str] | tuple[str, ...]) -> None:
    for name in names:
        if "=" in name:
            hint = 'values belong to env = { LANG = "C.UTF-8" }'
            raise table.fault(key, f"{name[:100]!r} cannot be a variable's name: it holds =", hint=hint)


def _versions(table: Table, key: str, name: re.Pattern[str], valid: Any, example: str) -> dict[str, str]:
    """Return names with the versions that they must have: a table, or a list of names that need only be there."""
    value = table.value.get(key)
    if isinstance(value, list):
        found = dict.fromkeys(table.texts(key) or (), "*")
    elif value is None or isinstance(value, dict):
        found = table.mapping(key)
    else:
        raise table.fault(
            key, "must be a list of strings, or a table of versions", hint=f'{key} = {{ x = "{example}" }}'
        )
    for one, version in found.items():
        if name.fullmatch(one) is None:
            raise table.fault(key, f"not a name: {one[:100]!r}", hint="write it without a path")
        if not valid(version):
            hint = f'write it like "{example}", or "*" for any'
            raise table.fault(key, f"not a version for {one}: {version[:100]!r}", hint=hint)
    return found


def _is_package_version(text: str) -> bool:
    return bool(text) and _PACKAGE_VERSION.fullmatch(text) is not None


def _is_command_version(text: str) -> bool:
    if not text.startswith(_OPERATORS):
        return _COMMAND_VERSION.fullmatch(text) is not None
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 - mostly there is none

    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True
