"""A layer's directory, made before anybody knows what lies below it, so that several are made at a time.

Most layers say all that their directories hold; what such a layer takes for granted are folders that it leaves out.
Who knows what is below tells them to `Draft.settle`, or makes the directory anew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reprobuild.builder.tree import Entry
from reprobuild.engines.file_metadata import set_metadata
from reprobuild.engines.flavour import Flavour
from reprobuild.engines.layer_directory import LayerDirectory
from reprobuild.engines.layer_places import Below
from reprobuild.engines.needs import Needs, remember_needs
from reprobuild.image.index import RootLayer, is_indexed, remember_index
from reprobuild.image.layer_files import layer_files
from reprobuild.image.tree import Node
from reprobuild.store import Store

__all__ = ["Draft", "draft", "fill_directory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The directory *root* as far as the layer alone says, and what else it ``needs`` to know."""

    root: Path
    needs: Needs

    def settle(self, folders: Mapping[str, Node], *, where: str) -> None:
        """Give the *folders* that were left out what they have below."""
        for path, node in folders.items():
            entry = Entry(path=path, kind="directory", mode=node.mode, uid=node.uid, gid=node.gid, xattrs=node.xattrs)
            set_metadata(str(self.root / path), entry, node.mtime, where=where)


def draft(layer: RootLayer, root: Path, store: Store, flavour: Flavour, *, where: str) -> Draft:
    """Make the directory of *layer* at *root*, where nothing is; index and needs are then in *store*. Blocking."""
    unknown = _Unknown()
    try:
        left = fill_directory(layer, root, store, flavour, below=unknown, copy=_no_copy, where=where)
        needs = Needs(asked=tuple(unknown.asked), left_out=left)
    except _DependsOnMoreError:
        needs = Needs(complete=False)
    remember_needs(layer.diff_id, needs, store)
    return Draft(root=root, needs=needs)


def fill_directory(
    layer: RootLayer,
    root: Path,
    store: Store,
    flavour: Flavour,
    *,
    below: Below,
    copy: Callable[[str, Path], None],
    where: str,
) -> frozenset[str]:
    """Make the directory *root* of *layer*, and return what it leaves out: see `LayerDirectory`.

    Blocking; the layer's index is then in *store*. Raises ContentError for a layer that is not what its digests say.
    """
    root.mkdir(mode=0o755)
    root.chmod(0o755)
    directory = LayerDirectory(root, flavour, below, copy, where)
    files = directory.fill(layer_files(layer.descriptor, layer.diff_id, store, where=where))
    if not is_indexed(layer.diff_id, store):
        remember_index(layer.diff_id, files, store)
    return frozenset(directory.left_out)


class _DependsOnMoreError(Exception):
    """What a layer holds cannot be written without knowing what is below."""


class _Unknown:
    """Stands for what is below: nothing, as far as anybody knows; notes what was asked, in order."""

    def __init__(self) -> None:
        self.asked: dict[str, None] = {}

    def get(self, path: str) -> Node | None:
        self.asked[path] = None
        return None


def _no_copy(path: str, _: Path) -> None:
    raise _DependsOnMoreError(path)
