"""The keys that say what is executed for a connector: `hooks`, `input` and `secret`, and the scripts in its folder."""

import math
import posixpath
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from reprobuild.errors import MachineError, SpecificationError
from reprobuild.workspace.hooks import DEFAULT_TIMEOUT, HookSpec, InputSpec, SecretSpec
from reprobuild.workspace.toml_table import Table

__all__ = [
    "CUSTOMIZATION",
    "HookSettings",
    "Script",
    "read_hooks",
    "read_inputs",
    "read_secrets",
    "specified_hooks",
    "specified_inputs",
    "specified_secrets",
]

CUSTOMIZATION = "build_customization.py"
"""What Airbyte's own hooks are called in a connector's folder."""

_SCRIPTS = {"pre-install": "hooks/pre-install", "post-install": "hooks/post-install", "customization": CUSTOMIZATION}
"""The hooks' keys, and where they are in a folder that says nothing."""

_KEYS = (*_SCRIPTS, "network", "timeout")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A hook by its path in the connector's folder; ``where`` is what names it."""

    path: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSettings:
    """What a table says of hooks, None where it says nothing; scripts by their keys. ``where`` is the table."""

    pre_install: Script | None = None
    post_install: Script | None = None
    customization: Script | None = None
    network: bool | None = None
    timeout: float | None = None
    where: str | None = None

    def over(self, under: "HookSettings") -> "HookSettings":
        """Return *under* with all that this one says in its place."""
        names = HookSettings.__slots__
        said = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return replace(under, **said)


def read_hooks(table: Table) -> HookSettings:
    """Return what the key ``hooks`` of *table* says."""
    inner = table.table("hooks")
    if inner is None:
        return HookSettings()
    inner.only(_KEYS)
    pre, post, customization = (_script(inner, key) for key in _SCRIPTS)
    return HookSettings(
        pre_install=pre,
        post_install=post,
        customization=customization,
        network=inner.get("network", bool),
        timeout=_timeout(inner),
        where=inner.where(),
    )


def read_inputs(table: Table) -> dict[str, InputSpec]:
    """Return the inputs that *table* declares by name; their paths are relative to the connector's folder."""
    found: dict[str, InputSpec] = {}
    for name, inner in table.named("input"):
        inner.only(("name", "url", "path"))
        _check_name(name, inner, found)
        url, path = inner.text("url"), inner.text("path")
        _one_of(inner, "url", "path")
        if url is not None:
            _check_url(inner, url)
        place = None if path is None else Path(inner.below("path", path))
        found[name] = InputSpec(name=name, where=inner.where(), url=url, path=place)
    return found


def read_secrets(table: Table) -> dict[str, SecretSpec]:
    """Return the secrets that *table* declares by name; their files are as written."""
    found: dict[str, SecretSpec] = {}
    for name, inner in table.named("secret"):
        inner.only(("name", "env", "file"))
        _check_name(name, inner, found)
        env, file = inner.text("env"), inner.text("file")
        _one_of(inner, "env", "file")
        if env is not None and _VARIABLE.fullmatch(env) is None:
            raise inner.fault("env", "not the name of a variable", hint="name the variable; never write the secret")
        found[name] = SecretSpec(name=name, where=inner.where(), env=env, file=None if file is None else Path(file))
    return found


def specified_hooks(settings: HookSettings, root: Path, label: str | None) -> HookSpec:
    """Return the hooks that *settings* name below *root*.

    With *label*, *root* is a connector's folder that errors call so, and the hooks that it has count, too. Raises
    SpecificationError for what cannot be a hook, and for settings of hooks that are not there.
    """
    scripts: dict[str, Path] = {}
    for key, usual in _SCRIPTS.items():
        script: Script | None = getattr(settings, key.replace("-", "_"))
        if script is None and label is not None and (root / usual).exists():
            script = Script(path=usual, where=posixpath.join(label, usual))
        if script is not None:
            _check_script(root, script, executed=key != "customization")
            scripts[key] = root / script.path
    if settings.where is not None and not scripts:
        hint = "add hooks/pre-install or hooks/post-install, or remove the table"
        raise SpecificationError("there is no hook that this could be for", where=settings.where, hint=hint)
    return HookSpec(
        pre_install=scripts.get("pre-install"),
        post_install=scripts.get("post-install"),
        customization=scripts.get("customization"),
        network=bool(settings.network),
        timeout=DEFAULT_TIMEOUT if settings.timeout is None else settings.timeout,
    )


