"""The compiler: a base image's own Python, run in a sandbox on the wheels that nobody has compiled with it yet."""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from anyio import from_thread, to_thread

from reprobuild.builder.base import stored_manifest
from reprobuild.builder.bytecode import bytecode_key, compiled_key, driver, modules_of, open_compiled, verify_modules
from reprobuild.builder.executions import Executions
from reprobuild.builder.fragment import parse_fragment
from reprobuild.builder.site import site_of
from reprobuild.builder.wheel import Planned
from reprobuild.canonical import Digest, canonical_json, digest_of, hex_of, parse_digest
from reprobuild.derivation import Derivation
from reprobuild.engines.emulation import runs_natively
from reprobuild.engines.execution import Execution, Mount, Observation
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer, tree_of
from reprobuild.lockfile import BaseImage, Wheel
from reprobuild.oci.types import Platform
from reprobuild.store import Store

__all__ = ["Uncompiled", "compile_wheels", "compiling_platform", "uncompiled"]

_BATCH = 64 * 1024 * 1024
"""Bytes of wheels in one execution, if it is not one wheel alone: what a failure or an interruption costs."""
_OUT = "build/out"
_RUN = "/run/reprobuild"
_ENV = {
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONHASHSEED": "0",
}
_OPTIONS = ("-s", "-S", "-B", "-W", "ignore")
"""Nothing of the base's but its standard library is loaded; what Python warns of is the wheels' own business."""
_TIMEOUT = 3600.0
_LIBRARY = re.compile(r"libpython[0-9].*\.so.*")

Uncompiled = Mapping[Digest, tuple[Wheel, Derivation]]
"""Wheels whose bytecode is no fragment yet, with one derivation that wants it, by the fragment's key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiler:
    """A base's Python on one platform; ``identity`` stands for the files that it consists of."""

    base: BaseImage
    platform: Platform
    layers: tuple[RootLayer, ...]
    identity: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """The modules of a wheel, and the key that the compiler's answer is remembered under."""

    key: Digest
    wheel: Wheel
    modules: tuple[Planned, ...]


def uncompiled(derivations: Sequence[Derivation], store: Store) -> Uncompiled:
    """Return what of the bytecode that *derivations* want is no fragment in *store*."""
    found: dict[Digest, tuple[Wheel, Derivation]] = {}
    for derivation in derivations:
        if derivation.bytecode != "none":
            for wheel in derivation.installed:
                key = bytecode_key(wheel, derivation)
                if key not in found and not _has_fragment(store, key):
                    found[key] = (wheel, derivation)
    return found


def compiling_platform(base: BaseImage) -> Platform:
    """Return the platform that *base* compiles on, for all platforms: this machine's own, or else its first.

    A .pyc file of one exact Python holds the same bytes wherever it was compiled (docs/adr/0010).
    """
    return min(base.platforms, key=lambda platform: (not runs_natively(platform), str(platform)))


async def compile_wheels(wanted: Uncompiled, store: Store, executions: Executions) -> dict[Digest, Digest]:
    """Return the compiler's answer for each of *wanted*, a blob in *store*, by the same keys; each is made once ever.

    Wheels and the base's layers for its `compiling_platform` must be in *store*. Raises what `Executor.run` does.
    """
    answers: dict[Digest, Digest] = {}
    by_base = groupby(sorted(wanted.items(), key=_base_of), key=_base_of)
    for items in [list(group) for _, group in by_base]:
        compiler = await to_thread.run_sync(_compiler, items[0][1][1].base, store)
        units = await to_thread.run_sync(_units, dict(items), compiler, store)
        missing = {unit.key: unit for unit in units.values() if _answer(unit.key, store) is None}
        for batch in _batches(list(missing.values())):
            await _compile(batch, compiler, store, executions)
        answers |= {key: _kept(unit, store) for key, unit in units.items()}
    return answers


def _base_of(item: tuple[Digest, tuple[Wheel, Derivation]]) -> tuple[str, str]:
    base = item[1][1].base
    return base.name, base.index


def _compiler(base: BaseImage, store: Store) -> _Compiler:
    """Find the interpreter in the files of *base*: another build of the same version is another compiler."""
    platform = compiling_platform(base)
    manifest, config = stored_manifest(base, platform, store)
    pairs = zip(manifest.layers, config.diff_ids, strict=True)
    layers = tuple(RootLayer(descriptor=layer, diff_id=diff_id) for layer, diff_id in pairs)
    where = f"{base.image} ({platform})"
    tree = tree_of(layers, store, where=where)
    found = tree.find(base.interpreter.executable)
    if found is None or found.node.digest is None:
        raise ContentError(f"{base.interpreter.executable} is not there", where=where)
    libraries = sorted(
        str(node.digest)
        for path, node in tree.walk()
        if node.kind == "file" and _LIBRARY.fullmatch(posixpath.basename(path))
    )
    identity = digest_of(canonical_json([found.node.digest, *libraries]))
    return _Compiler(base=base, platform=platform, layers=layers, identity=identity)


