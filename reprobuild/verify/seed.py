"""What a rebuild starts from: a copy of the workspace, and a store with what images are made from and nothing else."""

import os
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from reprobuild.builder.base import stored_manifest
from reprobuild.builder.compiler import compiling_platform
from reprobuild.builder.connector import is_left_out
from reprobuild.builder.plan import PlannedImage
from reprobuild.canonical import Digest
from reprobuild.store import Store, machine_errors
from reprobuild.verify.conditions import Conditions
from reprobuild.workspace import Workspace

__all__ = ["base_blobs", "copy_workspace", "listed_otherwise", "seed_store", "sources_of"]

_DAY = 24 * 60 * 60


def sources_of(
    images: Sequence[PlannedImage], store: Store, built: Mapping[Digest, Collection[Digest]] | None = None
) -> set[Digest]:
    """Return the blobs that *images* are made from: wheels, documents of bases, and what is executed needs.

    *built* has the blobs that a wheel is built from, by its digest: such a wheel is none of the sources.
    """
    found: set[Digest] = set()
    for image in images:
        derivation = image.derivation
        manifest, _ = stored_manifest(derivation.base, derivation.platform, store)
        for wheel in derivation.installed:
            found |= set((built or {}).get(wheel.digest, {wheel.digest}))
        found |= {derivation.base_platform.manifest, manifest.config.digest}
        if derivation.hooks:
            found |= {layer.digest for layer in manifest.layers} | {item.digest for item in derivation.inputs}
        if derivation.bytecode != "none":
            platform = compiling_platform(derivation.base)
            compiler, _ = stored_manifest(derivation.base, platform, store)
            found |= {derivation.base.platforms[platform].manifest, compiler.config.digest}
            found |= {layer.digest for layer in compiler.layers}
    return found


def base_blobs(images: Sequence[PlannedImage], store: Store) -> set[Digest]:
    """Return the layers of the bases of *images*."""
    manifests = (stored_manifest(image.derivation.base, image.derivation.platform, store)[0] for image in images)
    return {layer.digest for manifest in manifests for layer in manifest.layers}


def seed_store(store: Store, folder: Path, digests: Iterable[Digest]) -> Store:
    """Return a store in *folder* that has the blobs *digests* of *store*, by hard links where they can be made."""
    seeded = Store(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for digest in digests:
        target = seeded.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        with machine_errors(store.path(digest)):
            _link(store.path(digest), target)
    return seeded


def copy_workspace(workspace: Workspace, folder: Path, conditions: Conditions) -> None:
    """Make *folder* a copy of what *workspace* is specified by, as a checkout under *conditions* is.

    Wheels in ``lock/wheels`` are left out: they are in the store, or have to be built.
    """
    copy = _Copy(conditions)
    copy.folder(folder)
    files = [path for path in workspace.root.iterdir() if path.is_file()]
    for path in sorted({*files, *_places(workspace)}, reverse=conditions.reverse):
        with machine_errors(path):
            copy.tree(path, folder / path.relative_to(workspace.root), below=folder)


def listed_otherwise(one: Path, other: Path) -> bool:
    """Say whether any folder below *one* lists its files in another order than its like below *other*."""
    for path, _, _ in os.walk(one):
        like = other / Path(path).relative_to(one)
        if like.is_dir() and os.listdir(path) != os.listdir(like):  # noqa: PTH208 - the order is what is asked for
            return True
    return False


def _places(workspace: Workspace) -> Iterator[Path]:
    """Yield the files and folders below the root that the specification names, the locks among them."""
    named: list[Path | None] = [*(workspace.root / "lock").glob("*.toml")]
    for connector in workspace.connectors.values():
        hooks = connector.hooks
        named += [hooks.pre_install, hooks.post_install, hooks.customization]
        named += [item.path for item in connector.inputs]
        named += [secret.file for secret in connector.secrets]
        named += [None if connector.folder is None else workspace.root / connector.folder]
    root = workspace.root.resolve()
    for path in named:
        if path is not None and path.exists() and root in path.resolve().parents:
            yield workspace.root / path.resolve().relative_to(root)
            if path.is_symlink() and workspace.root in path.parents:
                yield path


class _Copy:
    """Copies files as a checkout makes them: modes from the umask, new times, names in order or in reverse."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions

    def tree(self, source: Path, target: Path, *, below: Path) -> None:
        """Copy a file, a link or a folder; folders between *below* and *target* are made."""
        for parent in [*reversed(target.relative_to(below).parents)][1:]:
            self.folder(below / parent)
        if source.is_symlink():
            if not target.is_symlink():
                target.symlink_to(source.readlink())
        elif source.is_dir():
            self.folder(target)
            for path in sorted(source.iterdir(), reverse=self._conditions.reverse):
                if not is_left_out(path.name, folder=path.is_dir()):
                    self.tree(path, target / path.name, below=target)
        elif source.is_file():
            self._file(source, target)

    def folder(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o777 & ~self._conditions.umask)

    def _file(self, source: Path, target: Path) -> None:
        status = source.stat()
        shutil.copyfile(source, target)
        target.chmod((0o777 if status.st_mode & stat.S_IXUSR else 0o666) & ~self._conditions.umask)
        time = status.st_mtime + self._conditions.days * _DAY
        os.utime(target, (time, time))


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        pass
    except OSError:
        shutil.copyfile(source, target)
