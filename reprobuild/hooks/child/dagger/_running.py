"""The hook's file and function, run; its result or its failure, told."""

from __future__ import annotations

import os
import sys
from types import ModuleType, TracebackType

from ._container import Container
from ._errors import ExecError, UnsupportedOperation
from ._session import current
from ._surroundings import guard

__all__ = ["main"]

_MODULE = "build_customization"
_IMPORTS = "hooks can import what Python itself brings, and `dagger`; what the image needs, programs in it can import"
_ENVIRONMENT = (
    "hooks do not see the environment of this machine: set the value with `env` in [tool.reprobuild], "
    "or declare a [[tool.reprobuild.secret]]"
)
_LONGEST = 2000


def main(socket: int) -> None:
    """Serve one request through *socket*: a hook's source, as bytes in Latin-1, its name and its function."""
    current.open(socket)
    request = current.receive()
    current.hook = str(request["name"])
    source = str(request["source"]).encode("latin-1")
    guard()
    try:
        done = _done(source, str(request["function"]))
    except BaseException as error:
        done = _failed(error, source)
    if current.refused is not None:
        done = _failed(current.refused, source)
    sys.stdout.flush()
    sys.stderr.flush()
    current.send(done)
    os._exit(0)


def _done(source: bytes, function: str) -> dict[str, object]:
    module = ModuleType(_MODULE)
    module.__file__ = current.hook
    sys.modules[_MODULE] = module
    exec(compile(source, current.hook, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - it is what we are for
    call = getattr(module, function, None)
    start = Container._made([], 0, 0)  # noqa: SLF001
    if call is None:
        return {"kind": "done", "operations": []}
    if not callable(call):
        raise TypeError(f"{function} is not a function")
    made = call(start)
    if not isinstance(made, Container) and hasattr(made, "__await__"):
        made = _awaited(made, in_loop=b"asyncio" in source)
    if not isinstance(made, Container):
        raise TypeError(f"{function} is to return a Container, not {_kind(made)}")
    return {"kind": "done", "operations": made._operations}  # noqa: SLF001


def _kind(value: object) -> str:
    missing = " (is an `await` missing?)" if hasattr(value, "__await__") else ""
    return "None (is a `return` missing?)" if value is None else f"{type(value).__name__}{missing}"


def _awaited(call: object, *, in_loop: bool) -> object:
    """Return what *call* returns. A loop, which takes 50 ms to import, is there for hooks that name asyncio."""
    if in_loop:
        import asyncio  # noqa: PLC0415

        async def waiting() -> object:
            return await call  # type: ignore[misc]

        return asyncio.run(waiting())
    try:
        next(call.__await__())  # type: ignore[attr-defined]
    except StopIteration as stop:
        return stop.value
    raise TypeError("a hook can wait for its containers only; for more than that, import asyncio")


def _failed(error: BaseException, source: bytes) -> dict[str, object]:
    frames = _frames(error.__traceback__, source.decode("utf-8", "replace").splitlines())
    line = getattr(error, "line", 0) or (frames[-1][0] if frames else 0)
    if isinstance(error, SyntaxError):
        line = error.lineno or 0
    message, hint = _explained(error)
    return {
        "kind": "failed",
        "message": message[:_LONGEST],
        "hint": hint,
        "line": line,
        "frames": [f"line {number}, in {name}: {text}" for number, name, text in frames[-5:]],
        "question": error.number if isinstance(error, ExecError) else None,
    }


def _explained(error: BaseException) -> tuple[str, str | None]:
    """Return the words for *error*, and the next step if there is one."""
    if isinstance(error, UnsupportedOperation):
        return str(error), error.hint
    if isinstance(error, ModuleNotFoundError):
        return f"imports {error.name}, which is not there", _IMPORTS
    if isinstance(error, KeyError) and error.args and error.args[0] in current.absent:
        return f"asks the environment for {error.args[0]}, which is not there", _ENVIRONMENT
    if isinstance(error, SyntaxError):
        return f"is not Python: {error.msg}", None
    return f"raised {type(error).__name__}: {_text(error)}", _ENVIRONMENT if current.absent else None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(it cannot say what)"


def _frames(trace: TracebackType | None, lines: list[str]) -> list[tuple[int, str, str]]:
    """Return line, function and text of each frame of *trace* that is the hook's own."""
    found = []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == current.hook:
            text = lines[trace.tb_lineno - 1].strip()[:200] if 0 < trace.tb_lineno <= len(lines) else ""
            found.append((trace.tb_lineno, trace.tb_frame.f_code.co_name, text))
        trace = trace.tb_next
    return found
