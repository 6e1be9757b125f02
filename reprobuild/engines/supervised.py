"""A runtime under supervision: in a PID namespace of its own, so that all it started ends with it."""

import contextlib
import errno
import json
import os
import re
import select
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from reprobuild.engines.job import Answer, Job
from reprobuild.engines.kernel import MountFlag, Namespace, adopt_orphans, end_with_parent, mount, unshare
from reprobuild.engines.late_start import run_late
from reprobuild.errors import MachineError

__all__ = ["supervised"]

_CGROUPS = "/sys/fs/cgroup"
_NOT_RUNNABLE = {"no such file or directory": 127, "permission denied": 126, "exec format error": 126}


def supervised(command: Sequence[str], job: Job, log: Path) -> Answer:
    """Run *command*, a runtime that writes what goes wrong to *log*, until it ends or the time limit is over."""
    adopt_orphans()
    child = os.fork()
    if child == 0:
        _become(lambda: _first(command, job, log), log)
    for stream in job.streams:
        os.close(stream)
    code = _waited(child, job.execution.timeout)
    if code is None:
        return Answer()
    return Answer(code=code) if code == 0 else _explained(code, log)


def _waited(child: int, timeout: float) -> int | None:
    """Return the exit code of *child*, None after the time limit; nothing that it started is left."""
    handle, status = os.pidfd_open(child), 0
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        in_time = poll.poll(timeout * 1000)
    finally:
        os.close(handle)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        for pid, ended in _reaped():
            status = ended if pid == child else status
    return os.waitstatus_to_exitcode(status) if in_time else None


def _reaped() -> Iterator[tuple[int, int]]:
    while True:
        try:
            yield os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _become(what: Callable[[], None], log: Path) -> None:
    """Do *what* in this fork, which never returns; *log* gets what the system refuses."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        end_with_parent(signal.SIGKILL)
        what()
    except OSError as error:
        log.write_text(json.dumps({"level": "fatal", "msg": str(error)}), encoding="utf-8")
    finally:
        os._exit(_FAULT)


def _first(command: Sequence[str], job: Job, log: Path) -> None:
    """Start the runtime as the first of a PID namespace, which takes all others with it, and wait for it."""
    unshare(Namespace.PID)
    child = os.fork()
    if child == 0:
        _become(lambda: _run(command, job), log)
    for stream in job.streams:
        os.close(stream)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _run(command: Sequence[str], job: Job) -> None:
    """Turn this fork into the runtime."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for number, stream in enumerate(job.streams):
        os.dup2(stream, number)
    _narrow(job.variation.processors)
    unshare(Namespace.MOUNT)
    mount("proc", "/proc", "proc")
    _hide_cgroups(command[0])
    if job.variation.pids:
        os._exit(run_late(command, _ENV, job.variation.pids))
    os.execve(command[0], list(command), _ENV)  # noqa: S606


_FAULT = 125
_NO_SANDBOX = "in a container, have it run with --privileged, or run reprobuild outside of it"
_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR": "/run"}


def _narrow(processors: int | None) -> None:
    if processors is not None:
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[: max(1, processors)])


def _hide_cgroups(runtime: str) -> None:
    """See to it that no cgroup is made, which would stay behind: nothing here is limited by one."""
    if Path(runtime).name.startswith("crun"):
        # With its manager disabled, crun only insists on an order of them that it knows.
        with contextlib.suppress(OSError):
            mount("tmpfs", _CGROUPS, "tmpfs", MountFlag.READ_ONLY)
        return
    # runc does without where it may not write.
    for place, flags in _mounts_below(_CGROUPS):
        with contextlib.suppress(OSError):
            mount("none", place, "", MountFlag.REMOUNT | MountFlag.BIND | MountFlag.READ_ONLY | flags)


def _mounts_below(place: str) -> Iterator[tuple[str, int]]:
    words = {
        "nosuid": MountFlag.NO_SETUID,
        "nodev": MountFlag.NO_DEVICES,
        "noexec": MountFlag.NO_PROGRAMS,
        "noatime": MountFlag.NO_ACCESS_TIMES,
    }
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split()
        if fields[4] == place or fields[4].startswith(place + "/"):
            yield fields[4], sum(words.get(word, 0) for word in fields[5].split(","))


def _explained(code: int, log: Path) -> Answer:
    """Tell a program that failed from a runtime that did."""
    message = _logged(log)
    if not message:
        return Answer(code=code)
    if code == _FAULT:
        raise MachineError(f"a sandbox cannot be made: {message[:500]}", hint=_NO_SANDBOX)
    short = re.sub(r"^.*?(unable to start container process|OCI runtime|executable file)", r"\1", message)
    for words, number in _NOT_RUNNABLE.items():
        if words in message.lower() and "exec" in message:
            return Answer(code=number, message=short)
    raise MachineError(
        f"the runtime could not start the program: {message[:500]}",
        hint="see `reprobuild doctor`; another runtime can be named with REPROBUILD_RUNTIME",
    )


def _logged(log: Path) -> str:
    """Return the last error in *log*, JSON Lines."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return os.strerror(error.errno or errno.EIO)
    found = ""
    for line in lines:
        with contextlib.suppress(ValueError, AttributeError):
            record = json.loads(line)
            found = str(record.get("msg", "")) if record.get("level") in {"error", "fatal"} else found
    return found
