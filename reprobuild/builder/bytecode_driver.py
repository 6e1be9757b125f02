"""Compiles the modules of wheels: run by a base image's own Python, in a sandbox, never imported by reprobuild.

Standard library only, and nothing newer than Python 3.8. Standard input is JSON: a list of wheels, each with the
path of its ``wheel``, the path ``out`` to write to, and its ``files``, pairs of a zip member and the path that it is
installed at. What is written is one line of JSON (`_header`), then the ``.pyc`` files in order, each after its size, of
four bytes, the lowest first; the size is 0 for a file that does not compile.

What a compiler writes depends on what its process did before: which names are interned, which objects are shared. So
every file is compiled by a child of its own, forked from a parent that has compiled nothing, and what the parent has
done nevertheless is made not to matter (`_intern_letters`, `_strings`).
"""

from __future__ import annotations

import gc
import importlib.util
import json
import marshal
import os
import sys
from collections import deque
from itertools import islice
from types import CodeType
from typing import Any, Iterable, Iterator  # noqa: UP035 - Python 3.8
from zipfile import ZipFile

__all__ = ["main"]

_OUTSTANDING = 4
"""Children for each processor: one that has finished waits until those before it are read."""
_SIZE = 4
_UNCHECKED = 0b01
"""The flags of a .pyc file that is found by its name and never held against its source (PEP 552)."""


def main() -> int:
    """Compile what standard input names and return the exit code."""
    if sys.flags.hash_randomization or sys.flags.optimize:
        sys.stderr.write("PYTHONHASHSEED is not 0, or Python optimises\n")
        return 2
    wheels = json.loads(sys.stdin.buffer.read())
    _intern_letters()
    gc.collect()
    gc.disable()
    gc.freeze()
    compiled = _compiled(_sources(wheels))
    for wheel in wheels:
        os.makedirs(os.path.dirname(wheel["out"]), exist_ok=True)  # noqa: PTH103, PTH120 - pathlib is slow to load
        with open(wheel["out"], "wb") as file:  # noqa: PTH123
            file.write(_header())
            for pyc in islice(compiled, len(wheel["files"])):
                file.write(len(pyc).to_bytes(_SIZE, "little"))
                file.write(pyc)
    return 0


def _intern_letters() -> None:
    """Intern all strings of one Latin-1 character.

    There is one object of each in a process, and before Python 3.13 marshal tells whether anybody has interned it.
    """
    for number in range(256):
        sys.intern(chr(number))


def _header() -> bytes:
    """Return the first line: who compiled."""
    value = {
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "magic": importlib.util.MAGIC_NUMBER.hex(),
        "tag": sys.implementation.cache_tag,
    }
    return json.dumps(value, sort_keys=True).encode("ascii") + b"\n"


def _sources(wheels: list[dict[str, Any]]) -> Iterator[tuple[bytes, str]]:
    for wheel in wheels:
        with ZipFile(wheel["wheel"]) as archive:
            for member, path in wheel["files"]:
                yield archive.read(member), path


def _compiled(sources: Iterable[tuple[bytes, str]]) -> Iterator[bytes]:
    """Yield the .pyc file of each source, in order, many being compiled at a time."""
    running: deque[tuple[int, int, str]] = deque()
    limit = _OUTSTANDING * len(os.sched_getaffinity(0))
    for source, path in sources:
        if len(running) == limit:
            yield _result(*running.popleft())
        running.append(_started(source, path))
    while running:
        yield _result(*running.popleft())


def _started(source: bytes, path: str) -> tuple[int, int, str]:
    """Fork a child that compiles *source*; return the pipe that it writes to, its id, and *path*."""
    result, end = os.pipe()
    child = os.fork()
    if child:
        os.close(end)
        return result, child, path
    code = 1
    try:
        with open(end, "wb") as file:  # noqa: PTH123
            file.write(_pyc(source, path))
        code = 0
    except BaseException as error:
        sys.stderr.write(f"{path}: {error!r}\n")
        sys.stderr.flush()
    finally:
        os._exit(code)


def _result(result: int, child: int, path: str) -> bytes:
    with open(result, "rb") as file:
        pyc = file.read()
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"{path}: the compiler ended with status {status}")
    return pyc


def _pyc(source: bytes, path: str) -> bytes:
    """Return the .pyc file of *source*; nothing where it is no module of this Python, which an import would tell."""
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError):
        return b""
    held = list(_strings(code)) if sys.version_info < (3, 11) else []
    body = marshal.dumps(code)
    del held
    head = importlib.util.MAGIC_NUMBER + _UNCHECKED.to_bytes(4, "little") + importlib.util.source_hash(source)
    return head + body


def _strings(value: object) -> Iterator[str]:
    """Yield all strings of a code object or constant.

    Before Python 3.11, marshal marks a string as shared by its count of references, which for an interned name is
    another one if any module of this process has it, too (gh-78214). Held once more, each is shared everywhere.
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, (tuple, frozenset)):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, CodeType):
        yield from (value.co_filename, value.co_name, getattr(value, "co_qualname", value.co_name))
        for group in (value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars, value.co_consts):
            yield from _strings(group)


if __name__ == "__main__":
    sys.exit(main())