def specified_inputs(inputs: Mapping[str, InputSpec], hooks: HookSpec, root: Path) -> tuple[InputSpec, ...]:
    """Return *inputs* sorted by name, with paths below *root* made absolute; no hook to read them is an error."""
    for one in inputs.values():
        _check_read(one.where, hooks)
    ordered = (inputs[name] for name in sorted(inputs))
    return tuple(replace(one, path=None if one.path is None else root / one.path) for one in ordered)


def specified_secrets(secrets: Mapping[str, SecretSpec], hooks: HookSpec, root: Path) -> tuple[SecretSpec, ...]:
    """Return *secrets* sorted by name, with absolute files; no hook to read them is an error."""
    for one in secrets.values():
        _check_read(one.where, hooks)
    ordered = (secrets[name] for name in sorted(secrets))
    return tuple(replace(one, file=None if one.file is None else root / _at_home(one.file, one)) for one in ordered)


def _script(table: Table, key: str) -> Script | None:
    path = table.text(key)
    return None if path is None else Script(path=table.below(key, path), where=table.where(key))


def _timeout(table: Table) -> float | None:
    value = table.value.get("timeout")
    seconds = value if isinstance(value, int) and not isinstance(value, bool) else table.get("timeout", float)
    if seconds is None:
        return None
    if not 0 < seconds < math.inf:
        raise table.fault("timeout", f"not a positive number of seconds: {value}", hint="write it like 600")
    return float(seconds)


def _check_name(name: str, table: Table, others: Mapping[str, object]) -> None:
    if _NAME.fullmatch(name) is None:
        hint = "use letters, digits, ., - and _: it becomes a file name"
        raise table.fault("name", f"not a name for a file: {name[:100]!r}", hint=hint)
    if name in others:
        raise table.fault("name", f"two are called {name}", hint="rename one")


def _one_of(table: Table, one: str, other: str) -> None:
    if (one in table.value) == (other in table.value):
        raise SpecificationError(f"needs either {one} or {other}", where=table.where())


def _check_url(table: Table, url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"https", "http"} or " " in url:
        hint = 'write it like "https://example.org/ca.pem"'
        raise table.fault("url", f"not an address that can be fetched: {url[:200]!r}", hint=hint)
    if parts.username is not None or parts.password is not None:
        hint = "specifications are committed: serve it without credentials, or give it as a path"
        raise table.fault("url", "holds credentials", hint=hint)


def _check_script(root: Path, script: Script, *, executed: bool) -> None:
    path = root / script.path
    try:
        found = path.stat()
    except FileNotFoundError as error:
        why = f"there is no file {script.path!r}"
        raise SpecificationError(why, where=script.where, hint="mend the path, or remove it") from error
    except OSError as error:
        why = f"cannot be read: {error.strerror or error}"
        raise MachineError(why, where=script.where, hint="make it readable, or remove it") from error
    if not path.resolve().is_relative_to(root.resolve()):
        why = f"{script.path} is not in the folder: a symbolic link leads out of it"
        raise SpecificationError(why, where=script.where, hint="copy it there")
    if not stat.S_ISREG(found.st_mode):
        raise SpecificationError(f"{script.path} is not a file", where=script.where, hint="a hook is one file")
    if executed and not found.st_mode & stat.S_IXUSR:
        hint = f"run `chmod +x {script.path}`, and commit that"
        raise SpecificationError(f"{script.path} is not executable", where=script.where, hint=hint)


def _check_read(where: str, hooks: HookSpec) -> None:
    if not hooks:
        hint = "add hooks/pre-install or hooks/post-install, or remove it"
        raise SpecificationError("there is no hook that would read it", where=where, hint=hint)


def _at_home(file: Path, secret: SecretSpec) -> Path:
    """Return *file* with the home that a ~ at its beginning stands for."""
    try:
        return file.expanduser()
    except RuntimeError as error:
        raise SpecificationError("there is no home of that name", where=secret.where, hint="write it out") from error
