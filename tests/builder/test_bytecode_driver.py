"""The driver that compiles, run by this Python: its answer depends on the modules and on nothing else."""

import ast
import importlib.util
import json
import marshal
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType

import pytest

from reprobuild.builder.bytecode import DRIVER, Compiled, open_compiled
from tests.builder.wheels import make_wheel

OPTIONS = ("-s", "-S", "-B", "-W", "ignore")
MODULES = {
    "demo/__init__.py": b'"""Text of one module."""\nonce_only_name = {"[", "]", "{", "}", ".", "\xc3\xa9"}\n',
    "demo/names.py": b"import os\ndef filename(archive, header_offset):\n    return archive.filename or os.sep\n",
    "demo/sets.py": b"def f(x):\n    return x in {'alpha', 'beta', 'gamma', ('d', 1), 2.5, None, b'e'}\n",
    "demo/latin.py": b"# -*- coding: cp1252 -*-\nprice = '\x80'\n",
    "demo/template.py": b"class {{ name }}:\n    pass\n",
    "demo/two.py": b"print 'two'\n",
    "demo/null.py": b"x = '\0'\n",
    "demo/empty.py": b"",
    "demo/warning.py": b"pattern = '\\d'\n",
}
BROKEN = {"demo/template.py", "demo/two.py", "demo/null.py"}


def run(request: object, *, environ: Mapping[str, str] | None = None, processors: int = 0, memory: int = 0) -> None:
    def few() -> None:
        if processors:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:processors])
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    done = subprocess.run(
        [sys.executable, *OPTIONS, DRIVER],
        input=json.dumps(request).encode(),
        env={"PYTHONHASHSEED": "0"} if environ is None else environ,
        capture_output=True,
        check=False,
        preexec_fn=few,
    )
    if done.returncode:
        raise ChildProcessError(done.stderr.decode())
    assert not done.stderr


def compiled(
    folder: Path, wheels: Sequence[Path], names: Sequence[str] = tuple(MODULES), processors: int = 0
) -> list[bytes]:
    """Return the driver's answer for each of *wheels*, of which the modules *names* are compiled."""
    files = [[name, f"/site/{name}"] for name in names]
    outs = [folder / f"out{number}" for number in range(len(wheels))]
    run(
        [{"wheel": str(wheel), "out": str(out), "files": files} for wheel, out in zip(wheels, outs, strict=True)],
        processors=processors,
    )
    return [out.read_bytes() for out in outs]


def parts(folder: Path, answer: bytes) -> tuple[Compiled, list[bytes]]:
    path = folder / "answer"
    path.write_bytes(answer)
    with path.open("rb") as file:
        found = open_compiled(file, "demo")
    return found, [answer[start : start + size] for start, size in found.places]


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(make_wheel(MODULES))
    return path


def test_the_driver_runs_on_pythons_of_old() -> None:
    ast.parse(DRIVER.read_text(), feature_version=(3, 8))


def test_a_pyc_file_is_unchecked_and_knows_where_it_is(tmp_path: Path, wheel: Path) -> None:
    answer, files = parts(tmp_path, compiled(tmp_path, [wheel])[0])
    assert answer.python == ".".join(map(str, sys.version_info[:3]))
    assert answer.magic == importlib.util.MAGIC_NUMBER
    assert answer.path("site/demo/x.py") == importlib.util.cache_from_source("site/demo/x.py")
    for name, pyc in zip(MODULES, files, strict=True):
        assert bool(pyc) == (name not in BROKEN)
        if pyc:
            assert pyc[:16] == answer.magic + b"\1\0\0\0" + importlib.util.source_hash(MODULES[name])
            code = marshal.loads(pyc[16:])
            assert isinstance(code, CodeType)
            assert code.co_filename == f"/site/{name}"


def test_python_takes_it_without_looking_at_the_source(tmp_path: Path, wheel: Path) -> None:
    answer, files = parts(tmp_path, compiled(tmp_path, [wheel])[0])
    place = tmp_path / answer.path("demo/names.py")
    place.parent.mkdir(parents=True)
    place.write_bytes(files[list(MODULES).index("demo/names.py")])
    (tmp_path / "demo" / "__init__.py").write_bytes(b"")
    (tmp_path / "demo" / "names.py").write_text("raise SystemExit('the source was read')\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import demo.names; print(demo.names.__cached__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(place)


def test_alone_or_in_company_in_any_order_a_module_gives_the_same_bytes(tmp_path: Path, wheel: Path) -> None:
    answer = compiled(tmp_path, [wheel])[0]
    _, files = parts(tmp_path, answer)
    assert compiled(tmp_path, [wheel], processors=1) == [answer]
    assert compiled(tmp_path, [wheel, wheel, wheel]) == [answer] * 3
    backwards = compiled(tmp_path, [wheel], list(MODULES)[::-1])[0]
    assert parts(tmp_path, backwards)[1] == files[::-1]
    for name, pyc in zip(MODULES, files, strict=True):
        assert parts(tmp_path, compiled(tmp_path, [wheel], [name])[0])[1] == [pyc], name


def test_what_else_the_process_has_loaded_does_not_show(tmp_path: Path, wheel: Path) -> None:
    """A process of its own for each module, which has interned its names and letters before, gives the same bytes."""
    _, files = parts(tmp_path, compiled(tmp_path, [wheel])[0])
    code = (
        "import importlib.util, json, sys\n"
        "words = [sys.intern(word) for word in ('once_only_name', 'header_offset', 'gamma', '[', '.', '\\u00e9')]\n"
        "spec = importlib.util.spec_from_file_location('driver', sys.argv[1])\n"
        "driver = importlib.util.module_from_spec(spec); spec.loader.exec_module(driver)\n"
        "driver._intern_letters()\n"
        "sys.stdout.buffer.write(driver._pyc(open(sys.argv[2], 'rb').read(), sys.argv[3]))\n"
    )
    for name, pyc in zip(MODULES, files, strict=True):
        source = tmp_path / "source"
        source.write_bytes(MODULES[name])
        command = [sys.executable, *OPTIONS, "-c", code, DRIVER, source, f"/site/{name}"]
        done = subprocess.run(command, env={"PYTHONHASHSEED": "0"}, capture_output=True, check=True)
        assert done.stdout == pyc, name


def test_a_hash_seed_or_optimisation_is_refused(wheel: Path, tmp_path: Path) -> None:
    request = [{"wheel": str(wheel), "out": str(tmp_path / "out"), "files": [["demo/sets.py", "/demo/sets.py"]]}]
    for environ in ({}, {"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "0", "PYTHONOPTIMIZE": "1"}):
        with pytest.raises(ChildProcessError, match="PYTHONHASHSEED"):
            run(request, environ=environ)
    assert not (tmp_path / "out").exists()


def test_what_fails_for_another_reason_is_an_error_and_no_missing_bytecode(tmp_path: Path, wheel: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ChildProcessError, match="demo/gone"):
        run([{"wheel": str(wheel), "out": str(out), "files": [["demo/gone.py", "/demo/gone.py"]]}])
    wheel.write_bytes(make_wheel({"demo/large.py": b"x = [" + b"f(1, 2), " * 400_000 + b"]"}))
    with pytest.raises(ChildProcessError, match="MemoryError"):
        run([{"wheel": str(wheel), "out": str(out), "files": [["demo/large.py", "/large.py"]]}], memory=160 * 1024**2)
