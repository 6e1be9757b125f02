"""What the first program of an execution on a Dagger engine (`entry/entry.c`) is told, and what it says at the end.

The job is a sequence of texts, each ended by a zero byte; lists begin with their length.
"""

import re
from collections.abc import Iterator
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
    env = {"HOME": "/root" if one.uid == 0 else "/", **{name: value for name, value in one.env.items()}}
    if not env["HOME"]:
        env["HOME"] = "/root" if one.uid == 0 else "/"
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


def failure(execution: Execution, ending: Ending, output: str) -> ReprobuildError:
    """Return what to raise for an execution that did not end well, in the words of the embedded engine."""
    where = execution.what
    match ending.kind:
        case "late":
            message, hint = f"it took longer than {execution.timeout:g} seconds", "have it wait for nothing"
            hint = "have it wait for nothing, or raise the time limit"
            return ExecutionError(message, where=where, hint=hint, output=output, code=None)
        case "ended" | "refused":
            message = f"it ended with exit code {ending.code}"
            if ending.kind == "refused":
                message = f"it could not be started: {ending.message}"
            return ExecutionError(message, where=where, hint=None, output=output, code=ending.code)
        case "wrong":
            return SpecificationError(ending.message, where=where, hint="choose another target")
        case "content":
            return ContentError(ending.message, where=where, hint="have the program remove it before it ends")
        case "full":
            return MachineError("the disk is full", where=where, hint=_FULL)
        case "isolation":
            return MachineError("the engine lets nobody make namespaces", where=where, hint=_NAMESPACES)
    return MachineError(f"the sandbox failed: {ending.message} (error {ending.code})", where=where, hint=_NAMESPACES)


_FULL = "free some space on the Dagger engine's disk (`dagger core engine local-cache prune`); or the program fills it"
_NAMESPACES = "the engine has to allow insecure root capabilities, which is its default; or use --engine embedded"


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
