"""The bundle of an OCI runtime: what a program gets of this machine, which is as little as it can do with.

OCI runtime-spec v1.0.2. Both runc and crun run it; what they differ in is set here explicitly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Bound", "runtime_config"]

_CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
"""What root may do in containers by default; device nodes are not among it, since rootless nobody can make them."""
_MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_LIMITS = (("RLIMIT_NOFILE", 1024, 4096), ("RLIMIT_CORE", 0, 0))
_PROC = {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]}
_MOUNTS = (
    ("/dev", "tmpfs", ("nosuid", "strictatime", "mode=0755", "size=65536k")),
    ("/dev/pts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")),
    ("/dev/shm", "tmpfs", ("nosuid", "noexec", "nodev", "mode=1777")),  # noqa: S108 - inside the sandbox
    # sysfs would tell of this machine's hardware.
    ("/sys", "tmpfs", ("nosuid", "noexec", "nodev", "ro", "mode=0555", "size=4k")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A file of this machine that the program sees, read-only, at ``target``."""

    source: str
    target: str


def runtime_config(
    *,
    root: str,
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: str,
    user: tuple[int, int, Sequence[int]],
    hostname: str,
    bound: Sequence[Bound],
    network: bool,
) -> dict[str, Any]:
    """Return the content of a bundle's ``config.json``; *user* is its id, its group's and those of others."""
    uid, gid, groups = user
    kept = list(_CAPABILITIES)
    namespaces = ["pid", "ipc", "uts", "mount", "cgroup", *([] if network else ["network"])]
    return {
        "ociVersion": "1.0.2",
        "hostname": hostname,
        "root": {"path": root, "readonly": False},
        "process": {
            "terminal": False,
            "user": {"uid": uid, "gid": gid, "additionalGids": list(groups), "umask": 0o022},
            "args": list(argv),
            "env": [f"{name}={value}" for name, value in sorted(env.items())],
            "cwd": cwd,
            "noNewPrivileges": True,
            "rlimits": [{"type": name, "soft": soft, "hard": hard} for name, soft, hard in _LIMITS],
            "capabilities": {
                "bounding": kept,
                "effective": kept if uid == 0 else [],
                "permitted": kept if uid == 0 else [],
                "inheritable": [],
                "ambient": [],
            },
        },
        "mounts": [_PROC, *(_mount(*one) for one in _MOUNTS), *(_bind(one) for one in bound)],
        "linux": {
            "namespaces": [{"type": name} for name in namespaces],
            "maskedPaths": list(_MASKED),
            "readonlyPaths": list(_READ_ONLY),
        },
    }


def _mount(destination: str, kind: str, options: Sequence[str]) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}


def _bind(bound: Bound) -> dict[str, Any]:
    options = ["bind", "ro", "nosuid", "nodev"]
    return {"destination": bound.target, "type": "bind", "source": bound.source, "options": options}
