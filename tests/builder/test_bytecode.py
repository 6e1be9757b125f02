"""Bytecode as fragments beside the wheels' own: what is compiled when, what it becomes, and whom it can be had from."""

import gzip
import io
import json
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.builder.bytecode import DRIVER, bytecode_fragment, compiled_key, modules_of, open_compiled
from reprobuild.builder.executions import Executions
from reprobuild.builder.fragment import fragment_key
from reprobuild.builder.hooked import Kit
from reprobuild.builder.missing import missing_wheels
from reprobuild.builder.realise import realise
from reprobuild.builder.site import Site, site_of
from reprobuild.builder.wheel_fragment import wheel_fragment
from reprobuild.canonical import Digest, canonical_json
from reprobuild.derivation import Derivation
from reprobuild.engines.memory import MemoryExecutor, Running
from reprobuild.errors import ContentError
from reprobuild.lockfile import BaseImage, BasePlatform, Wheel
from reprobuild.oci.types import CONFIG, Descriptor, ImageConfig, Manifest, Platform, parse_config, parse_manifest
from reprobuild.progress import Silent
from reprobuild.store import Store
from tests.builder.images import AMD64, ARM64, EPOCH, planned, put_derivation, put_wheel
from tests.builder.wheels import DEBIAN, SITE, make_wheel, record_row
from tests.engines.root_filesystem import Member, folder, put_layer

PYTHON = ".".join(map(str, sys.version_info[:3]))
TAG = sys.implementation.cache_tag
GOLDEN = "sha256:21f1f87a4751e4fe4d67c9cc81f6ab5dbb3dd4478277ece7914922c2611b627d"
PYC = bytes.fromhex("a70d0d0a 01000000") + b"hash-of-" + b"code"


def answer(*files: bytes, python: str = "3.11.2", tag: str = "cpython-311", magic: str = "a70d0d0a") -> bytes:
    head = json.dumps({"magic": magic, "python": python, "tag": tag}).encode() + b"\n"
    return head + b"".join(len(pyc).to_bytes(4, "little") + pyc for pyc in files)


def members(blob: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob))) as tar:
        return {member.name: member for member in tar}


def demo(store: Store) -> tuple[Wheel, Site]:
    files = {
        "demo/__init__.py": b"",
        "demo/b.py": b"B = 1\n",
        "demo/b/c.py": b"C = 1\n",
        "demo/template.py": b"{{",
        "demo/data.txt": b"",
        "demo/__pycache__/b.cpython-311.pyc": b"from elsewhere",
        "demo-1.0.data/scripts/run.py": b"#!python\n",
        "demo-1.0.data/data/share/x.py": b"",
        "demo-1.0.data/platlib/top.py": b"T = 1\n",
    }
    return put_wheel(store, files, name="demo"), Site(interpreter=DEBIAN)


def test_modules_are_the_python_files_where_python_looks(store: Store) -> None:
    wheel, site = demo(store)
    found = [module.entry.path.removeprefix(f"{SITE}/") for module in modules_of(wheel, site, store)]
    assert found == ["demo/__init__.py", "demo/b.py", "demo/b/c.py", "demo/template.py", "top.py"]


def test_golden_digest_of_a_fragment_of_bytecode(store: Store) -> None:
    wheel, site = demo(store)
    blob = store.add(answer(PYC + b"init", PYC + b"b", PYC + b"c", b"", PYC + b"top"))
    fragment = bytecode_fragment(wheel, blob, site, store, epoch=EPOCH, compression="gzip")
    found = members(store.read(fragment.blob))
    assert list(found) == [
        f"{SITE}/__pycache__",
        f"{SITE}/__pycache__/top.cpython-311.pyc",
        f"{SITE}/demo",
        f"{SITE}/demo/__pycache__",
        f"{SITE}/demo/__pycache__/__init__.cpython-311.pyc",
        f"{SITE}/demo/__pycache__/b.cpython-311.pyc",
        f"{SITE}/demo/b",
        f"{SITE}/demo/b/__pycache__",
        f"{SITE}/demo/b/__pycache__/c.cpython-311.pyc",
    ]
    assert {(member.mode, member.uid, member.gid, member.mtime) for member in found.values() if member.isfile()} == {
        (0o644, 0, 0, EPOCH)
    }
    own = members(store.read(wheel_fragment(wheel, site, store, epoch=EPOCH, compression="gzip").blob))
    for path in found.keys() & own.keys():
        assert found[path].get_info() == own[path].get_info(), "a folder in two fragments is one folder"
    assert fragment.blob == GOLDEN


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "not an answer"),
        (b"[]\n", "not an answer"),
        (answer(*[PYC] * 4), "4 modules were compiled of 5"),
        (answer(*[PYC] * 5)[:-1], "cut short"),
        (answer(*[PYC] * 4, b"\xa7\x0d\x0d\x0a\0\0\0\0timesize"), "something else than unchecked"),
        (answer(*[PYC] * 5, magic="cb0d0d0a"), "something else than unchecked"),
        (answer(*[PYC] * 5, tag="../../x"), "calls itself"),
    ],
    ids=["nothing", "no object", "too few", "cut short", "with a time", "another magic", "a path for a tag"],
)
def test_an_answer_that_is_none_is_refused(store: Store, data: bytes, fault: str) -> None:
    wheel, site = demo(store)
    with pytest.raises(ContentError, match=fault):
        bytecode_fragment(wheel, store.add(data), site, store, epoch=EPOCH, compression="gzip")


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_an_answer_or_refused(data: bytes, headed: bool) -> None:
    try:
        found = open_compiled(io.BytesIO(answer() + data if headed else data), "demo")
    except ContentError:
        return
    assert all(start + size <= len(answer() + data) for start, size in found.places)