def _units(wanted: Uncompiled, compiler: _Compiler, store: Store) -> dict[Digest, _Unit]:
    units = {}
    for key, (wheel, derivation) in wanted.items():
        from_thread.check_cancelled()
        modules = modules_of(wheel, site_of(derivation.base, derivation.platform), store)
        answer = compiled_key(modules, python=compiler.base.python, interpreter=compiler.identity)
        units[key] = _Unit(key=answer, wheel=wheel, modules=modules)
    return units


def _batches(units: Sequence[_Unit]) -> Iterator[list[_Unit]]:
    batch: list[_Unit] = []
    for unit in sorted(units, key=lambda unit: unit.wheel.digest):
        if batch and sum(one.wheel.size for one in batch) + unit.wheel.size > _BATCH:
            yield batch
            batch = []
        batch.append(unit)
    if batch:
        yield batch


async def _compile(batch: Sequence[_Unit], compiler: _Compiler, store: Store, executions: Executions) -> None:
    """Compile *batch* and remember what the compiler answers for each wheel."""
    execution = await to_thread.run_sync(_execution, batch, compiler, store)
    if execution is not None:
        seen = await executions.run(execution)
        await to_thread.run_sync(_remember, batch, seen, compiler, store)


def _execution(batch: Sequence[_Unit], compiler: _Compiler, store: Store) -> Execution | None:
    """Return the execution that compiles *batch*; None if there is nothing to compile in it."""
    mounts: dict[str, Mount] = {}
    wheels = []
    for unit in batch:
        from_thread.check_cancelled()
        if not unit.modules:
            store.write_record("bytecode", unit.key, {"answer": store.add(b"")})
            continue
        verify_modules(unit.wheel, unit.modules, store)
        files = [[module.member, "/" + module.entry.path] for module in unit.modules]
        mount = Mount(target=f"{_RUN}/{hex_of(unit.wheel.digest)}.whl", digest=unit.wheel.digest)
        mounts[mount.target] = mount
        wheels.append({"wheel": mount.target, "out": f"/{_OUT}/{hex_of(unit.key)}", "files": files})
    if not wheels:
        return None
    program = Mount(target=f"{_RUN}/bytecode_driver.py", digest=store.add(driver()[0]))
    return Execution(
        what=f"compiling {len(wheels)} wheel{'s' * (len(wheels) > 1)} with Python {compiler.base.python}",
        platform=compiler.platform,
        layers=compiler.layers,
        argv=(compiler.base.interpreter.executable, *_OPTIONS, program.target),
        env=_ENV,
        mounts=(program, *mounts.values()),
        stdin=store.add(canonical_json(wheels)),
        timeout=_TIMEOUT,
    )


def _remember(batch: Sequence[_Unit], seen: Observation, compiler: _Compiler, store: Store) -> None:
    found = {change.entry.path: change.digest for change in seen.changes.present if change.digest is not None}
    for unit in batch:
        digest = found.get(f"{_OUT}/{hex_of(unit.key)}")
        if digest is None:
            continue
        with store.open(digest) as file:
            python = open_compiled(file, unit.wheel.file).python
        if python != compiler.base.python:
            raise ContentError(
                f"it was compiled by Python {python}, the lock says {compiler.base.python}",
                where=f"{compiler.base.image} ({compiler.platform})",
                hint="run `reprobuild lock update --bases`",
            )
        store.write_record("bytecode", unit.key, {"answer": digest})


def _kept(unit: _Unit, store: Store) -> Digest:
    digest = _answer(unit.key, store)
    if digest is None:
        raise ContentError("the compiler left no answer", where=unit.wheel.file, hint="run the command again")
    return digest


def _answer(key: Digest, store: Store) -> Digest | None:
    """Return the blob that *store* remembers under *key*, if it is there."""
    record = store.record("bytecode", key)
    try:
        digest = parse_digest((record or {}).get("answer"))
    except ContentError:
        return None
    return digest if digest in store else None


def _has_fragment(store: Store, key: Digest) -> bool:
    try:
        fragment = parse_fragment(store.record("fragment", key) or {})
    except ContentError:
        return False
    return store.has(fragment.blob, fragment.size)
