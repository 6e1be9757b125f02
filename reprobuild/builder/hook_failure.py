"""What to say of a hook: why it failed, that it wrote of a failure and went on, that it left what is dangerous."""

import re

from reprobuild.engines.execution import Changes, ExecutionError

__all__ = ["explained", "privileged", "remark"]

_NETWORK = re.compile(
    r"name resolution|could not resolve|unable to resolve|network is unreachable|no address associated|getaddrinfo"
    r"|name or service not known|bad address|temporary failure resolving|failed to establish a new connection"
    r"|connection refused|could not connect to",
    re.IGNORECASE,
)
_DOWNLOADERS = re.compile(r"\b(apt-get|apt|apk|curl|wget|dnf|yum|git)\b.{0,20}\b(not found|is not there)")
_SET_ID = 0o6000
_INPUTS = (
    "hooks have no network: declare what it downloads as [[tool.reprobuild.input]], put packages into the base "
    "image, or say hooks.network = true, and the image is impure"
)


def explained(error: ExecutionError, *, network: bool) -> ExecutionError:
    """Return *error* with a hint, if its output tells what to do; *network* says that the hook had one."""
    if network or error.hint is not None or not _wants_network(f"{error.message}\n{error.output}"):
        return error
    ends = {"output": error.output, "stdout": error.stdout, "stderr": error.stderr}
    return ExecutionError(error.message, where=error.where or "", hint=_INPUTS, code=error.code, **ends)


def remark(output: str, *, network: bool) -> str | None:
    """Return a warning if *output*, of a program that ended well, says that it lacked the network; None if not."""
    if network:
        return None
    line = next((line for line in output.splitlines() if _wants_network(line)), None)
    return None if line is None else f"it ended well, but wrote: {line.strip()[:200]}; {_INPUTS}"


def privileged(changes: Changes) -> list[str]:
    """Return the paths of programs in *changes* that run with the rights of their owner or group."""
    return [
        change.entry.path
        for change in changes.present
        if change.entry.kind == "file" and change.entry.mode & _SET_ID and change.entry.mode & 0o111
    ]


def _wants_network(text: str) -> bool:
    return bool(_NETWORK.search(text) or _DOWNLOADERS.search(text))
