"""A layer as a directory that an overlay can be mounted over: made once, kept in the store under its diffID.

Only whiteouts are in overlayfs' own form (kernel, filesystems/overlayfs.rst, "whiteouts and opaque directories").
An entry whose folder the layer itself lacks goes where the layers below say, as OCI image-spec, layer.md,
"Applying Changesets" has it: such a layer's directory depends on those below, and is kept under all their diffIDs.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reprobuild.canonical import canonical_json, digest_of, hex_of
from reprobuild.engines.flavour import Flavour
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer, known_index, remember_index, tree_of
from reprobuild.image.layer_files import layer_files
from reprobuild.image.tree import ImageTree
from reprobuild.store import Store, machine_errors, replacing

__all__ = ["unpacked"]

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def unpacked(layers: Sequence[RootLayer], store: Store, flavour: Flavour, *, scratch: Path, where: str) -> list[Path]:
    """Return the directories that hold *layers*, lowest first, for processes of that *flavour*.

    Blocking. *scratch* is a directory of the caller's own on the file system of *store*, for what is half made.
    Raises ContentError for a layer that is not what its digests say, MachineError where it cannot be written.
    """
    folder = store.root / "unpacked" / flavour.name
    found: list[Path] = []
    with machine_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # An image may have programs that make whoever runs them root: nobody else walks in.
        folder.chmod(0o700)
        for number, layer in enumerate(layers):
            place = f"{where}, layer {number + 1} ({layer.descriptor.digest})"
            with _alone(folder / f"{hex_of(layer.diff_id)}.lock"):
                known = _known(folder, layers[: number + 1])
                found.append(known or _unpack(layers[: number + 1], found, store, flavour, folder, scratch, place))
    return found


def _names(layers: Sequence[RootLayer]) -> tuple[str, str]:
    """Return the names of the last of *layers* for itself, and of it with those below."""
    chain = digest_of(canonical_json(["chain", *(layer.diff_id for layer in layers)]))
    return hex_of(layers[-1].diff_id), hex_of(chain)


def _known(folder: Path, layers: Sequence[RootLayer]) -> Path | None:
    for name in _names(layers):
        try:
            boot = json.loads((folder / f"{name}.json").read_bytes())["boot"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        # Nothing is flushed to the disk; after a power cut it could be there without its bytes.
        if boot == _boot() and (folder / name).is_dir():
            return folder / name
    return None


def _unpack(
    layers: Sequence[RootLayer],
    below: Sequence[Path],
    store: Store,
    flavour: Flavour,
    folder: Path,
    scratch: Path,
    where: str,
) -> Path:
    from reprobuild.engines.layer_directory import LayerDirectory  # noqa: PLC0415 - most layers are there already

    asked: list[ImageTree] = []

    def tree() -> ImageTree:
        if not asked:
            asked.append(tree_of(layers[:-1], store, where=where))
        return asked[0]

    layer, root = layers[-1], scratch / "layer"
    _remove(root)
    root.mkdir(mode=0o755)
    root.chmod(0o755)
    directory = LayerDirectory(root, flavour, tree, _copier(tree, below, where), where)
    files = directory.fill(layer_files(layer.descriptor, layer.diff_id, store, where=where))
    if known_index(layer.diff_id, store) is None:
        remember_index(layer.diff_id, files, store)
    name = _names(layers)[1 if asked else 0]
    _remove(folder / name)
    root.rename(folder / name)
    with replacing(folder / f"{name}.json", flushed=False) as file:
        file.write(canonical_json({"boot": _boot()}))
    return folder / name


def _copier(tree: Callable[[], ImageTree], below: Sequence[Path], where: str) -> Callable[[str, Path], None]:
    def copy(path: str, place: Path) -> None:
        found = tree().find(path)
        if found is None or found.node.kind != "file":
            raise ContentError(f"a hard link to nothing, {path[:200]!r}", where=where)
        source = below[found.node.layer] / found.path
        shutil.copyfile(source, place, follow_symlinks=False)
        os.chown(place, found.node.uid, found.node.gid)
        shutil.copystat(source, place, follow_symlinks=False)

    return copy


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until nobody else unpacks the same layer: it is made once, also by several at a time."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def _boot() -> str:
    return _BOOT.read_text(encoding="ascii").strip()
