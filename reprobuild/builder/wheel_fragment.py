"""A wheel of the store, turned into a fragment in the store: planned, written as tar, compressed, verified."""

from collections.abc import Iterable

from reprobuild.builder.compress import Compression
from reprobuild.builder.fragment import Fragment, Tick, make_fragment, nobody
from reprobuild.builder.layering import is_large
from reprobuild.builder.site import Site
from reprobuild.builder.tar import archive
from reprobuild.builder.tree import Entry, directory
from reprobuild.builder.wheel import contents, open_wheel, plan_wheel
from reprobuild.errors import ContentError
from reprobuild.lockfile import Wheel
from reprobuild.store import Store

__all__ = ["wheel_fragment"]


def wheel_fragment(
    wheel: Wheel, site: Site, store: Store, *, epoch: int, compression: Compression, tick: Tick = nobody
) -> Fragment:
    """Turn a wheel of the store into a fragment in the store, streaming; its bytes are verified on the way.

    Blocking, and safe to call from several threads for different wheels. *tick* is told of every block, in
    bytes before compression, and may raise to stop the work. A small wheel's fragment is not flushed to the disk:
    the layer that it becomes part of is.
    """
    _verify(wheel, store)
    with store.open(wheel.digest) as file, open_wheel(file, wheel.file) as zip_:
        plan = plan_wheel(zip_, wheel.file, site)
        folders = {folder for planned in plan for folder in site.parents(planned.entry.path)}
        pieces: dict[str, tuple[Entry, Iterable[bytes]]] = {path: (directory(path), ()) for path in folders}
        for planned in plan:
            if planned.entry.path in folders:
                raise ContentError(f"{planned.entry.path} is a file and a folder", where=wheel.file)
            pieces[planned.entry.path] = (planned.entry, contents(zip_, planned, wheel.file))
        ordered = (pieces[path] for path in sorted(pieces, key=str.encode))
        return make_fragment(archive(ordered, epoch=epoch), store, compression, tick=tick, flushed=is_large(wheel))


def _verify(wheel: Wheel, store: Store) -> None:
    """Hash the wheel before it is used: a store is a cache, and a cache is believed by digest only."""
    for _ in store.chunks(wheel.digest):
        pass
