"""The program that sets a sandbox up, has an OCI runtime run the program in it, and tells what that changed.

A program of its own, since its mounts are then its own and end with it, and since only a program of one thread may
enter a user namespace. Run as ``main(rootless)`` with a job on standard input; answers on standard output.
"""

import gc
import json
import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

from reprobuild.engines.bundle import Bundle
from reprobuild.engines.flavour import Flavour, flavour_of
from reprobuild.engines.job import Answer, Job, answer_json, parse_job
from reprobuild.engines.kernel import MountFlag, Namespace, end_with_parent, mount, unshare
from reprobuild.engines.run_folder import run_folder
from reprobuild.engines.seen import seen_changes
from reprobuild.engines.supervised import supervised
from reprobuild.errors import MachineError, ReprobuildError
from reprobuild.store import Store, machine_errors

__all__ = ["READY", "main"]

_ALLOW = (
    "allow it (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
    "kernel.apparmor_restrict_unprivileged_userns), or run reprobuild as root"
)
READY = "ready\n"
"""Is said by who is in a user namespace and waits for ids."""


def main(*, rootless: bool) -> None:
    """Do the job on standard input, once ids are mapped."""
    # What is made here by the ten thousand are entries of layers, and stays until the program has run.
    gc.disable()
    signal.signal(signal.SIGTERM, _end)
    try:
        if rootless:
            _enter_user_namespace()
        line = sys.stdin.buffer.readline()
        if not line:
            return
        end_with_parent(signal.SIGTERM)
        os.umask(0o022)
        answer = _done(parse_job(json.loads(line)))
        said: dict[str, Any] = answer_json(answer)
    except ReprobuildError as error:
        said = {"error": [type(error).__name__, error.message, error.where, error.hint]}
    except Exception:
        import traceback  # noqa: PLC0415 - hardly ever

        said = {"fault": traceback.format_exc()[-4000:]}
    sys.stdout.write(json.dumps(said))
    sys.stdout.flush()


def _end(_: int, __: FrameType | None) -> None:
    # As an exception, so that all that is under way is removed.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(1)


def _enter_user_namespace() -> None:
    try:
        unshare(Namespace.USER)
    except OSError as error:
        raise MachineError(
            f"a user namespace cannot be made: {error.strerror}",
            hint=_ALLOW,
        ) from error
    sys.stdout.write(READY)
    sys.stdout.flush()


def _done(job: Job) -> Answer:
    hint = "in a container, give it CAP_SYS_ADMIN (docker run --privileged), or run reprobuild outside of it"
    if os.getuid() != 0:
        hint = _ALLOW
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        end_with_parent(signal.SIGTERM)
    store = Store(Path(job.store))
    try:
        unshare(Namespace.MOUNT)
        mount("none", "/", "", MountFlag.RECURSIVE | MountFlag.PRIVATE)
    except OSError as error:
        raise MachineError(
            f"a mount namespace cannot be made: {error.strerror}",
            hint=hint,
        ) from error
    maps = (Path(f"/proc/self/{name}").read_text(encoding="ascii") for name in ("uid_map", "gid_map"))
    flavour = flavour_of(*maps)
    with machine_errors(store.root), run_folder(store.root / "sandboxes" / flavour.name) as folder:
        return _ran(job, store, flavour, folder)


def _ran(job: Job, store: Store, flavour: Flavour, folder: Path) -> Answer:
    with closing(Bundle(job, store, flavour, folder)) as bundle:
        return _run_in(bundle, job, store, flavour)


def _run_in(bundle: Bundle, job: Job, store: Store, flavour: Flavour) -> Answer:
    refusal = bundle.prepare()
    if refusal is not None:
        return refusal
    ended = supervised(bundle.command, job, bundle.log)
    if ended.code != 0 or ended.message:
        if bundle.is_full():
            raise MachineError(
                "the disk is full",
                where=str(store.root),
                hint="free some space, or point REPROBUILD_STORE to a larger disk; or the program fills it",
            )
        return ended
    changes = seen_changes(
        bundle.changed,
        bundle.view,
        bundle.invented,
        store,
        flavour,
        secrets=job.secrets,
        where=job.execution.what,
    )
    return Answer(changes=changes, code=0, unvaried=bundle.unvaried)