def test_the_key_is_modules_place_and_interpreter_whatever_else_the_wheel_holds(store: Store) -> None:
    site, other = Site(interpreter=DEBIAN), Site(interpreter=replace(DEBIAN, purelib="/opt/site", platlib="/opt/site"))
    intel = put_wheel(store, {"demo/a.py": b"A = 1\n", "demo/x.so": b"intel"}, name="demo")
    arm = put_wheel(store, {"demo/a.py": b"A = 1\n", "demo/x.so": b"arm"}, name="demo")
    changed = put_wheel(store, {"demo/a.py": b"A = 2\n"}, name="demo")

    def key(wheel: Wheel, site: Site = site, python: str = "3.11.2", interpreter: str = "sha256:1") -> Digest:
        return compiled_key(modules_of(wheel, site, store), python=python, interpreter=Digest(interpreter))

    assert key(intel) == key(arm)
    assert len({key(intel), key(changed), key(intel, other), key(intel, python="3.11.3")}) == 4
    assert key(intel) != key(intel, interpreter="sha256:2")


def compiling(store: Store, folder: Path, *, platform: Platform = AMD64, bytecode: bool = True) -> Derivation:
    """Return a derivation whose base has an interpreter, which `engine` has this Python stand in for."""
    made = put_derivation(store, folder, platform=platform)
    return replace(
        made,
        base=put_compiling_base(store, made.base),
        platform=platform,
        wheels=(*made.wheels, put_wheel(store, {"gamma/data.bin": b"no module"}, name="gamma")),
        bytecode="unchecked-hash" if bytecode else "none",
    )


def put_compiling_base(store: Store, base: BaseImage) -> BaseImage:
    platforms = {}
    for platform in (AMD64, ARM64):
        program = Member("usr/bin/python3.11", str(platform).encode(), mode=0o755)
        layer = put_layer(store, [folder("usr"), folder("usr/bin"), program])
        config = ImageConfig(platform=platform, config={}, diff_ids=(layer.diff_id,), history=({},), created=None)
        data = canonical_json(config.to_json())
        document = Descriptor(media_type=CONFIG, digest=store.add(data), size=len(data))
        text = canonical_json(Manifest(config=document, layers=(layer.descriptor,)).to_json())
        known = next(iter(base.platforms.values()))
        platforms[platform] = replace(known, manifest=store.add(text), config=document.digest, size=len(text))
    return replace(base, python=PYTHON, platforms=platforms)


def engine(store: Store, tmp_path: Path, *, python: str = PYTHON) -> MemoryExecutor:
    async def program(running: Running) -> int:
        work = tmp_path / f"sandbox{len(executor.runs)}"
        work.mkdir()
        wheels = json.loads(running.stdin)
        for number, wheel in enumerate(wheels):
            (work / f"{number}.whl").write_bytes(running.tree.read(wheel["wheel"]))
        mine = [{**w, "wheel": f"{work}/{n}.whl", "out": f"{work}/{n}"} for n, w in enumerate(wheels)]
        assert running.tree.read(running.execution.argv[-1]) == DRIVER.read_bytes()
        command = [sys.executable, *running.execution.argv[1:-1], str(DRIVER)]
        environ = dict(running.execution.env)
        await anyio.run_process(command, input=json.dumps(mine).encode(), env=environ, stderr=subprocess.STDOUT)
        for path in ("build", "build/out"):
            running.tree.mkdir(path)
        for number, wheel in enumerate(wheels):
            data = (work / str(number)).read_bytes().replace(PYTHON.encode(), python.encode(), 1)
            running.tree.write(wheel["out"].lstrip("/"), data)
        return 0

    executor = MemoryExecutor(store, {"/usr/bin/python3.11": program})
    return executor


def build(store: Store, executor: MemoryExecutor, *derivations: Derivation, workers: int = 2) -> list[Manifest]:
    async def run() -> list[Manifest]:
        executions = Executions(store=store, open=lambda: executor)
        kit = Kit(executions=executions, secrets=lambda _: dict)
        images = await realise([planned(one) for one in derivations], store, Silent(), workers=workers, kit=kit)
        return [parse_manifest(store.read(image.manifest.digest)) for image in images]

    return anyio.run(run)


