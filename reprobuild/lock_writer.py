"""Lock → TOML in one stable order: a wheel per line, no URL, no host, no time, nothing that a merge trips over."""

from collections.abc import Iterable
from typing import Any

import tomlkit
from tomlkit.items import Array, InlineTable, Table

from reprobuild.canonical import Digest, hex_of
from reprobuild.lockfile import BaseImage, BasePlatform, ConnectorLock, Interpreter, Package, Sdist, Wheel

__all__ = ["write_base_lock", "write_connector_lock"]

_BASE_FORMAT = 1
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
    document["format"] = _BASE_FORMAT
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
    return _inline({"path": f"wheels/{wheel.file}", "size": wheel.size, "hashes": _hashes(wheel.digest)})


def _wheels(wheels: Iterable[Wheel]) -> Array:
    return _lines([_wheel(wheel) for wheel in sorted(wheels, key=lambda wheel: wheel.file)])


def _hashes(digest: Digest) -> InlineTable:
    return _inline({"sha256": hex_of(digest)})


def _package(package: Package) -> Table:
    table = tomlkit.table()
    table["name"] = package.name
    table["version"] = package.version
    if package.marker is not None:
        table["marker"] = package.marker
    table["wheels"] = _wheels(package.wheels)
    if package.sdist is not None:
        table["tool"] = _super({"reprobuild": _sdist(package.sdist)})
    return table


def _sdist(sdist: Sdist) -> Table:
    """Return how the wheels of a package come about; standard installers take the wheels, and pass this over."""
    table = tomlkit.table()
    table["sdist"] = _inline({"name": sdist.file, "size": sdist.size, "hashes": _hashes(sdist.digest)})
    table["builder"] = sdist.builder
    table["requires"] = _wheels(sdist.requires)
    return table


def _tool(lock: ConnectorLock) -> Table:
    own = tomlkit.table()
    own["format"] = lock.format
    own["base"] = lock.base
    own["requirements"] = _lines(sorted(lock.requirements))
    if lock.inputs:
        ordered = sorted(lock.inputs, key=lambda one: one.name)
        own["inputs"] = _lines(
            [_inline({"name": one.name, "size": one.size, "hashes": _hashes(one.digest)}) for one in ordered]
        )
    if lock.impure:
        own["impure"] = _lines(sorted(lock.impure))
    if lock.outputs:
        outputs = tomlkit.table(is_super_table=True)
        for platform in sorted(lock.outputs, key=str):
            output = tomlkit.table()
            output["derivation"] = lock.outputs[platform].derivation
            output["manifest"] = lock.outputs[platform].manifest
            outputs[str(platform)] = output
        own["outputs"] = outputs
    return _super({"reprobuild": own})


def _super(pairs: dict[str, Table]) -> Table:
    """Return a table that has no header of its own."""
    table = tomlkit.table(is_super_table=True)
    for key, value in pairs.items():
        table[key] = value
    return table


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
