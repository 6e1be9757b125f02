"""An update into the files of the workspace: whole files or none, and only those whose bytes change."""

from pathlib import Path

from reprobuild.lock_writer import write_base_lock, write_connector_lock
from reprobuild.lockfile import BASE_LOCK, lock_path
from reprobuild.resolver.update import Update
from reprobuild.store import machine_errors, replace_file

__all__ = ["write"]


def write(root: Path, update: Update) -> tuple[str, ...]:
    """Write *update* to the workspace *root*; return the paths that were written or removed, sorted.

    All texts are made before the first file changes; raises MachineError for what the disk refuses.
    """
    texts = {lock_path(name): write_connector_lock(update.lock.connectors[name]) for name in update.names}
    texts[BASE_LOCK] = write_base_lock(dict(update.lock.bases))
    changed = []
    for path, text in texts.items():
        data = text.encode("utf-8")
        if _bytes(root / path) != data:
            replace_file(root / path, data)
            changed.append(path)
    for name in update.removed:
        with machine_errors(root / lock_path(name)):
            (root / lock_path(name)).unlink(missing_ok=True)
        changed.append(lock_path(name))
    return tuple(sorted(changed))


def _bytes(path: Path) -> bytes | None:
    with machine_errors(path):
        return path.read_bytes() if path.is_file() else None
