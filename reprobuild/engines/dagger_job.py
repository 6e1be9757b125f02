"""What the first program of an execution on a Dagger engine (`entry/entry.c`) is told, and what it says at the end.

The job is a sequence of texts, each ended by a zero byte; lists begin with their length.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from reprobuild.engines.execution import Execution, ExecutionError
from reprobuild.errors import ContentError, MachineError, ReprobuildError, SpecificationError

__all__ = ["ARCHITECTURES", "Ending", "failure", "job_bytes", "own_files", "parse_ending"]

ARCHITECTURES = ("amd64", "arm64")
"""What there is an `entry` for."""
_SYSTEM_FILES = ("hostname", "hosts", "resolv.conf")
_KINDS = ("ended", "late", "refused", "wrong", "content", "full", "isolation", "fault")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an execution ended: ``code`` is the program's if ``kind`` is "ended" or "refused", else of no meaning."""

    kind: Literal["ended", "late", "refused", "wrong", "content", "full", "isolation", "fault"]
    code: int
    message: str = ""


def own_files(execution: Execution) -> dict[str, bytes]:
    """Return the system's files that the program sees in /etc, as the embedded engine has them."""
    host = execution.hostname
    found = {
        "hostname": f"{host}\n".encode(),
        "hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\t{host}\n".encode(),
        "resolv.conf": b"",
    }
    if execution.network:
        del found["resolv.conf"]  # the engine's own names are what is reachable
    return found


def job_bytes(execution: Execution, token: str) -> bytes:
    """Return the job; raise SpecificationError for a text that holds a zero byte.

    The files to mount are, in this order: those of `own_files`, ``mounts``, ``secrets``.
    """
    one = execution
    bound = list(_bound(one))
    # Runtimes set HOME where it is missing or empty, and the engines agree on what to.
    env = {**one.env, "HOME": one.env.get("HOME") or ("/root" if one.uid == 0 else "/")}
    fields: list[object] = [token, one.hostname, int(one.network), max(1, round(one.timeout * 1000)), one.epoch]
    fields += [one.uid, one.gid, len(one.secrets), one.cwd, len(one.groups), *one.groups]
    fields += [len(bound), *(field for item in bound for field in item)]
    fields += [len(one.argv), *one.argv, len(env), *(f"{name}={value}" for name, value in sorted(env.items()))]
    texts = [str(field).encode("utf-8", "surrogateescape") for field in fields]
    if any(b"\0" in text for text in texts):
        raise SpecificationError("a zero byte in an argument or in the environment", where=one.what)
    return b"".join(text + b"\0" for text in texts)


def parse_ending(stderr: str, token: str) -> tuple[str, Ending | None]:
    """Return what the program itself wrote, and how it ended; None if *stderr* does not say."""
    said, mark, last = stderr.rpartition(f"\n{token} ")
    found = re.fullmatch(r"([a-z]+) (-?[0-9]+) (.*?)\n?", last, re.DOTALL)
    if not mark or not found or found[1] not in _KINDS:
        return stderr, None
    return said, Ending(kind=cast("Literal['ended']", found[1]), code=int(found[2]), message=found[3])


def failure(execution: Execution, ending: Ending, ends: Mapping[str, str]) -> ReprobuildError:
    """Return what to raise for an execution that did not end well, in the words of the embedded engine.

    *ends* are ``output``, ``stdout`` and ``stderr`` of an ExecutionError.
    """
    where = execution.what
    if ending.kind in _OTHERS:
        kind, message, hint = _OTHERS[ending.kind]
        return kind(f"{message}{ending.message}", where=where, hint=hint)
    code: int | None = ending.code
    message, hint = f"it ended with exit code {code}", ""
    if ending.kind == "refused":
        message = f"it could not be started: {ending.message}"
    elif ending.kind == "late":
        message, code = f"it took longer than {execution.timeout:g} seconds", None
        hint = "have it wait for nothing, or raise the time limit"
    return ExecutionError(message, where=where, hint=hint or None, code=code, **ends)


_FULL = "free some space on the Dagger engine's disk (`dagger core engine local-cache prune`); or the program fills it"
_NAMESPACES = "the engine has to allow insecure root capabilities, which is its default; or use --engine embedded"
_OTHERS: Mapping[str, tuple[type[ReprobuildError], str, str]] = {
    "wrong": (SpecificationError, "", "choose another target"),
    "content": (ContentError, "", "have the program remove it before it ends"),
    "full": (MachineError, "the disk is full", _FULL),
    "isolation": (MachineError, "the engine does not let namespaces be made: ", _NAMESPACES),
    "fault": (MachineError, "the sandbox failed: ", _NAMESPACES),
}
"""The kind of the error, the beginning of its message, and its hint."""


def _bound(one: Execution) -> Iterator[tuple[str, str, int, int, int]]:
    """Yield source, target, mode (in decimal) and owner of each file to mount."""
    number = 0
    for name in own_files(one):
        yield f"/dev/in/{number}", f"/etc/{name}", 0o444, 0, 0
        number += 1
    for mount in one.mounts:
        yield f"/dev/in/{number}", mount.target, 0o555 if mount.executable else 0o444, 0, 0
        number += 1
    for place, secret in enumerate(one.secrets):
        yield f"/dev/secrets/{place}", secret.target, 0o400, one.uid, one.gid
