"""The lock's files in a workspace: what is there, read strictly or as far as it can be.

Light, because every build begins here. Writing is `reprobuild.resolver.update`'s, recording outputs the build's.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reprobuild.errors import LockError, MachineError
from reprobuild.failures import Failures, kept
from reprobuild.lock_reader import parse_base_lock, parse_connector_lock
from reprobuild.lockfile import BASE_LOCK, BaseImage, ConnectorLock, Lock, lock_path

__all__ = ["Damage", "Found", "find_lock", "locked_connectors", "read_lock"]

_LARGEST = 64 * 1024 * 1024
"""The most bytes of a lock file that are read; the largest real ones have less than one percent of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A lock file that cannot be used: its text, as far as there is any, and why."""

    text: str
    error: LockError


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What there is of a lock: the part that can be read, and the damaged files by their path in the workspace."""

    lock: Lock
    damaged: Mapping[str, Damage] = field(default_factory=dict)


def read_lock(root: Path, names: Collection[str], failures: Failures | None = None) -> Lock:
    """Return the lock of the connectors *names* in the workspace *root*, with all base images.

    Raises LockError with the next step if a file is missing, damaged or of a newer format. With *failures*, what is
    wrong with a connector's file is kept there.
    """
    found = _found(root, names)
    for path, name in (BASE_LOCK, None), *((lock_path(name), name) for name in names):
        with kept(None if name is None else failures, name or ""):
            if (damage := found.damaged.get(path)) is not None:
                raise damage.error
            if not (root / path).exists():
                raise LockError("there is no lock yet", where=path, hint="run `reprobuild lock update`, and commit it")
    return found.lock


def find_lock(root: Path, names: Collection[str] | None = None) -> Found:
    """Return what there is of the lock of *names*, of everything in the workspace *root* if None.

    Missing files are left out and damaged ones told apart. A lock of a newer format is not ours to replace:
    LockError.
    """
    found = _found(root, names)
    for damage in found.damaged.values():
        if "newer" in damage.error.message:
            raise damage.error
    return found


def _found(root: Path, names: Collection[str] | None) -> Found:
    connectors: dict[str, ConnectorLock] = {}
    bases: dict[str, BaseImage] = {}
    damaged: dict[str, Damage] = {}
    for path, name in [(BASE_LOCK, None), *((lock_path(name), name) for name in _names(root, names))]:
        text = ""
        try:
            text = _text(root, path)
            if name is None:
                bases = parse_base_lock(text, where=path)
            else:
                connectors[name] = parse_connector_lock(text, name, where=path)
        except FileNotFoundError:
            continue
        except LockError as error:
            damaged[path] = Damage(text=text, error=error)
    return Found(lock=Lock(bases=bases, connectors=connectors), damaged=damaged)


def locked_connectors(root: Path) -> tuple[str, ...]:
    """Return the names of the connectors that have a lock file in the workspace *root*, sorted."""
    prefix, suffix = "pylock.", ".toml"
    files = (path.name for path in (root / "lock").glob(f"{prefix}*{suffix}"))
    return tuple(sorted(name.removeprefix(prefix).removesuffix(suffix) for name in files))


def _names(root: Path, names: Collection[str] | None) -> Collection[str]:
    return locked_connectors(root) if names is None else names


def _text(root: Path, path: str) -> str:
    try:
        with (root / path).open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise LockError(f"more than {_LARGEST} bytes", where=path, hint="run `reprobuild lock update`")
        return data.decode("utf-8")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        raise LockError("not UTF-8 text", where=path, hint="run `reprobuild lock update`") from error
    except OSError as error:
        raise MachineError(error.strerror or str(error), where=path, hint="check the file and its owner") from error
