"""Lock → TOML in one stable order: a wheel per line, no URL, no host, no time, nothing that a merge trips over."""

from typing import Any

import tomlkit
from tomlkit.items import Array, InlineTable, Table

from reprobuild.canonical import hex_of
from reprobuild.lockfile import FORMAT, BaseImage, BasePlatform, ConnectorLock, Interpreter, Package, Wheel

__all__ = ["write_base_lock", "write_connector_lock"]

_HEADER = "Written by `reprobuild lock update`: review it, commit it, do not edit it."


def write_connector_lock(lock: ConnectorLock) -> str:
    """Return *lock* as the text of a PEP 751 file; raise PylockValidationError if it were not one."""
    document = tomlkit.document()
    document.add(tomlkit.comment(_HEADER))
    document["lock-version"] = "1.0"
    document["environments"] = _lines(lock.environments)
    document["requires-python"] = lock.python
    document["created-by"] = "reprobuild"
    packages = tomlkit.aot()
    for package in sorted(lock.packages, key=lambda package: (package.name, package.marker or "")):
        packages.append(_package(package))
    document["packages"] = packages
    document["tool"] = _tool(lock)
    text = tomlkit.dumps(document)
    _validate(text)
    return text


def write_base_lock(bases: dict[str, BaseImage]) -> str:
    """Return *bases*, sorted by name, as the text of base-images.lock.toml."""
    document = tomlkit.document()
    document.add(tomlkit.comment(_HEADER))
    document["format"] = FORMAT
    tables = tomlkit.aot()
    for name in sorted(bases):
        tables.append(_base(bases[name]))
    document["base"] = tables
    return tomlkit.dumps(document)


def _validate(text: str) -> None:
    import tomllib  # noqa: PLC0415

    from packaging.pylock import Pylock  # noqa: PLC0415

    Pylock.from_dict(tomllib.loads(text))


def _lines(items: Any) -> Array:
    array = tomlkit.array()
    for item in items:
        array.add_line(item, indent="    ")
    if items:
        array.add_line(indent="")
    return array


def _inline(pairs: dict[str, Any]) -> InlineTable:
    table = tomlkit.inline_table()
    table.update(pairs)
    return table


def _wheel(wheel: Wheel) -> InlineTable:
    hashes = _inline({"sha256": hex_of(wheel.digest)})
    return _inline({"path": f"wheels/{wheel.file}", "size": wheel.size, "hashes": hashes})


def _package(package: Package) -> Table:
    table = tomlkit.table()
    table["name"] = package.name
    table["version"] = package.version
    if package.marker is not None:
        table["marker"] = package.marker
    table["wheels"] = _lines([_wheel(wheel) for wheel in sorted(package.wheels, key=lambda wheel: wheel.file)])
    return table


def _tool(lock: ConnectorLock) -> Table:
    own = tomlkit.table()
    own["format"] = lock.format
    own["base"] = lock.base
    own["requirements"] = _lines(sorted(lock.requirements))
    if lock.outputs:
        outputs = tomlkit.table(is_super_table=True)
        for platform in sorted(lock.outputs, key=str):
            output = tomlkit.table()
            output["derivation"] = lock.outputs[platform].derivation
            output["manifest"] = lock.outputs[platform].manifest
            outputs[str(platform)] = output
        own["outputs"] = outputs
    tool = tomlkit.table(is_super_table=True)
    tool["reprobuild"] = own
    return tool


def _base(base: BaseImage) -> Table:
    table = tomlkit.table()
    table["name"] = base.name
    table["image"] = base.image
    table["index"] = base.index
    table["python"] = base.python
    if base.pip is not None:
        table["pip"] = base.pip
    table["libc"] = str(base.libc)
    if base.timezone is not None:
        table["timezone"] = base.timezone
    if base.pip_wheel is not None:
        table["pip-wheel"] = _wheel(base.pip_wheel)
    interpreter = tomlkit.table()
    for key in Interpreter.__slots__:
        interpreter[key] = getattr(base.interpreter, key)
    table["interpreter"] = interpreter
    platforms = tomlkit.table(is_super_table=True)
    for platform in sorted(base.platforms, key=str):
        platforms[str(platform)] = _base_platform(base.platforms[platform])
    table["platforms"] = platforms
    return table


def _base_platform(base: BasePlatform) -> Table:
    table = tomlkit.table()
    table["manifest"] = base.manifest
    table["config"] = base.config
    table["size"] = base.size
    table["links"] = _inline(dict(sorted(base.links.items())))
    table["directories"] = _lines(
        [
            _inline({"path": item.path, "mode": f"{item.mode:04o}", "uid": item.uid, "gid": item.gid})
            for item in sorted(base.directories, key=lambda item: item.path)
        ]
    )
    table["distributions"] = _lines(
        [
            _inline({"name": item.name, "version": item.version, "paths": list(item.paths)})
            for item in sorted(base.distributions, key=lambda item: item.name)
        ]
    )
    return table
