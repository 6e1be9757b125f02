"""The layers of an image that was read, each with what its bytes are there for."""

from collections import OrderedDict
from collections.abc import Sequence

from reprobuild.analysis.facts import Cause, LayerSize
from reprobuild.analysis.owned_paths import has_rpm, is_listing, listed_by_apk, listed_by_dpkg
from reprobuild.analysis.sizes import Counted, Owners, causes_of, counted, instructions_of, total_of
from reprobuild.canonical import Digest
from reprobuild.image.index import RootLayer
from reprobuild.image.recent_rows import RecentRows
from reprobuild.image.tree import ImageTree
from reprobuild.sbom.inventory import ReadImage
from reprobuild.store import Store

__all__ = ["LayerSizes"]

_FOLDERS = ("var/lib/dpkg/info", "var/lib/dpkg/status.d")
_MOST = 4
"""Sets of paths that are remembered: images of one fleet have the same packages, or nearly."""


class LayerSizes:
    """What the layers of images in *store* are made of, by their *rows*; what bases share is counted once."""

    def __init__(self, store: Store, rows: RecentRows) -> None:
        self._store = store
        self._rows = rows
        self._totals: dict[Digest, int] = {}
        self._known: dict[tuple[Digest, frozenset[str], str, bool], Counted] = {}
        self._owned: OrderedDict[tuple[tuple[str, Digest], ...], frozenset[str]] = OrderedDict()

    def of(self, image: ReadImage, *, connector: str, base_layers: int, where: str) -> tuple[LayerSize, ...]:
        """Return the layers of *image*, which is *connector*'s; the lowest *base_layers* are not taken apart.

        Blocking. All layers have an index in the store, and listings of packages are there.
        """
        pairs = zip(image.manifest.layers, image.config.diff_ids, strict=True)
        layers = [RootLayer(descriptor=descriptor, diff_id=diff_id) for descriptor, diff_id in pairs]
        said = instructions_of(image.config.history, len(layers))
        workdir = image.config.config.get("WorkingDir")
        owners = Owners(
            packages=self._listed(image.tree) if base_layers < len(layers) else frozenset(),
            workdir=workdir if isinstance(workdir, str) else "",
            is_rpm=has_rpm(image.tree),
        )
        return tuple(
            LayerSize(
                digest=layer.descriptor.digest,
                compressed=layer.descriptor.size,
                causes=self._base(layer, where)
                if place < base_layers
                else causes_of(self._counted(layer, owners, where), connector),
                created_by=said[place],
                is_base=place < base_layers,
            )
            for place, layer in enumerate(layers)
        )

    def _base(self, layer: RootLayer, where: str) -> dict[str, int]:
        if layer.diff_id not in self._totals:
            self._totals[layer.diff_id] = total_of(self._rows.of(layer, where=where))
        total = self._totals[layer.diff_id]
        return {Cause.BASE: total} if total else {}

    def _counted(self, layer: RootLayer, owners: Owners, where: str) -> Counted:
        key = layer.diff_id, owners.packages, owners.workdir, owners.is_rpm
        if key not in self._known:
            self._known[key] = counted(self._rows.of(layer, where=where), owners)
        return self._known[key]

    def _listed(self, tree: ImageTree) -> frozenset[str]:
        """Return the paths that packages own in *tree*."""
        listings = tuple(_listings(tree))
        if (known := self._owned.get(listings)) is None:
            known = frozenset(
                path
                for listing, digest in listings
                if digest in self._store
                for path in listed_by_dpkg(listing, self._store.read(digest))
            )
            self._owned[listings] = known
            while len(self._owned) > _MOST:
                self._owned.popitem(last=False)
        by_apk = frozenset(listed_by_apk(tree))
        return known | by_apk if by_apk else known


def _listings(tree: ImageTree) -> Sequence[tuple[str, Digest]]:
    found = []
    for folder in _FOLDERS:
        for name in tree.names(folder):
            node = tree.get(f"{folder}/{name}")
            if node is not None and node.digest is not None and is_listing(f"{folder}/{name}"):
                found.append((f"{folder}/{name}", node.digest))
    return found
