"""Whether this machine runs programs of another platform: itself, or with an emulator that its kernel knows of."""

import platform
from pathlib import Path

from reprobuild.errors import MachineError
from reprobuild.oci.types import Platform

__all__ = ["check_platform", "emulates", "runs_natively"]

_REGISTERED = Path("/proc/sys/fs/binfmt_misc")
_NAMES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "i386": "386",
    "i686": "386",
    "armv7l": "arm",
    "armv6l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loongarch64": "loong64",
    "mips64": "mips64le",
}
"""What uname(2) says, in Go's words."""
_ALSO = {"amd64": {"386"}}
"""What a processor runs besides its own; of arm64 not every one runs arm."""
_MACHINES = {
    "amd64": 62,
    "arm64": 183,
    "386": 3,
    "arm": 40,
    "ppc64le": 21,
    "s390x": 22,
    "riscv64": 243,
    "loong64": 258,
    "mips64le": 8,
}
"""e_machine of ELF files (elf(5))."""
_EMULATORS = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386", "loong64": "loongarch64", "mips64le": "mips64el"}
"""What QEMU calls them, where that is another word."""


def runs_natively(wanted: Platform) -> bool:
    """Say whether this machine runs programs of *wanted* by itself."""
    here = _NAMES.get(platform.machine(), platform.machine())
    return wanted.os == "linux" and wanted.architecture in {here, *_ALSO.get(here, ())}


def check_platform(wanted: Platform, *, where: str) -> None:
    """Raise MachineError unless programs of *wanted* run here: natively, or through binfmt_misc."""
    here = _NAMES.get(platform.machine(), platform.machine())
    if wanted.os != "linux":
        raise MachineError(f"programs for {wanted} cannot be run on linux/{here}", where=where)
    if runs_natively(wanted) or emulates(wanted.architecture):
        return
    emulator = _EMULATORS.get(wanted.architecture, wanted.architecture)
    raise MachineError(
        f"this machine is linux/{here} and has no emulator for programs of {wanted}",
        where=where,
        hint=f"install one that the kernel finds (apt-get install qemu-user-static binfmt-support, for "
        f"qemu-{emulator}-static), or use another engine or machine",
    )


def emulated() -> list[str]:
    """Return the architectures, other than this machine's, whose programs run here."""
    here = _NAMES.get(platform.machine(), platform.machine())
    return [name for name in sorted(_MACHINES) if name != here and (name in _ALSO.get(here, ()) or emulates(name))]


def emulates(architecture: str, registered: Path = _REGISTERED) -> bool:
    """Say whether the kernel knows of an emulator for *architecture* that is there inside a sandbox, too.

    Such an entry has the flag F: its file is opened when it is registered (kernel, admin-guide/binfmt-misc.rst).
    """
    machine = _MACHINES.get(architecture)
    if machine is None:
        return False
    try:
        entries = [path for path in registered.iterdir() if path.name not in {"register", "status"}]
        if (registered / "status").read_text(encoding="ascii").strip() != "enabled":
            return False
        return any(_serves(path.read_text(encoding="ascii", errors="replace"), machine) for path in entries)
    except OSError:
        return False


def _serves(entry: str, machine: int) -> bool:
    lines = entry.splitlines()
    words = {line.split()[0].rstrip(":"): line.split()[-1] for line in lines if len(line.split()) > 1}
    try:
        magic = bytes.fromhex(words["magic"])
    except (KeyError, ValueError):
        return False
    order = "big" if len(magic) > 5 and magic[5] == 2 else "little"
    is_elf = magic.startswith(b"\x7fELF") and len(magic) >= 20 and words.get("offset", "0") == "0"
    served = is_elf and int.from_bytes(magic[18:20], "little" if order == "little" else "big") == machine
    return served and lines[0] == "enabled" and "F" in words.get("flags", "")
