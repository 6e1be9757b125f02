"""A container whose program is started late: process ids of its namespace are used up before."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from reprobuild.engines.kernel import Namespace, enter

__all__ = ["run_late"]


def run_late(command: Sequence[str], env: Mapping[str, str], pids: int) -> int:
    """Do what *command*, ``RUNTIME… run --bundle FOLDER ID``, does; return the program's exit code.

    For the first process of a PID namespace, to whom the program is left when the runtime that made it ends.
    """
    *options, _, _, bundle, name = command
    pid_file, codes = Path(bundle) / "pid", dict[int, int]()
    created = _started([*options, "create", "--pid-file", str(pid_file), "--bundle", bundle, name], env)
    if (code := _ended(created, codes)) != 0:
        return code
    program = int(pid_file.read_text(encoding="ascii"))
    _ended(_spent(program, pids), codes)
    code = _ended(_started([*options, "start", name], env), codes)
    return code or _ended(program, codes)


def _started(command: Sequence[str], env: Mapping[str, str]) -> int:
    child = os.fork()
    if child == 0:
        try:
            os.execve(command[0], list(command), dict(env))  # noqa: S606
        finally:
            os._exit(125)
    return child


def _spent(program: int, pids: int) -> int:
    """Have a child use up *pids* process ids in the namespace of *program*."""
    child = os.fork()
    if child == 0:
        try:
            handle = os.open(f"/proc/{program}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
            enter(handle, Namespace.PID)
            for _ in range(pids):
                if (inner := os.fork()) == 0:
                    os._exit(0)
                os.waitpid(inner, 0)
        finally:
            os._exit(0)
    return child


def _ended(child: int, codes: dict[int, int]) -> int:
    """Wait for *child*; return its exit code as a shell counts it. *codes* are those of all that ended so far."""
    while child not in codes:
        pid, status = os.waitpid(-1, 0)
        code = os.waitstatus_to_exitcode(status)
        codes[pid] = code if code >= 0 else 128 - code
    return codes[child]
