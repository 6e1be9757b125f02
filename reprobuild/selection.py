"""Selections remembered: what a lock installs on a target, without asking packaging again.

Importing packaging's lock reader takes longer than a build that has nothing to do.
"""

from reprobuild.canonical import canonical_json
from reprobuild.lockfile import ConnectorLock, Wheel
from reprobuild.store import Store
from reprobuild.target import Target, select, selection_key

__all__ = ["selected"]

_KIND = "selection"


def selected(store: Store, lock: ConnectorLock, target: Target) -> tuple[Wheel, ...]:
    """Return ``select(lock, target)``, from the store's records if these packages were asked for before."""
    packages = [[package.name, package.marker, [wheel.file for wheel in package.wheels]] for package in lock.packages]
    text = canonical_json([lock.python, lock.environments, packages]).decode()
    key = selection_key(text, target)
    wheels = {wheel.file: wheel for package in lock.packages for wheel in package.wheels}
    files = (store.record(_KIND, key) or {}).get("files")
    if isinstance(files, list) and all(isinstance(file, str) and file in wheels for file in files):
        return tuple(wheels[file] for file in files)
    chosen = select(lock, target)
    store.write_record(_KIND, key, {"files": [wheel.file for wheel in chosen]})
    return chosen
