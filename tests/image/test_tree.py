"""How layers add up (OCI image-spec, layer.md)."""

from hypothesis import given
from hypothesis import strategies as st

from reprobuild.image.tree import ImageTree, Node


def _file(layer: int = 0) -> Node:
    return Node(kind="file", layer=layer)


def _folder(layer: int = 0, mode: int = 0o755) -> Node:
    return Node(kind="directory", layer=layer, mode=mode)


def _link(target: str, layer: int = 0) -> Node:
    return Node(kind="symlink", target=target, layer=layer)


def _paths(tree: ImageTree) -> list[str]:
    return [path for path, _ in tree.walk() if path]


def test_a_file_brings_its_folders() -> None:
    tree = ImageTree()
    tree.place("a/b/c", _file())
    assert _paths(tree) == ["a", "a/b", "a/b/c"]


def test_a_whiteout_hides_what_is_below_and_nothing_of_its_own_layer() -> None:
    tree = ImageTree()
    tree.place("a/old", _file(0))
    tree.place("a/new", _file(1))
    tree.hide("a", layer=1)
    assert _paths(tree) == ["a", "a/new"]
    tree.hide("missing/x", layer=1)
    tree.hide("a/new", layer=2)
    assert _paths(tree) == ["a"]


def test_an_opaque_folder_keeps_its_own() -> None:
    tree = ImageTree()
    tree.place("a/old/deep", _file(0))
    tree.place("a", _folder(1, 0o700))
    tree.place("a/new", _file(1))
    tree.hide_below("a", layer=1)
    assert _paths(tree) == ["a", "a/new"]
    assert tree.get("a") == _folder(1, 0o700)


def test_a_folder_over_a_folder_keeps_the_contents_a_file_does_not() -> None:
    tree = ImageTree()
    tree.place("a/b", _file(0))
    tree.place("a", _folder(1, 0o711))
    assert _paths(tree) == ["a", "a/b"]
    tree.place("a", _file(2))
    assert _paths(tree) == ["a"]
    tree.place("a/b", _file(3))
    assert _paths(tree) == ["a", "a/b"]


def test_paths_lead_through_links_and_never_out() -> None:
    tree = ImageTree()
    tree.place("usr/bin/python3.11", _file())
    tree.place("usr/bin/python3", _link("python3.11"))
    tree.place("bin", _link("../../usr/bin"))
    tree.place("opt/py", _link("/bin/python3"))
    found = tree.find("/opt/py")
    assert found is not None
    assert found.path == "usr/bin/python3.11"
    assert found.links == ("opt/py", "bin", "usr/bin/python3")
    other = tree.find("/../bin/./..//bin/python3.11/")
    assert other is not None
    assert (other.path, other.links) == ("usr/bin/python3.11", ("bin",))


def test_an_entry_behind_a_link_lands_where_it_leads() -> None:
    tree = ImageTree()
    tree.place("usr/bin/a", _file(0))
    tree.place("bin", _link("usr/bin"))
    tree.place("bin/b", _file(1))
    assert _paths(tree) == ["bin", "usr", "usr/bin", "usr/bin/a", "usr/bin/b"]
    tree.hide("bin/a", layer=1)
    assert tree.find("usr/bin/a") is None


def test_a_circle_leads_nowhere() -> None:
    tree = ImageTree()
    tree.place("a", _link("b"))
    tree.place("b", _link("a"))
    assert tree.find("a/x") is None
    tree.place("a/x", _file(1))
    assert tree.find("b/x") is not None


_NAMES = st.sampled_from("abc")
_PATH = st.lists(_NAMES, min_size=1, max_size=4).map("/".join)
_STEP = st.one_of(
    st.tuples(st.just("file"), _PATH),
    st.tuples(st.just("directory"), _PATH),
    st.tuples(st.just("symlink"), _PATH),
    st.tuples(st.just("hide"), _PATH),
    st.tuples(st.just("below"), _PATH),
)


@given(st.lists(st.lists(_STEP, max_size=6), max_size=4))
def test_whatever_layers_do_every_path_has_folders_above_it(layers: list[list[tuple[str, str]]]) -> None:
    tree = ImageTree()
    for number, steps in enumerate(layers):
        for kind, path in steps:
            if kind == "hide":
                tree.hide(path, layer=number)
            elif kind == "below":
                tree.hide_below(path, layer=number)
            else:
                target = "/" + path[::-1] if kind == "symlink" else ""
                tree.place(path, Node(kind=kind, layer=number, target=target))  # type: ignore[arg-type]
    paths = _paths(tree)
    assert len(paths) == len(set(paths)) == len(tree) - 1
    for path in paths:
        above = tree.get(path.rpartition("/")[0])
        assert above is not None
        assert above.kind == "directory"
