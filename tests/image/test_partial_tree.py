"""What is left out of a tree of a few paths makes no difference to them."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reprobuild.builder.tree import Entry
from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError
from reprobuild.image.index import IndexedFile, RootLayer, remember_index, tree_of
from reprobuild.image.partial_tree import trees_at
from reprobuild.image.tree import ImageTree
from reprobuild.oci.types import LAYER_TAR, Descriptor
from reprobuild.store import Store

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
CONTENTS = st.sampled_from([digest_of(b"1"), digest_of(b"2")])


@st.composite
def files(draw: st.DrawFn) -> IndexedFile:
    path = draw(PATHS)
    kind = draw(st.sampled_from(["file", "file", "directory", "directory", "symlink", "hardlink", "hides"]))
    if kind == "hides":
        return IndexedFile(entry=Entry(path=path, kind="file"), hides=draw(st.sampled_from(["path", "below"])))
    if kind == "file":
        return IndexedFile(entry=Entry(path=path, mode=draw(st.sampled_from([0o644, 0o600]))), digest=draw(CONTENTS))
    if kind == "directory":
        return IndexedFile(entry=Entry(path=path, kind="directory", uid=draw(st.integers(0, 1))), mtime=5)
    target = draw(PATHS) if kind == "hardlink" else draw(st.one_of(PATHS, PATHS.map("/{}".format), st.just("..")))
    return IndexedFile(entry=Entry(path=path, kind=kind, target=target))  # type: ignore[arg-type]


def remembered(layers: list[list[IndexedFile]], store: Store) -> list[RootLayer]:
    found = []
    for number, layer in enumerate(layers):
        digest = digest_of(str(number).encode())
        remember_index(digest, layer, store)
        found.append(RootLayer(descriptor=Descriptor(media_type=LAYER_TAR, digest=digest, size=1), diff_id=digest))
    return found


def said(tree: ImageTree, paths: list[str]) -> list[object]:
    above = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(1, 5)}
    return [(path, tree.get(path)) for path in sorted(above)]


@given(st.lists(st.lists(files(), max_size=6), min_size=1, max_size=3), st.lists(PATHS, min_size=1, max_size=2))
def test_a_few_paths_are_as_in_the_whole_tree(layers: list[list[IndexedFile]], paths: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        found = remembered(layers, store)
        try:
            wholes = [tree_of(found[:number], store, where="test") for number in range(len(found) + 1)]
        except ContentError:
            return  # a hard link to nothing, which reading the layer says
        for whole, part in zip(wholes, trees_at(found, store, paths, where="test"), strict=True):
            assert said(part, paths) == said(whole, paths)
