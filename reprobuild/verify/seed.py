"""What a rebuild starts from: a copy of the workspace, and a store with what images are made from and nothing else."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from reprobuild.builder.base import stored_manifest
from reprobuild.builder.compiler import compiling_platform
from reprobuild.builder.plan import PlannedImage
from reprobuild.canonical import Digest
from reprobuild.store import Store, machine_errors
from reprobuild.workspace import Workspace

__all__ = ["copy_workspace", "seed_store", "sources_of"]

_LEFT_OUT = frozenset({".git", ".venv", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"})


def sources_of(images: Sequence[PlannedImage], store: Store) -> set[Digest]:
    """Return the blobs that *images* are made from: wheels, documents of bases, and what is executed needs."""
    found: set[Digest] = set()
    for image in images:
        derivation = image.derivation
        manifest, _ = stored_manifest(derivation.base, derivation.platform, store)
        found |= {wheel.digest for wheel in derivation.installed}
        found |= {derivation.base_platform.manifest, manifest.config.digest}
        if derivation.hooks:
            found |= {layer.digest for layer in manifest.layers} | {item.digest for item in derivation.inputs}
        if derivation.bytecode != "none":
            platform = compiling_platform(derivation.base)
            compiler, _ = stored_manifest(derivation.base, platform, store)
            found |= {derivation.base.platforms[platform].manifest, compiler.config.digest}
            found |= {layer.digest for layer in compiler.layers}
    return found


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


def copy_workspace(workspace: Workspace, folder: Path, *, reverse: bool) -> None:
    """Make *folder* a copy of what *workspace* is specified by; with *reverse*, files are made in reverse order."""
    folder.mkdir(parents=True)
    for path in sorted(workspace.root.iterdir(), reverse=reverse):
        if path.is_file():
            shutil.copy2(path, folder / path.name)
    for path in sorted(set(_places(workspace)), reverse=reverse):
        with machine_errors(path):
            _copy(path, folder / path.relative_to(workspace.root), reverse=reverse)


def _places(workspace: Workspace) -> Iterator[Path]:
    """Yield the files and folders below the root that the specification names, the locks among them."""
    named = [workspace.root / "lock"]
    for connector in workspace.connectors.values():
        hooks = connector.hooks
        named += [path for path in (hooks.pre_install, hooks.post_install, hooks.customization) if path]
        named += [item.path for item in connector.inputs if item.path]
        named += [] if connector.folder is None else [workspace.root / connector.folder]
    for path in named:
        inside = path.resolve().is_relative_to(workspace.root.resolve())
        if inside and path.exists() and path.resolve() != workspace.root.resolve():
            yield path.resolve()


def _copy(source: Path, target: Path, *, reverse: bool) -> None:
    """Copy a file, a link or a folder, all names of it in order or in reverse."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink() or not source.is_dir():
        if source.is_symlink() or source.is_file():
            shutil.copy2(source, target, follow_symlinks=False)
        return
    target.mkdir(exist_ok=True)
    for path in sorted(source.iterdir(), reverse=reverse):
        if path.name not in _LEFT_OUT:
            _copy(path, target / path.name, reverse=reverse)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        pass
    except OSError:
        shutil.copyfile(source, target)
