"""What makes a process see another machine: a hostname, a user, a clock; and which of these cannot be had here."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from reprobuild.verify.conditions import Conditions

__all__ = ["NOBODY", "hand_over", "unvaried", "wrapper"]

NOBODY = 65534
"""The user and the group of a rebuild by someone else."""
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
_CLOCK = "faketime/libfaketime.so.1"


def wrapper(conditions: Conditions) -> list[str]:
    """Return the command that gives the command after it what *conditions* vary of the machine."""
    words: list[str] = []
    if conditions.hostname is not None:
        words += _own_hostname(conditions.hostname)
    if conditions.other_user:
        words += ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if conditions.processors is not None:
        cpus = sorted(os.sched_getaffinity(0))[: conditions.processors]
        words += ["taskset", "-c", ",".join(map(str, cpus))]
    if conditions.days and (library := _clock_library()):
        words += ["env", f"LD_PRELOAD={library}", f"FAKETIME=+{conditions.days}d", "FAKETIME_DONT_FAKE_MONOTONIC=1"]
    return words


def unvaried(conditions: Conditions) -> Iterator[tuple[str, str]]:
    """Yield each condition that cannot be varied on this machine, and why."""
    if conditions.hostname is not None and not _runs(_own_hostname("probe")):
        yield "hostname", "it takes unshare (util-linux), and root or user namespaces"
    if conditions.other_user and (why := _no_other_user()):
        yield "user", why
    if conditions.processors is not None and len(os.sched_getaffinity(0)) <= conditions.processors:
        yield "processors", "there is only one"
    if conditions.days and _clock_library() is None:
        yield "clock", "install libfaketime"


def _own_hostname(name: str) -> list[str]:
    own = ["--uts"] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps", "--uts"]
    return ["unshare", *own, "sh", "-c", 'hostname "$0" && exec "$@"', name]


def _no_other_user() -> str | None:
    """Say why nobody cannot build here; None if nobody can."""
    if os.geteuid() != 0:
        return "it takes root to become another user"
    probe = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    package = Path(__file__).parent.parent
    if not _runs([*probe, "test", "-r", str(package / "__init__.py"), "-a", "-x", sys.executable]):
        return f"another user may not read {package} or run {sys.executable}"
    return None


def _clock_library() -> Path | None:
    found = (path for root in _LIBRARIES for path in [*Path(root).glob(f"*/{_CLOCK}"), Path(root) / _CLOCK])
    return next((path for path in found if path.exists()), None)


def _runs(command: list[str]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    words = command if command[0] == "setpriv" else [*command, "true"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0  # noqa: S603


def hand_over(folder: Path) -> None:
    """Give *folder* and all folders in it to nobody; files, which may be links to others' own, stay whose they are."""
    for path, _, _ in os.walk(folder):
        os.chown(path, NOBODY, NOBODY)
