"""Paths that tell by their name alone what kind of file stands there."""

import posixpath
import re

from reprobuild.image.rpm import RPM_DATABASES

__all__ = ["is_installer_note", "is_log_or_cache", "is_os_release", "is_package_database", "is_telling", "source_of"]

_LOG_OR_CACHE = re.compile(
    r"""
    var/(?:log|cache|tmp|spool|backups)/.+
  | var/lib/(?:apt/(?:lists|periodic|extended_states)|dpkg/(?:lock|triggers/Lock)|ucf/|dbus/machine-id).*
  | var/lib/systemd/(?:random-seed|catalog/database)
  | var/lib/dpkg/(?:status|available|diversions|statoverride)-old
  | (?:run|tmp|proc|sys|dev)/.+
  | (?:root|home/[^/]+)/\.(?:cache|npm|wget-hsts|bash_history|python_history|lesshst|gnupg|pki)(?:/.*)?
  | etc/(?:machine-id|hostname|hosts|resolv\.conf|mtab|ld\.so\.cache|\.pwd\.lock)
  | etc/(?:passwd|group|shadow|gshadow|subuid|subgid)-
  | (?:.*/)?\.(?:cache|pytest_cache|mypy_cache|ruff_cache|uv)/.+
  | (?:.*/)?\.uuid
  | .+\.log(?:\.\d+)?(?:\.gz)?
    """,
    re.VERBOSE,
)
_INSTALLER_NOTE = re.compile(
    r"(?:.*/)?[^/]+\.(?:dist|egg)-info/(?:INSTALLER|REQUESTED|direct_url\.json|uv_cache\.json|uv_build\.json)"
)
_OS_RELEASE = frozenset({"etc/os-release", "usr/lib/os-release", "etc/debian_version", "etc/alpine-release"})
_PACKAGES = re.compile(r"var/lib/dpkg/status(?:\.d/[^/]+)?|(?:usr/)?lib/apk/db/installed")
_KIB, _MIB = 1024, 1024 * 1024
_SMALL = 64 * _KIB
_ARCHIVES = (".gz", ".whl", ".egg", ".jar", ".zip")


def is_log_or_cache(path: str) -> bool:
    """Say whether *path* is where systems and tools log, cache, or note who they are."""
    return _LOG_OR_CACHE.fullmatch(path) is not None


def is_installer_note(path: str) -> bool:
    """Say whether *path* is where an installer of Python distributions notes how it was called."""
    return _INSTALLER_NOTE.fullmatch(path) is not None


def is_os_release(path: str) -> bool:
    """Say whether *path* says which system an image is of: a layer that has it is a base image's."""
    return path in _OS_RELEASE


def is_package_database(path: str) -> bool:
    """Say whether dpkg, apk or rpm list at *path* what is installed."""
    return path in RPM_DATABASES or _PACKAGES.fullmatch(path) is not None


def is_telling(path: str, size: int) -> bool:
    """Say whether the contents of a file of *size* bytes at *path* may say why they differ."""
    if size <= _SMALL:
        return True
    if path.endswith((".pyc", ".pyo")):
        return size <= _MIB
    if path.endswith(".dist-info/RECORD") or is_package_database(path):
        return size <= 32 * _MIB
    return size <= 8 * _MIB and path.endswith(_ARCHIVES)


def source_of(path: str) -> str | None:
    """Return the path of the source that the bytecode at *path* was compiled from (PEP 3147); None if it is none."""
    folder, name = posixpath.split(path)
    stem, dot, suffix = name.partition(".")
    if posixpath.basename(folder) != "__pycache__" or not dot or not suffix.endswith("pyc"):
        return None
    return posixpath.join(posixpath.dirname(folder), f"{stem}.py")
