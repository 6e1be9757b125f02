"""What a user may do with a path, held against what the kernel allows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.builder.account import Account
from reprobuild.contract.access import Wish, refusal
from reprobuild.image.tree import ImageTree, Node
from tests.contract.bases import tree
from tests.resolver.base_images import file, folder, link, program

ROOT = Account(uid=0, gid=0)
USER = Account(uid=1000, gid=1000, groups=(100,))


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "may"),
    [
        (0o755, 1000, 1000, {"read", "write"}),
        (0o755, 0, 0, {"read"}),
        (0o775, 0, 1000, {"read", "write"}),
        (0o770, 0, 100, {"read", "write"}),
        (0o777, 0, 0, {"read", "write"}),
        (0o1777, 0, 0, {"read", "write"}),
        (0o700, 0, 0, set()),
        # The owner's bits count for the owner, however much the others may.
        (0o077, 1000, 1000, set()),
        (0o707, 0, 1000, set()),
        # Neither listing nor entering alone is reading; without entering nothing can be made.
        (0o744, 0, 0, set()),
        (0o711, 0, 0, set()),
        (0o666, 0, 0, set()),
        (0o733, 0, 0, {"write"}),
    ],
)
def test_directories(mode: int, uid: int, gid: int, may: set[Wish]) -> None:
    found = tree([folder("a", mode=mode, uid=uid, gid=gid)])
    wishes: tuple[Wish, ...] = ("read", "write")
    assert {wish for wish in wishes if refusal(found, "/a", USER, wish) is None} == may
    assert all(refusal(found, "/a", ROOT, wish) is None for wish in wishes)


def test_the_way_there_has_to_be_open() -> None:
    found = tree([folder("closed", mode=0o700), folder("closed/open", mode=0o777), file("closed/open/f", mode=0o666)])
    assert refusal(found, "/closed/open/f", USER, "read") == (
        "/closed belongs to 0:0 with mode 0700: 1000:1000 may not enter it"
    )
    assert refusal(found, "/closed/open/f", ROOT, "read") is None


def test_links_are_followed_and_what_they_lead_through_counts() -> None:
    found = tree([
        folder("home", mode=0o700),
        folder("home/data", mode=0o777),
        link("short", "/home/data"),
        folder("open"),
        link("open/up", "../open/./f"),
        file("open/f", mode=0o644),
        link("a", "b"),
        link("b", "a"),
        link("broken", "nowhere"),
    ])  # fmt: skip
    assert "/home belongs to" in (refusal(found, "/short", USER, "write") or "")
    assert refusal(found, "/open/up", USER, "read") is None
    assert "may not write" in (refusal(found, "/open/up", USER, "write") or "")
    assert "too many symbolic links" in (refusal(found, "/a", USER, "read") or "")
    assert refusal(found, "/broken", USER, "read") == "there is no /nowhere"
    assert refusal(found, "/open/f/below", USER, "read") == "/open/f is no directory"
    assert refusal(found, "/", USER, "read") is None
    assert refusal(found, "/../../open/f", USER, "read") is None


def test_execution_is_for_files() -> None:
    found = tree([folder("bin"), program("bin/x", b""), file("bin/y"), file("bin/z", mode=0o700)])
    assert refusal(found, "/bin/x", USER, "execute") is None
    assert "is no file" in (refusal(found, "/bin", ROOT, "execute") or "")
    assert refusal(found, "/bin/y", ROOT, "execute") is not None
    assert refusal(found, "/bin/z", ROOT, "execute") is None
    assert refusal(found, "/bin/z", USER, "execute") is not None


_ASK = """
import os, sys
# The way to a test's folder is closed to others, so go there first.
os.chdir(sys.argv[1])
os.setgroups([100]); os.setgid(1000); os.setuid(1000)
for line in sys.stdin:
    path, wish, folder = line.split()
    bit = os.R_OK if wish == "read" else os.W_OK
    print(os.access(path, bit | os.X_OK if folder == "True" else bit))
"""


@given(
    st.lists(
        st.tuples(st.integers(0, 0o777), st.sampled_from([0, 1000]), st.sampled_from([0, 100, 1000])),
        min_size=3,
        max_size=3,
    )
)
def test_classes_of_owner_group_and_others(nodes: list[tuple[int, int, int]]) -> None:
    """Hold the answer against the rule as path_resolution(7) states it, written down another way."""
    found = ImageTree()
    for path, (mode, uid, gid) in zip(("a", "a/b", "a/b/c"), nodes, strict=True):
        found.place(path, Node(kind="file" if path == "a/b/c" else "directory", mode=mode, uid=uid, gid=gid))

    def bits(number: int) -> str:
        mode, uid, gid = nodes[number]
        text = f"{mode:09b}"
        return text[:3] if uid == 1000 else text[3:6] if gid in {1000, 100} else text[6:]

    open_ = bits(0)[2] == bits(1)[2] == "1"
    assert (refusal(found, "a/b/c", USER, "read") is None) == (open_ and bits(2)[0] == "1")
    assert (refusal(found, "a/b/c", USER, "write") is None) == (open_ and bits(2)[1] == "1")
    assert (refusal(found, "a/b/c", USER, "execute") is None) == (open_ and bits(2)[2] == "1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_the_kernel_answers_the_same(tmp_path: Path) -> None:
    found = ImageTree()
    tmp_path.chmod(0o755)
    asked: list[tuple[str, Wish, bool]] = []
    for number, mode in enumerate((0o755, 0o700, 0o750, 0o777, 0o070, 0o007, 0o733, 0o644)):
        for uid, gid in ((0, 0), (1000, 0), (0, 100), (1000, 1000)):
            for kind in ("directory", "file"):
                name = f"{number}-{uid}-{gid}-{kind}"
                path = tmp_path / name
                path.mkdir() if kind == "directory" else path.touch()
                os.chown(path, uid, gid)
                path.chmod(mode)
                found.place(name, Node(kind=kind, mode=mode, uid=uid, gid=gid))  # type: ignore[arg-type]
                asked += [(name, "read", kind == "directory"), (name, "write", kind == "directory")]
    lines = "".join(f"{path} {wish} {is_folder}\n" for path, wish, is_folder in asked)
    done = subprocess.run(
        [sys.executable, "-c", _ASK, str(tmp_path)], input=lines, capture_output=True, text=True, check=True
    )
    ours = [str(refusal(found, path, USER, wish) is None) for path, wish, _ in asked]
    assert ours == done.stdout.split()
