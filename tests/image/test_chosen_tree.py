"""What is left out of a tree of the files that matter makes no difference to them."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reprobuild.builder.tree import Entry
from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError
from reprobuild.image.chosen_tree import ChosenLayers
from reprobuild.image.index import IndexedFile, tree_of
from reprobuild.image.recent_rows import RecentRows
from reprobuild.store import Store
from tests.image.test_partial_tree import PATHS, files, remembered


@given(
    st.lists(st.lists(files(), max_size=6), min_size=1, max_size=3),
    st.lists(PATHS, max_size=3).map(frozenset),
    st.sampled_from([0, 1, 80_000]),
)
def test_files_that_matter_folders_and_links_are_as_in_the_whole_tree(
    layers: list[list[IndexedFile]], wanted: frozenset[str], room: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        found = remembered(layers, store)
        try:
            whole = tree_of(found, store, where="test")
        except ContentError:
            return  # a hard link to nothing, which reading the layer says
        chosen = ChosenLayers(lambda path: path in wanted, RecentRows(store), room=room)
        for _ in range(2):
            part = chosen.tree(found, where="test")
            for path, node in whole.walk():
                if node.kind != "file" or path in wanted:
                    assert part.get(path) == node
            assert {path for path, _ in part.walk()} <= {path for path, _ in whole.walk()}


def test_a_file_that_does_not_matter_is_left_out(store: Store) -> None:
    digest = digest_of(b"1")
    entries = [
        IndexedFile(entry=Entry(path="a", kind="directory")),
        *(IndexedFile(entry=Entry(path=f"a/{name}"), digest=digest) for name in "xyz"),
    ]
    part = ChosenLayers(lambda path: path == "a/y", RecentRows(store)).tree(remembered([entries], store), where="test")
    assert [path for path, _ in part.walk()] == ["", "a", "a/y"]
