"""A layer as a directory that an overlay can be mounted over: made once, kept in the store under its diffID.

Only whiteouts are in overlayfs' own form (kernel, filesystems/overlayfs.rst, "whiteouts and opaque directories").
An entry whose folder the layer itself lacks goes where the layers below say, as OCI image-spec, layer.md,
"Applying Changesets" has it: such a layer's directory depends on those below, and is kept under all their diffIDs.
"""

import fcntl
import glob
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from reprobuild.canonical import canonical_json, digest_of, hex_of
from reprobuild.engines.flavour import Flavour
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer, tree_of
from reprobuild.image.partial_tree import trees_at
from reprobuild.image.tree import ImageTree
from reprobuild.store import CHUNK, Store, machine_errors, replacing

__all__ = ["unpacked", "unpacked_file"]

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def unpacked(layers: Sequence[RootLayer], store: Store, flavour: Flavour, *, scratch: Path, where: str) -> list[Path]:
    """Return the directories that hold *layers*, lowest first, for processes of that *flavour*.

    Blocking. *scratch* is a directory of the caller's own on the file system of *store*, for what is half made.
    Raises ContentError for a layer that is not what its digests say, MachineError where it cannot be written.
    """
    folder = store.root / "unpacked" / flavour.name
    with machine_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # An image may have programs that make whoever runs them root: nobody else walks in.
        folder.chmod(0o700)
        found = _known(folder, layers)
        missing = {layer.diff_id for layer, path in zip(layers, found, strict=True) if path is None}
        if missing:
            with ExitStack() as locks:
                for diff_id in sorted(missing):
                    locks.enter_context(_alone(folder / f"{hex_of(diff_id)}.lock"))
                _unpack(layers, store, flavour, folder, scratch, where)
                found = _known(folder, layers)
    return [path for path in found if path is not None]


def unpacked_file(layer: RootLayer, path: str, size: int, store: Store) -> Iterator[bytes]:
    """Yield the bytes of the file at *path* in *layer*, if it has been unpacked and the file is there, else none.

    Unverified: whoever takes them knows their digest.
    """
    for place in store.root.glob(f"unpacked/*/{hex_of(layer.diff_id)}/{glob.escape(path)}"):
        with suppress(OSError), os.fdopen(os.open(place, _READ), "rb") as file:
            found = os.fstat(file.fileno())
            if stat.S_ISREG(found.st_mode) and found.st_size == size:
                while chunk := file.read(CHUNK):
                    yield chunk
                return


def _names(layers: Sequence[RootLayer]) -> tuple[str, str]:
    """Return the names of the last of *layers* for itself, and of it with those below."""
    chain = digest_of(canonical_json(["chain", *(layer.diff_id for layer in layers)]))
    return hex_of(layers[-1].diff_id), hex_of(chain)


def _known(folder: Path, layers: Sequence[RootLayer]) -> list[Path | None]:
    """Return the directory of each of *layers*; None for those that are not there."""
    return [_known_one(folder, layers[: number + 1]) for number in range(len(layers))]


def _known_one(folder: Path, layers: Sequence[RootLayer]) -> Path | None:
    for name in _names(layers):
        try:
            boot = json.loads((folder / f"{name}.json").read_bytes())["boot"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        # Nothing is flushed to the disk; after a power cut it could be there without its bytes.
        if boot == _boot() and (folder / name).is_dir():
            with suppress(OSError):
                os.utime(folder / f"{name}.json")  # `store gc` goes by it.
            return folder / name
    return None


def _unpack(
    layers: Sequence[RootLayer], store: Store, flavour: Flavour, folder: Path, scratch: Path, where: str
) -> None:
    """Make the directories of *layers* that are not in *folder*: drafts first, then what depends on those below."""
    from reprobuild.engines.draft import fill_directory  # noqa: PLC0415 - most layers are there already
    from reprobuild.engines.drafts import drafts  # noqa: PLC0415

    found = _known(folder, layers)
    places = [f"{where}, layer {number + 1} ({layer.descriptor.digest})" for number, layer in enumerate(layers)]
    missing = [number for number, path in enumerate(found) if path is None]
    made = drafts({number: (layers[number], places[number]) for number in missing}, scratch, store, flavour)
    asked = {path for number in made if number for path in made[number].asked}
    below = trees_at(layers[:-1], store, asked, where=where) if asked else None
    for number, place in enumerate(places):
        tree = next(below) if below is not None else ImageTree()
        if (draft := made.get(number)) is None:
            continue
        if not draft.settle(tree, where=place):
            _remove(draft.root)
            lower = [path for path in found[:number] if path is not None]
            whole = tree_of(layers[:number], store, where=where)
            copy = partial(_copy, whole, lower, place)
            fill_directory(layers[number], draft.root, store, flavour, below=whole, copy=copy, where=place)
        # Below the lowest there is nothing that it could depend on.
        found[number] = _keep(draft.root, folder, _names(layers[: number + 1])[1 if draft.depends and number else 0])


def _keep(root: Path, folder: Path, name: str) -> Path:
    _remove(folder / name)
    root.rename(folder / name)
    with replacing(folder / f"{name}.json", flushed=False) as file:
        file.write(canonical_json({"boot": _boot()}))
    return folder / name


def _copy(tree: ImageTree, below: Sequence[Path], where: str, path: str, place: Path) -> None:
    found = tree.find(path)
    if found is None or found.node.kind != "file":
        raise ContentError(f"a hard link to nothing, {path[:200]!r}", where=where)
    source = below[found.node.layer] / found.path
    shutil.copyfile(source, place, follow_symlinks=False)
    os.chown(place, found.node.uid, found.node.gid)
    shutil.copystat(source, place, follow_symlinks=False)


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
