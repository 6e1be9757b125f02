"""A layer as a directory that an overlay can be mounted over: made once, kept in the store under its diffID.

Only whiteouts are in overlayfs' own form (kernel, filesystems/overlayfs.rst, "whiteouts and opaque directories").
An entry whose folder the layer itself lacks goes where the layers below say, as OCI image-spec, layer.md,
"Applying Changesets" has it: such a layer's directory is kept under its diffID and what it needs of those below.
"""

import fcntl
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from reprobuild.canonical import hex_of
from reprobuild.engines.flavour import Flavour
from reprobuild.engines.unpacked_layers import UnpackedLayers
from reprobuild.image.index import RootLayer
from reprobuild.store import CHUNK, Store, machine_errors

__all__ = ["unpacked", "unpacked_file"]

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
        shelf = UnpackedLayers(folder, store)
        found = shelf.find(layers)
        missing = {layer.diff_id for layer, path in zip(layers, found, strict=True) if path is None}
        if missing:
            from reprobuild.engines.unpacking import Unpacking  # noqa: PLC0415 - most layers are there already

            with ExitStack() as locks:
                for diff_id in sorted(missing):
                    locks.enter_context(_alone(folder / f"{hex_of(diff_id)}.lock"))
                found = Unpacking(layers, store, flavour, shelf, scratch, where).done()
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


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until nobody else unpacks the same layer: it is made once, also by several at a time."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
