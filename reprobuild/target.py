"""What wheels are chosen for: a platform, a Python and a C library, told apart from the host that resolves.

Tags follow PEP 425, 600 and 656 in the order in which an installer on the target prefers them; markers follow
PEP 508. Nothing here asks the machine that it runs on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from reprobuild.canonical import Digest, canonical_json, digest_of
from reprobuild.errors import LockError
from reprobuild.lockfile import ConnectorLock, Libc, Wheel
from reprobuild.oci.types import Platform

if TYPE_CHECKING:
    from packaging.markers import Environment
    from packaging.tags import Tag

__all__ = ["Target", "environments", "select", "selection_key"]

_MACHINES = {
    ("amd64", ""): "x86_64",
    ("arm64", ""): "aarch64",
    ("arm64", "v8"): "aarch64",
    ("arm", "v7"): "armv7l",
    ("386", ""): "i686",
    ("ppc64le", ""): "ppc64le",
    ("s390x", ""): "s390x",
    ("riscv64", ""): "riscv64",
}
_LEGACY = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
"""The names that three glibc levels had before PEP 600."""

_UV_GLIBC = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)
"""The levels that uv 0.13 takes as ``<machine>-manylinux_2_<level>``."""
_UV_RISCV = ("riscv64-unknown-linux", 39)
"""uv's one name for riscv64, and the glibc level that it stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A platform with the full version of its CPython (``3.11.2``) and its C library."""

    platform: Platform
    python: str
    libc: Libc

    def __str__(self) -> str:
        return f"{self.platform} (Python {self.python}, {self.libc})"

    @property
    def machine(self) -> str:
        """What ``platform.machine()`` says there; LockError for a platform that wheels have no tags for."""
        machine = _MACHINES.get((self.platform.architecture, self.platform.variant))
        if self.platform.os != "linux" or machine is None:
            raise LockError(
                f"wheels have no tags for the platform {self.platform}",
                hint="take linux/amd64, linux/arm64, linux/ppc64le, linux/s390x or linux/riscv64",
            )
        return machine

    @property
    def marker(self) -> str:
        """The environment marker that holds on this target and on no other platform."""
        return f"sys_platform == 'linux' and platform_machine == '{self.machine}'"

    @property
    def requires_python(self) -> str:
        """The ``requires-python`` of a lock for this target: its minor version of Python."""
        return f"=={'.'.join(self.python.split('.')[:2])}.*"

    @property
    def environment(self) -> dict[str, str]:
        """The values of all PEP 508 environment markers; kernel release and version are nobody's business."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self.python,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.python,
            "python_version": ".".join(self.python.split(".")[:2]),
            "sys_platform": "linux",
        }

    @property
    def tags(self) -> "tuple[Tag, ...]":
        """The tags of wheels that run here, best first."""
        major, minor = self.python.split(".")[:2]
        return _tags((int(major), int(minor)), self.machine, self.libc)

    @property
    def python_platform(self) -> str:
        """What uv calls it (``--python-platform``), never newer than the C library; LockError if it cannot."""
        name = _uv_name(self.machine, self.libc)
        if name is None:
            raise LockError(
                f"uv cannot resolve for {self.platform} with {self.libc}",
                hint="take a base image with another C library, or leave this platform out",
            )
        return name


def environments(targets: Sequence[Target]) -> tuple[str, ...]:
    """Return the ``environments`` of a lock for *targets*, one marker per platform."""
    return tuple(dict.fromkeys(target.marker for target in sorted(targets, key=lambda target: str(target.platform))))


def select(lock: ConnectorLock, target: Target) -> tuple[Wheel, ...]:
    """Return the wheels that *target* installs, in lock order, as PEP 751 prescribes.

    Raises LockError if the lock is not for this target or holds no wheel that runs there.
    """
    from packaging.pylock import Pylock, PylockSelectError, PylockValidationError  # noqa: PLC0415 - 90 ms

    wheels = {wheel.file: wheel for package in lock.packages for wheel in package.wheels}
    try:
        pylock = Pylock.from_dict(_document(lock))
        chosen = list(pylock.select(environment=_environment(target), tags=target.tags))
    except (PylockSelectError, PylockValidationError) as error:
        raise LockError(
            f"nothing to install on {target}: {error}",
            where=lock.name,
            hint=f"run `reprobuild lock update {lock.name}`",
        ) from error
    return tuple(wheels[str(source.path).rpartition("/")[2]] for _, source in chosen)


def selection_key(text: str, target: Target) -> Digest:
    """Return what stands for ``select(lock, target)`` where the lock's file holds *text*: for remembering it."""
    question = [1, text, str(target.platform), target.python, str(target.libc)]
    return digest_of(canonical_json(question))


def _environment(target: Target) -> "Environment":
    return target.environment  # type: ignore[return-value]


def _document(lock: ConnectorLock) -> dict[str, object]:
    """Return *lock* as PEP 751 has it, without what only reprobuild reads."""
    return {
        "lock-version": "1.0",
        "created-by": "reprobuild",
        "requires-python": lock.python,
        "environments": list(lock.environments),
        "packages": [
            {
                "name": package.name,
                "version": package.version,
                **({"marker": package.marker} if package.marker is not None else {}),
                "wheels": [
                    {"path": f"wheels/{wheel.file}", "hashes": {"sha256": wheel.digest.partition(":")[2]}}
                    for wheel in package.wheels
                ],
            }
            for package in lock.packages
        ],
    }


@cache
def _tags(python: tuple[int, int], machine: str, libc: Libc) -> "tuple[Tag, ...]":
    from packaging.tags import compatible_tags, cpython_tags  # noqa: PLC0415

    levels, interpreter = _platforms(machine, libc), f"cp{python[0]}{python[1]}"
    abis = [interpreter]  # given, because packaging would otherwise look at how the host's Python was built
    return (
        *cpython_tags(python, abis=abis, platforms=levels),
        *compatible_tags(python, interpreter=interpreter, platforms=levels),
    )


def _platforms(machine: str, libc: Libc) -> list[str]:
    """Return the platform tags of *machine*, newest C library first, as PEP 600 and PEP 656 derive them."""
    found = [f"linux_{machine}"]
    if libc.family == "musl":
        return found + [f"musllinux_{libc.major}_{minor}_{machine}" for minor in range(libc.minor, -1, -1)]
    oldest = 5 if machine in {"x86_64", "i686"} else 17
    for minor in range(libc.minor, oldest - 1, -1):
        found.append(f"manylinux_2_{minor}_{machine}")
        if minor in _LEGACY:
            found.append(f"{_LEGACY[minor]}_{machine}")
    return found


def _uv_name(machine: str, libc: Libc) -> str | None:
    level = (libc.family, libc.major)
    if level == ("musl", 1) and machine in {"x86_64", "aarch64"}:
        return f"{machine}-unknown-linux-musl" if libc.minor >= 2 else None
    if level != ("glibc", 2):
        return None
    if machine == "riscv64":
        return _UV_RISCV[0] if libc.minor >= _UV_RISCV[1] else None
    known = [minor for minor in _UV_GLIBC if minor <= libc.minor]
    if not known or machine not in {"x86_64", "aarch64", "ppc64le", "s390x"}:
        return None
    return f"{machine}-manylinux_2_{known[-1]}"
