"""What is in a store, as it stands on the disk."""

import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reprobuild.store import Store, machine_errors

__all__ = ["Holding", "Item", "Record", "holding", "is_name", "tree_size"]

_NAME = re.compile(r"[0-9a-f]{64}")
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_OWN = frozenset({"blobs", "records", "unpacked", "tmp", "sandboxes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file, or a directory with all that is in it: *size* in bytes, last used at *used*, in seconds of the epoch."""

    path: Path
    size: int
    used: float

    @property
    def name(self) -> str:
        """The last part of the path; for a blob, its digest without the algorithm."""
        return self.path.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Item):
    """A record of *kind*; its name is that of its key."""

    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a store holds. ``unpacked`` are layers as directories, ``leftovers`` what nobody will use any more.

    ``other`` counts the bytes of everything else.
    """

    blobs: Mapping[str, Item]
    records: tuple[Record, ...]
    unpacked: tuple[Item, ...]
    leftovers: tuple[Item, ...]
    other: int

    @property
    def size(self) -> int:
        """The bytes of all that is there."""
        parts = (self.blobs.values(), self.records, self.unpacked, self.leftovers)
        return sum(item.size for part in parts for item in part) + self.other


def holding(store: Store) -> Holding:
    """Return what *store* holds. Blocking; what comes or goes meanwhile is there or not."""
    with machine_errors(store.root):
        unpacked, broken = _unpacked(store.root / "unpacked")
        return Holding(
            blobs={item.name: item for item in _files(store.root / "blobs" / "sha256")},
            records=tuple(
                Record(path=item.path, size=item.size, used=item.used, kind=kind.name)
                for kind in _listed(store.root / "records")
                for item in _files(kind)
            ),
            unpacked=tuple(unpacked),
            leftovers=(*map(_item, _abandoned(store.root)), *broken),
            other=sum(tree_size(path) for path in _listed(store.root) if path.name not in _OWN),
        )


def is_name(text: str) -> bool:
    """Say whether *text* is called as blobs, records and unpacked layers are."""
    return _NAME.fullmatch(text) is not None


def tree_size(path: Path) -> int:
    """Return the bytes of all files at and below *path*, as far as it can be read, those with two names once."""
    total, seen, waiting = 0, set[tuple[int, int]](), [str(path)]
    while waiting:
        place = waiting.pop()
        with suppress(OSError):
            found = os.lstat(place)
            if stat.S_ISDIR(found.st_mode):
                waiting += [entry.path for entry in os.scandir(place)]
            elif found.st_nlink == 1 or (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                total += found.st_size
    return total


def _abandoned(root: Path) -> Iterator[Path]:
    """Yield what commands that were killed have left half made, as long as nobody uses the store."""
    yield from _listed(root / "tmp")
    yield from (path for path in _listed(root / "python") if path.name.startswith(".tmp-"))
    for flavour in _listed(root / "sandboxes"):
        for path in _listed(flavour):
            if not _is_locked(path):
                yield path


def _is_locked(path: Path) -> bool:
    """Say whether a run has its folder *path* locked; see `run_folder`."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except NotADirectoryError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _files(folder: Path) -> Iterator[Item]:
    """Yield the files ``ab/<64 digits>`` in *folder*; one of any other name is none of ours."""
    for prefix in _listed(folder):
        if not prefix.is_dir():
            continue
        with os.scandir(prefix) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                with suppress(FileNotFoundError):
                    if is_name(entry.name) and entry.is_file(follow_symlinks=False):
                        found = entry.stat(follow_symlinks=False)
                        yield Item(path=Path(entry.path), size=found.st_size, used=found.st_mtime)


def _unpacked(folder: Path) -> tuple[list[Item], list[Item]]:
    """Return the unpacked layers of all flavours, and what is there besides that nobody can use."""
    whole, broken, boot = [], [], _boot()
    for flavour in _listed(folder):
        for path in _listed(flavour):
            marker = path.with_name(f"{path.name}.json")
            if is_name(path.name) and _is_usable(marker, boot):
                found = marker.stat()
                whole.append(Item(path=path, size=tree_size(path), used=found.st_mtime))
            elif not (is_name(path.stem) and _is_partner(path, boot)):
                broken.append(_item(path))
    return whole, broken


def _is_partner(path: Path, boot: str) -> bool:
    """Say whether *path* is the marker or the lock of a layer that can be used."""
    marker = path.with_suffix(".json")
    return path.suffix in {".json", ".lock"} and path.with_suffix("").is_dir() and _is_usable(marker, boot)


def _is_usable(marker: Path, boot: str) -> bool:
    try:
        return bool(json.loads(marker.read_bytes())["boot"] == boot)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _item(path: Path) -> Item:
    try:
        used = path.lstat().st_mtime
    except OSError:
        used = 0.0
    return Item(path=path, size=tree_size(path), used=used)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
