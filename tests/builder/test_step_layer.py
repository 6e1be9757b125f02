"""What a step changed → entries: only what differs, in order, whatever an engine reports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.builder.masked import is_masked, settled_shadow
from reprobuild.builder.step_layer import StepEntry, step_entries
from reprobuild.builder.tree import Entry, directory, parents, symlink
from reprobuild.canonical import Digest, digest_of
from reprobuild.engines.execution import Change, Changes
from reprobuild.errors import ContentError
from reprobuild.image.tree import ImageTree, node_of

EPOCH = 315532800


def content(text: str) -> Digest:
    return digest_of(text.encode())


def file(path: str, text: str = "", *, mode: int = 0o644, **rest: int) -> Change:
    return Change(entry=Entry(path=path, mode=mode, size=len(text), **rest), digest=content(text))


def folder(path: str, mode: int = 0o755) -> Change:
    return Change(entry=directory(path, mode=mode))


def tree(*changes: Change) -> ImageTree:
    found = ImageTree()
    for change in changes:
        found.place(change.entry.path, node_of(change.entry, layer=0, digest=change.digest))
    return found


def entries(below: ImageTree, *present: Change, removed: tuple[str, ...] = ()) -> tuple[StepEntry, ...]:
    return step_entries(Changes(present=present, removed=removed), below, where="hook")


def paths(found: tuple[StepEntry, ...]) -> list[str]:
    return [step.entry.path for step in found]


BASE = tree(folder("etc"), file("etc/a", "a"), folder("opt", 0o700), file("opt/x/y", "y"), file("opt/x/z", "z"))


def test_what_is_as_it_was_is_not_kept() -> None:
    assert entries(BASE, folder("etc"), file("etc/a", "a"), folder("opt", 0o700)) == ()


@pytest.mark.parametrize(
    "change",
    [file("etc/a", "b"), file("etc/a", "a", mode=0o755), file("etc/a", "a", uid=7), file("etc/a", "a", gid=7)],
    ids=["content", "mode", "owner", "group"],
)
def test_a_difference_is_kept_with_the_folders_that_lead_to_it(change: Change) -> None:
    assert [step.entry for step in entries(BASE, change)] == [directory("etc"), change.entry]


def test_parents_keep_their_own_modes() -> None:
    assert entries(BASE, file("opt/new", "n"))[0].entry == directory("opt", mode=0o700)


def test_a_directory_that_is_gone_is_one_whiteout() -> None:
    assert paths(entries(BASE, removed=("opt/x", "opt/x/y"))) == ["opt", "opt/.wh.x"]


def test_a_directory_made_anew_hides_only_what_it_lost() -> None:
    found = entries(BASE, folder("opt/x"), file("opt/x/z", "new"), removed=("opt/x",))
    assert paths(found) == ["opt", "opt/x", "opt/x/.wh.y", "opt/x/z"]


def test_a_directory_that_is_made_anew_without_a_word_hides_only_what_it_lost() -> None:
    assert paths(entries(BASE, file("opt/x/new", "n"), removed=("opt",))) == [
        *("opt", "opt/x", "opt/x/.wh.y", "opt/x/.wh.z", "opt/x/new"),
    ]


def test_a_file_in_place_of_a_directory_needs_no_whiteout() -> None:
    assert paths(entries(BASE, file("opt/x", "now a file"), removed=("opt/x",))) == ["opt", "opt/x"]


def test_links_are_to_the_first_path_in_order() -> None:
    target = file("etc/z", "same")
    link = Change(entry=target.entry._replace(path="etc/b", kind="hardlink", target="etc/z", size=0))
    found = entries(BASE, link, target)
    assert [(step.entry.path, step.entry.kind, step.entry.target) for step in found[1:]] == [
        ("etc/b", "file", ""),
        ("etc/z", "hardlink", "etc/b"),
    ]
    assert found[1].digest == content("same")


def test_a_link_to_a_file_that_is_as_it_was_becomes_a_file() -> None:
    link = Change(entry=Entry(path="etc/b", kind="hardlink", target="etc/a"))
    found = entries(BASE, file("etc/a", "a"), link)
    assert [(step.entry.path, step.entry.kind, step.digest) for step in found[1:]] == [("etc/b", "file", content("a"))]


def test_devices_are_refused_by_name() -> None:
    device = Change(entry=Entry(path="opt/null", kind="character", device=(1, 3)))
    with pytest.raises(ContentError, match="device node /opt/null"):
        entries(BASE, device)


def test_only_capabilities_are_kept_of_the_extended_attributes() -> None:
    entry = file("etc/b").entry._replace(xattrs=(("security.capability", b"c"), ("user.note", b"n")))
    found = entries(BASE, Change(entry=entry, digest=content("")))
    assert found[-1].entry.xattrs == (("security.capability", b"c"),)


@pytest.mark.parametrize("path", ["tmp/x", "var/log/dpkg.log", "etc/resolv.conf", "root/.cache/pip/a", "root/.cache"])
def test_traces_of_the_machine_are_masked(path: str) -> None:
    assert is_masked(path)
    assert entries(BASE, file(path, "x")) == ()
    assert entries(tree(file(path, "x")), removed=(path,)) == ()


def test_a_folder_that_is_gone_keeps_what_is_masked_in_it() -> None:
    below = tree(file("var/log/a", "x"), file("var/b", "x"))
    assert paths(entries(below, removed=("var",))) == ["var", "var/.wh.b"]


def test_days_of_new_passwords_are_those_of_the_epoch() -> None:
    before, after = b"root:*:19000:0:99999:7:::\n", b"root:*:19000:0:99999:7:::\nuser:!:20414:0:99999:7:::\n"
    settled = settled_shadow("etc/shadow", after, before, epoch=EPOCH)
    assert settled == before + b"user:!:3652:0:99999:7:::\n"


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
NODES = st.one_of(
    st.sampled_from(["x", "y"]).map(lambda text: lambda path: file(path, text)),
    st.just(folder),
    st.just(lambda path: Change(entry=symlink(path, "somewhere"))),
)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Change]:
    """Return a tree in which every parent is a directory."""
    found: dict[str, Change] = {}
    for path, make in sorted(draw(st.dictionaries(PATHS, NODES, max_size=8)).items()):
        above = [found.get(parent) for parent in parents(path)]
        if all(change is None or change.entry.kind == "directory" for change in above):
            found |= {parent: folder(parent) for parent in parents(path) if parent not in found}
            found[path] = make(path)
    return found


def applied(below: ImageTree, found: tuple[StepEntry, ...]) -> dict[str, tuple[object, ...]]:
    """Return what a client has after it unpacked the entries over *below*: hidden first, as a layer is read."""
    for step in found:
        name = step.entry.path.rpartition("/")[2]
        if name.startswith(".wh."):
            below.hide(step.entry.path.replace(".wh.", ""), layer=1)
        else:
            below.place(step.entry.path, node_of(step.entry, layer=1, digest=step.digest))
    return {path: (node.kind, node.mode, node.target, node.digest) for path, node in below.walk() if path}


@given(trees(), trees(), st.booleans())
def test_the_layer_leads_from_one_tree_to_the_other(
    before: dict[str, Change], after: dict[str, Change], everything: bool
) -> None:
    below = tree(*before.values())
    removed = tuple(path for path in before if path not in after or before[path].entry.kind != after[path].entry.kind)
    present = tuple(change for path, change in after.items() if everything or before.get(path) != change)
    found = step_entries(Changes(present=present, removed=removed), below, where="hook")
    assert paths(found) == sorted(paths(found), key=str.encode)
    wanted = {path: (c.entry.kind, c.entry.mode, c.entry.target, c.digest) for path, c in after.items()}
    assert applied(below, found) == wanted
    if before == after:
        assert found == ()
