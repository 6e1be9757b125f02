"""The machine and the tools that were measured, as a table's rows."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench_dockerd import CLIENT, DAEMON

__all__ = ["facts"]

_TOOLS = (
    ("dockerd, which has BuildKit in it", DAEMON),
    ("docker, the client", CLIENT),
    ("containerd", "containerd"),
    ("buildah", "buildah"),
    ("runc", "runc"),
    ("skopeo", "skopeo"),
)
_LIBRARIES = ("reprobuild", "deflate", "installer")


def facts(scratch: Path) -> list[tuple[str, str]]:
    """Return what is known of this machine, *scratch* being where the builds happen, and of the tools."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        ("Date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("Processor", f"{_field('/proc/cpuinfo', 'model name')}, {len(os.sched_getaffinity(0))} cores"),
        ("Memory", f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) * 1024 / 1e9:.1f} GB"),
        ("File system", _said("df", "--output=fstype", str(scratch)).split()[-1]),
        ("System", f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}"),
        ("Load before (1, 5, 15 minutes)", load),
        ("Python", platform.python_version()),
        *((name, version(name)) for name in _LIBRARIES),
        *((name, _version(program)) for name, program in _TOOLS if shutil.which(program)),
    ]


def _field(path: str, name: str) -> str:
    """Return the first value of *name* in a file of lines ``name: value``, a word if there is none."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return next(_values(lines, name), "unknown")


def _values(lines: Iterable[str], name: str) -> Iterator[str]:
    return (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name)


def _version(program: str) -> str:
    """Return the first line of what *program* says of its version, without its name."""
    words = _said(program, "--version").splitlines()[0].split()
    return " ".join(word for word in words[1:] if word.lower() != "version" and "/" not in word)


def _said(program: str, *words: str) -> str:
    return subprocess.run([program, *words], capture_output=True, text=True, check=True).stdout.strip()
