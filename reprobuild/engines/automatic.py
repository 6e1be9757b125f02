"""The engine of this machine, and Dagger for what that cannot do here; which of them makes no difference to bytes."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from reprobuild.engines.emulation import check_platform
from reprobuild.engines.execution import Execution, Observation
from reprobuild.engines.executor import Executor, Listener, unheard
from reprobuild.engines.runtimes import find_runtime
from reprobuild.errors import MachineError

__all__ = ["AutomaticExecutor", "obstacle"]

_SYS_ADMIN = 1 << 21
_SWITCHES = ("user/max_user_namespaces", "kernel/unprivileged_userns_clone")


class AutomaticExecutor:
    """Runs what it can on *embedded*, the rest on what *other* opens; *note* is told once of each reason for that."""

    name = "auto"

    def __init__(
        self,
        embedded: Executor,
        other: Callable[[], Executor],
        *,
        note: Callable[[str], None],
        environ: Mapping[str, str],
    ) -> None:
        self._embedded, self._open, self._note, self._environ = embedded, other, note, environ
        self._other: Executor | None = None
        self._told: set[str] = set()

    async def run(
        self, execution: Execution, *, secrets: Mapping[str, bytes] = {}, listener: Listener = unheard
    ) -> Observation:
        """Run *execution*: see `Executor`."""
        reason = obstacle(execution, self._environ)
        if not reason:
            return await self._embedded.run(execution, secrets=secrets, listener=listener)
        if reason not in self._told:
            self._told.add(reason)
            self._note(f"on a Dagger engine, since the embedded one cannot do it here: {reason}")
        self._other = self._other or self._open()
        return await self._other.run(execution, secrets=secrets, listener=listener)


def obstacle(execution: Execution, environ: Mapping[str, str], proc: Path = Path("/proc")) -> str:
    """Return why the embedded engine cannot run *execution* on this machine, as far as that shows; else nothing."""
    if sys.platform != "linux":
        return "it needs Linux"
    try:
        find_runtime(environ)
        check_platform(execution.platform, where=execution.what)
        if os.geteuid() != 0:
            from reprobuild.engines.subordinate_ids import subordinate_ids  # noqa: PLC0415 - of no use to root

            subordinate_ids()
    except MachineError as error:
        return error.message
    if os.geteuid() == 0:
        return "" if _capabilities(proc) & _SYS_ADMIN else "root has not CAP_SYS_ADMIN here"
    closed = [name for name in _SWITCHES if _value(proc / "sys" / name) == "0"]
    return f"user namespaces are switched off ({closed[0].replace('/', '.')})" if closed else ""


def _capabilities(proc: Path) -> int:
    lines = _value(proc / "self/status").splitlines()
    found = [line.split()[1] for line in lines if line.startswith("CapEff:")]
    return int(found[0], 16) if found else 0


def _value(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
