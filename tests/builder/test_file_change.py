"""What a hook copies, and the folder that it copies into; Dagger does so, too (tests/hooks/test_native_container)."""

from pathlib import Path

import pytest

from reprobuild.builder.file_change import file_changes
from reprobuild.builder.root import Root
from reprobuild.hooks.container import ContainerConfig
from reprobuild.hooks.operations import CopyDirectory, Source
from reprobuild.store import Store
from tests.builder.images import put_derivation
from tests.engines.root_filesystem import tiny_root

FOLDER = Source(operations=(), path="/data/folder")
"""Mode 0750, and root's."""


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (CopyDirectory(path="/new", source=FOLDER, include=("upper",)), {"new": (0o750, 0), "new/upper": (0o644, 0)}),
        (CopyDirectory(path="new/", source=FOLDER, include=("none",), owner="7:8"), {"new": (0o750, 7)}),
        (CopyDirectory(path="/tmp", source=FOLDER, include=("upper",)), {"tmp/upper": (0o644, 0)}),
        (CopyDirectory(path="/", source=FOLDER, include=("upper",), owner="7:8"), {"upper": (0o644, 7)}),
    ],
    ids=["new", "new and empty", "there", "root"],
)
def test_a_new_folder_is_as_the_copied_one_and_one_that_is_there_stays(
    operation: CopyDirectory, expected: dict[str, tuple[int, int]], tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    root = Root(tiny_root(store), store, where="test")
    derivation = put_derivation(store, tmp_path)
    changes = file_changes(
        operation, root, ContainerConfig(), lambda _: (root, ContainerConfig()), derivation, store, where="test"
    )
    assert {one.entry.path: (one.entry.mode, one.entry.uid) for one in changes.present} == expected