def test_an_image_has_its_bytecode_in_the_layers_of_its_wheels(store: Store, tmp_path: Path) -> None:
    plain, compiled = (compiling(store, tmp_path, bytecode=bytecode) for bytecode in (False, True))
    executor = engine(store, tmp_path)
    without, with_ = build(store, executor, plain, compiled)
    assert plain.digest != compiled.digest
    assert len(executor.runs) == 1
    assert executor.runs[0].mounts
    assert executor.runs[0].platform == AMD64
    assert len(without.layers) == len(with_.layers)
    of_wheels = range(2, len(without.layers) - 1)
    added = set()
    for number, layer in enumerate(without.layers):
        assert (layer == with_.layers[number]) == (number not in of_wheels)
        if number in of_wheels:
            few, many = (members(store.read(manifest.layers[number].digest)) for manifest in (without, with_))
            assert few.keys() < many.keys()
            added |= {path for path in many.keys() - few.keys() if many[path].isfile()}
    assert added == {f"{SITE}/{name}/__pycache__/__init__.{TAG}.pyc" for name in ("alpha", "beta", "pip")}


def test_what_was_compiled_once_serves_every_platform_and_is_never_compiled_again(store: Store, tmp_path: Path) -> None:
    executor = engine(store, tmp_path)
    intel, arm = compiling(store, tmp_path), compiling(store, tmp_path, platform=ARM64)
    first = build(store, executor, intel, arm)
    assert [run.platform for run in executor.runs] == [AMD64]
    assert first[0].layers[2:-1] == first[1].layers[2:-1]
    changed = replace(intel, env={"A": "1"})
    assert build(store, executor, changed)[0].layers == first[0].layers
    other_base = replace(intel.base, platforms={**intel.base.platforms, AMD64: renamed(store, intel)})
    assert build(store, executor, replace(intel, base=other_base))[0].layers[1:] == first[0].layers[1:]
    assert len(executor.runs) == 1


def renamed(store: Store, derivation: Derivation) -> BasePlatform:
    """Return the base's platform with another manifest and the same interpreter."""
    known = derivation.base_platform
    manifest = parse_manifest(store.read(known.manifest))
    config = parse_config(store.read(known.config))
    data = canonical_json(replace(config, config={"Env": ["NEW=1"]}).to_json())
    document = Descriptor(media_type=CONFIG, digest=store.add(data), size=len(data))
    text = canonical_json(replace(manifest, config=document).to_json())
    return replace(known, manifest=store.add(text), config=document.digest, size=len(text))


@pytest.mark.parametrize("workers", [1, 4])
def test_two_stores_give_one_digest(tmp_path: Path, workers: int) -> None:
    manifests = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        store = Store(tmp_path / name / "store")
        derivation = compiling(store, tmp_path / name)
        derivations = (derivation,) if name == "a" else (compiling(store, tmp_path / name, platform=ARM64), derivation)
        manifests.append(build(store, engine(store, tmp_path / name), *derivations, workers=workers)[-1])
    assert manifests[0] == manifests[1]


def test_another_python_than_the_locked_one_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"compiled by Python 3\.1\.4, the lock says"):
        build(store, engine(store, tmp_path, python="3.1.4"), compiling(store, tmp_path))


def test_a_wheel_that_lies_about_a_module_does_not_get_into_another_ones_bytecode(store: Store, tmp_path: Path) -> None:
    derivation = compiling(store, tmp_path)
    good, bad = b"A = 1\n" * 1000, b"import os\n"
    row = record_row("alpha/__init__.py", good).rpartition(",")[0] + ",\n"
    data = make_wheel({"alpha/__init__.py": bad}, name="alpha", record={"alpha/__init__.py": row})
    liar = Wheel(file="alpha-1.0-py3-none-any.whl", size=len(data), digest=store.add(data))
    executor = engine(store, tmp_path)
    with pytest.raises(ContentError, match="not what RECORD says"):
        build(store, executor, replace(derivation, wheels=(liar,)))
    assert not executor.runs


def test_a_wheel_is_needed_until_its_bytecode_is_a_fragment(store: Store, tmp_path: Path) -> None:
    derivation = compiling(store, tmp_path)
    build(store, engine(store, tmp_path), derivation)
    for wheel in derivation.installed:
        store.discard(wheel.digest)
    assert missing_wheels([planned(derivation)], store) == []
    other = replace(derivation, compression="zstd")
    assert len(missing_wheels([planned(other)], store)) == len(derivation.installed)


def test_a_plain_fragment_does_not_know_of_bytecode(store: Store, tmp_path: Path) -> None:
    plain, compiled = (compiling(store, tmp_path, bytecode=bytecode) for bytecode in (False, True))
    site = site_of(plain.base, plain.platform)
    keys = [fragment_key(w, site, epoch=EPOCH, compression="gzip") for w in plain.installed]
    build(store, engine(store, tmp_path), compiled)
    records = [store.record("fragment", key) for key in keys]
    assert None not in records
    build(store, engine(store, tmp_path), plain)
    assert records == [store.record("fragment", key) for key in keys]
