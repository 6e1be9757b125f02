"""Whether what a store holds is what its names say; what is not leaves it, and is made or fetched again."""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from reprobuild.canonical import Digest, parse_digest
from reprobuild.errors import ContentError, MachineError
from reprobuild.garbage.holding import Holding, Item, Record, holding
from reprobuild.progress import Progress, Task
from reprobuild.store import CHUNK, Store, parse_record

__all__ = ["Checked", "check"]

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """How many blobs are whole, and what was damaged and has been removed: digests, ``KIND/KEY``, and paths."""

    whole: int
    blobs: tuple[str, ...]
    records: tuple[str, ...]
    unpacked: tuple[str, ...]

    @property
    def damaged(self) -> tuple[str, ...]:
        """All that was removed."""
        return (*self.blobs, *self.records, *self.unpacked)


def check(store: Store, progress: Progress) -> Checked:
    """Look at all that *store* holds, and remove what is damaged. Blocking.

    A record is whole if it is what was written: whatever it refers to is looked at when it is used. Of an unpacked
    layer, every file is compared with what was in the layer, as far as that is remembered and this user may read it.
    """
    held = holding(store)
    task = progress.task("hashing", sum(item.size for item in (*held.blobs.values(), *held.unpacked)))
    blobs = _damaged_blobs(held, store, task)
    records = [f"{item.kind}/{item.name}" for item in held.records if not _is_readable(item)]
    unpacked = [item for item in held.unpacked if not _is_sound(item, store, task)]
    for item in unpacked:
        _remove(item)
    task.finish()
    return Checked(
        whole=len(held.blobs) - len(blobs),
        blobs=tuple(blobs),
        records=tuple(records),
        unpacked=tuple(str(item.path) for item in unpacked),
    )


def _damaged_blobs(held: Holding, store: Store, task: Task) -> list[str]:
    damaged = []
    for item in held.blobs.values():
        try:
            for chunk in store.chunks(Digest(f"sha256:{item.name}")):
                task.advance(len(chunk))
        except ContentError:
            # Gone in the meantime is no damage, but then it is not whole either: another run took it out.
            damaged.append(f"sha256:{item.name}")
    return damaged


def _is_readable(item: Record) -> bool:
    """Say whether the record *item* can be read, and is what was written; remove it if not."""
    try:
        if parse_record(item.path.read_bytes(), item.kind, Digest(f"sha256:{item.name}")) is not None:
            return True
    except FileNotFoundError:
        return True
    item.path.unlink(missing_ok=True)
    return False


def _is_sound(item: Item, store: Store, task: Task) -> bool:
    """Say whether the files in an unpacked layer are those of the layer of that name."""
    for path, (size, digest) in _expected(item, store).items():
        try:
            handle = os.open(item.path / path, _READ)
        except PermissionError:
            continue
        except OSError:
            return False
        with os.fdopen(handle, "rb") as file:
            found, hash_ = os.fstat(handle), hashlib.sha256()
            if not stat.S_ISREG(found.st_mode) or found.st_size != size:
                return False
            while chunk := file.read(CHUNK):
                hash_.update(chunk)
                task.advance(len(chunk))
        if hash_.hexdigest() != digest:
            return False
    return True


def _expected(item: Item, store: Store) -> Mapping[str, tuple[int, str]]:
    """Return size and digest of the files that are in an unpacked layer; of one that is not remembered, none.

    Of a directory that depends on all layers below, its marker does not say whose files it has.
    """
    from reprobuild.image.index import known_index  # noqa: PLC0415 - most stores have unpacked nothing

    try:
        diff_id = parse_digest(json.loads(item.path.with_name(f"{item.name}.json").read_bytes()).get("layer"))
    except (ContentError, OSError, ValueError, AttributeError):
        return {}
    last = {one.entry.path: one for one in known_index(diff_id, store) or () if not one.hides}
    others = {path for path, one in last.items() if one.entry.kind != "directory"}
    return {
        path: (one.entry.size, one.digest.partition(":")[2])
        for path, one in last.items()
        if one.entry.kind == "file" and one.digest is not None and others.isdisjoint(_above(path))
    }


def _above(path: str) -> list[str]:
    """Return the folders that *path* is in; where one is a link, the file is elsewhere."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _remove(item: Item) -> None:
    from reprobuild.engines.removal import remove  # noqa: PLC0415

    item.path.with_name(f"{item.name}.json").unlink(missing_ok=True)
    with suppress(MachineError):  # Without its marker it is not used any more; the next collection tries again.
        remove([item.path])
