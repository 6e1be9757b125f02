"""The layers that a store holds as directories, each beside a marker, and which of them is whose in which image."""

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from reprobuild.canonical import Digest, canonical_json, digest_of, hex_of
from reprobuild.engines.needs import known_needs
from reprobuild.image.index import RootLayer
from reprobuild.store import Store, replacing

__all__ = ["UnpackedLayers", "chain_of", "remove_directory"]

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_KIND = "unpacked"


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
