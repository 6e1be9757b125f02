"""What makes a process see another machine: a hostname, a user, a clock; and which of these cannot be had here."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from reprobuild.verify.conditions import Conditions
from reprobuild.verify.rebuild import own_path

__all__ = ["NOBODY", "hand_over", "unvaried", "wrapper"]

NOBODY = 65534
"""The user and the group of a rebuild by someone else."""
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
_CLOCK = "faketime/libfaketime.so.1"
_BECOMING = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
_OTHER_USERS = (
    # Someone else may neither enter root's folders nor read what is in them, without being allowed to.
    (*_BECOMING, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
    (*_BECOMING, "--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
    _BECOMING,
    # One who is not root is called someone else, in a namespace of its own.
    ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"),
)
_TRIAL = "import os, anyio, reprobuild.store; assert os.getuid() == 65534"


def wrapper(conditions: Conditions) -> list[str]:
    """Return the command that gives the command after it what *conditions* vary of the machine."""
    words: list[str] = []
    if conditions.hostname is not None:
        words += _own_hostname(conditions.hostname)
    if conditions.other_user and (become := _other_user()):
        words += become
    if conditions.processors is not None:
        cpus = sorted(os.sched_getaffinity(0))[: conditions.processors]
        words += ["taskset", "-c", ",".join(map(str, cpus))]
    if conditions.days and (library := _clock_library()):
        words += ["env", f"LD_PRELOAD={library}", f"FAKETIME=+{conditions.days}d", "FAKETIME_DONT_FAKE_MONOTONIC=1"]
    return words


def unvaried(conditions: Conditions) -> Iterator[tuple[str, str]]:
    """Yield each condition that cannot be varied on this machine, and why."""
    if conditions.hostname is not None and not _runs([*_own_hostname("probe"), "true"]):
        yield "hostname", "it takes unshare (util-linux), and root or user namespaces"
    if conditions.other_user and _other_user() is None:
        yield "user", "it takes setpriv and root, or user namespaces (util-linux)"
    if conditions.processors is not None:
        if len(os.sched_getaffinity(0)) <= conditions.processors:
            yield "processors", "there is only one"
        elif shutil.which("taskset") is None:
            yield "processors", "it takes taskset (util-linux)"
    if conditions.days and _clock_library() is None:
        yield "clock", "install libfaketime"


def hand_over(folder: Path) -> None:
    """Give *folder* and all that is in it to whoever builds; blobs, which may be links to others' own, stay."""
    become = _other_user()
    if become is None or become[0] != "setpriv":
        return
    for path, _, files in os.walk(folder):
        os.chown(path, NOBODY, NOBODY)
        for name in files if "/store/blobs" not in path else ():
            os.chown(Path(path, name), NOBODY, NOBODY, follow_symlinks=False)


def _own_hostname(name: str) -> list[str]:
    own = ["--uts"] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps", "--uts"]
    return ["unshare", *own, "sh", "-c", 'hostname "$0" && exec "$@"', name]


@cache
def _other_user() -> Sequence[str] | None:
    """Return the command that makes the one after it someone else's, who can build here; None if there is none."""
    able = [words for words in _OTHER_USERS if os.geteuid() == 0 or words[0] == "unshare"]
    return next((words for words in able if _runs([*words, sys.executable, "-c", _TRIAL])), None)


def _clock_library() -> Path | None:
    found = (path for root in _LIBRARIES for path in [*Path(root).glob(f"*/{_CLOCK}"), Path(root) / _CLOCK])
    return next((path for path in found if path.exists()), None)


def _runs(command: Sequence[str]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    environ = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": own_path()}
    done = subprocess.run(command, capture_output=True, check=False, cwd="/", env=environ)  # noqa: S603
    return done.returncode == 0
