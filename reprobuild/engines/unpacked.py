"""A layer as a directory that an overlay can be mounted over: made once, kept in the store under its diffID.

Only whiteouts are in overlayfs' own form (kernel, filesystems/overlayfs.rst, "whiteouts and opaque directories").
An entry whose folder the layer itself lacks goes where the layers below say, as OCI image-spec, layer.md,
"Applying Changesets" has it: such a layer's directory is kept under its diffID and what it needs of those below.
"""

import fcntl
import glob
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from reprobuild.canonical import Digest, canonical_json, digest_of, hex_of
from reprobuild.engines.flavour import Flavour
from reprobuild.engines.needs import known_needs
from reprobuild.image.index import RootLayer
from reprobuild.store import CHUNK, Store, machine_errors, replacing

__all__ = ["UnpackedLayers", "unpacked", "unpacked_file"]

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KIND = "unpacked"


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


class UnpackedLayers:
    """The directories in *folder*, each beside a marker; *store* remembers which of them is whose in which image."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder, self._store, self._boot = folder, store, _BOOT.read_text(encoding="ascii").strip()

    def find(self, layers: Sequence[RootLayer]) -> list[Path | None]:
        """Return the directory of each of *layers*, lowest first; None for one that is not known to be there."""
        names = (self._known_name(layers[: number + 1]) for number in range(len(layers)))
        return [self.get(name) if name else None for name in names]

    def get(self, name: str) -> Path | None:
        """Return the directory *name* if it was made since the machine was started."""
        path, marker = self._folder / name, self._folder / f"{name}.json"
        try:
            boot = json.loads(marker.read_bytes())["boot"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        # Nothing is flushed to the disk; after a power cut it could be there without its bytes.
        if boot != self._boot or not path.is_dir():
            return None
        with suppress(OSError):
            os.utime(marker)  # `store gc` goes by it.
        return path

    def keep(self, root: Path, name: str, diff_id: Digest | None) -> Path:
        """Make *root* the directory *name*; *diff_id* is of the layer that alone says which files it has."""
        path = self._folder / name
        remove_directory(path)
        root.rename(path)
        with replacing(self._folder / f"{name}.json", flushed=False) as file:
            file.write(canonical_json({"boot": self._boot, "layer": diff_id}))
        return path

    def remember(self, layers: Sequence[RootLayer], name: str) -> None:
        """Let it be known that the last of *layers* is in the directory *name* on top of the others."""
        if self._known_name(layers) != name:
            self._store.write_record(_KIND, chain_of(layers), {"name": name})

    def _known_name(self, layers: Sequence[RootLayer]) -> str | None:
        needs = known_needs(layers[-1].diff_id, self._store)
        if needs is not None and needs.complete and not needs.asked:
            return hex_of(layers[-1].diff_id)
        name = (self._store.record(_KIND, chain_of(layers)) or {}).get("name")
        return name if isinstance(name, str) and not set(name) - set("0123456789abcdef") else None


def chain_of(layers: Sequence[RootLayer]) -> Digest:
    """Return the identity of *layers*, one on top of another."""
    return digest_of(canonical_json(["chain", *(layer.diff_id for layer in layers)]))


def remove_directory(path: Path) -> None:
    """Remove the directory at *path*, if there is one."""
    if path.exists():
        shutil.rmtree(path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until nobody else unpacks the same layer: it is made once, also by several at a time."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
