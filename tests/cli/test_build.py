"""`reprobuild build`: which images, how they stand to the lock, and where they go."""

import json
import re
from pathlib import Path

import pytest

from reprobuild.store import Store
from tests.cli.project import SPECIFICATION, Project
from tests.conftest import Run

_LINE = re.compile(r"(verified|new     |mismatch)  (\S+)  (\S+)  (sha256:[0-9a-f]{64})  \((.+)\)")


def _outcomes(out: str) -> list[tuple[str, str, str]]:
    return [(match[1].strip(), match[2], match[3]) for match in map(_LINE.fullmatch, out.splitlines()) if match]


def test_new_images_are_told_and_recorded_on_demand(locked: Project) -> None:
    first = locked.run("build", "--all")
    assert first.code == 0
    assert _outcomes(first.out) == [
        ("new", "source-one", "linux/amd64"),
        ("new", "source-one", "linux/arm64"),
        ("new", "source-two", "linux/amd64"),
        ("new", "source-two", "linux/arm64"),
    ]
    assert "run `reprobuild build source-one source-two --record`" in first.err
    second = locked.run("build", "source-one", "--record")
    assert [outcome for outcome, *_ in _outcomes(second.out)] == ["new", "new"]
    assert "recorded in the locks of source-one: commit them" in second.err
    third = locked.run("build", "--all")
    assert [outcome for outcome, *_ in _outcomes(third.out)] == ["verified", "verified", "new", "new"]
    assert locked.run("lock", "update", "--check").code == 0


def test_an_index_line_follows_the_images(built: Project) -> None:
    lines = built.run("build", "source-one").out.splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"index     source-one +sha256:[0-9a-f]{64}", lines[2])


def test_a_build_from_nothing_verifies(built: Project, tmp_path: Path) -> None:
    done = built.run("build", "--all", REPROBUILD_STORE=str(tmp_path / "other"))
    assert [outcome for outcome, *_ in _outcomes(done.out)] == ["verified"] * 4


def test_json_says_all_there_is_to_know(built: Project) -> None:
    value = built.run("build", "source-one", "--json").json
    assert value["schema"] == 1
    (connector,) = value["connectors"]
    assert set(connector) == {"name", "index", "images"}
    image = connector["images"][0]
    fields = {"platform", "outcome", "derivation", "manifest", "expected", "size", "cached", "substituted", "impure"}
    assert set(image) == fields
    assert image["expected"] == image["manifest"]["digest"]
    assert (image["platform"], image["outcome"], image["cached"]) == ("linux/amd64", "verified", True)


def _recorded_otherwise(project: Project) -> str:
    """Change a recorded manifest in a lock; return the digest that will not come out."""
    path = project.root / "lock" / "pylock.source-one.toml"
    other = "sha256:" + "0" * 64
    text = re.sub(r'(?m)^manifest = ".*"$', f'manifest = "{other}"', path.read_text(), count=1)
    path.write_text(text)
    return other


def test_a_mismatch_is_explained_and_neither_recorded_nor_written(locked: Project) -> None:
    assert locked.run("build", "source-one", "--record").code == 0
    other = _recorded_otherwise(locked)
    before = (locked.root / "lock" / "pylock.source-one.toml").read_bytes()
    done = locked.run("build", "source-one", "--record", "-o", "oci:out")
    assert done.code == 1
    assert [outcome for outcome, *_ in _outcomes(done.out)] == ["mismatch", "verified"]
    got = _LINE.fullmatch(done.out.splitlines()[0])
    assert got is not None
    assert done.out.splitlines()[1] == f"          expected {other} → got {got[4]}"
    assert "hint: " in done.err
    assert "nothing is written" in done.err
    assert (locked.root / "lock" / "pylock.source-one.toml").read_bytes() == before
    assert not (locked.root / "out").exists()


def test_without_a_name_it_is_asked_for(built: Project) -> None:
    done = built.run("build")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: which of the 2 connectors?\nhint: name them, or say --all: source-one, source-two\n"


def test_without_a_name_it_is_the_only_one(locked: Project) -> None:
    locked.specify(SPECIFICATION.partition("[tool.reprobuild.connector.source-two]")[0])
    assert {name for _, name, _ in _outcomes(locked.run("build").out)} == {"source-one"}


def test_without_a_name_it_is_the_one_whose_folder_one_is_in(fresh: Project) -> None:
    fresh.specify(SPECIFICATION.replace("[tool.reprobuild]\n", '[tool.reprobuild]\nconnectors = ["here/*"]\n'))
    folder = fresh.root / "here" / "source-three" / "source_three"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder.parent / "main.py").write_text("")
    (folder.parent / "pyproject.toml").write_text(
        '[project]\nname = "source-three"\nversion = "1.0"\ndependencies = ["alpha"]\n'
        '[tool.reprobuild]\nbase = "python-3.11"\n'
    )
    assert fresh.run("lock", "update").code == 0
    done = fresh.run("build", cwd=folder)
    assert {name for _, name, _ in _outcomes(done.out)} == {"source-three"}


def test_an_unknown_connector_is_named_with_a_similar_one(built: Project) -> None:
    done = built.run("build", "source-tow")
    assert done.code == 2
    assert "there is no connector 'source-tow'\nhint: did you mean source-two?" in done.err


def test_platforms_are_chosen_and_checked(built: Project) -> None:
    done = built.run("build", "source-one", "--platform", "linux/arm64")
    assert _outcomes(done.out) == [("verified", "source-one", "linux/arm64")]
    done = built.run("build", "source-one", "--platform", "linux/s390x")
    assert done.code == 2
    assert "source-one is not for linux/s390x\nhint: it is for linux/amd64, linux/arm64" in done.err
    assert built.run("build", "source-one", "--platform", "amd64").code == 2


def test_a_missing_lock_is_refused(fresh: Project) -> None:
    done = fresh.run("build", "--all")
    assert done.code == 2
    assert "hint: run `reprobuild lock update`" in done.err


def test_a_stale_lock_is_refused_with_the_reason_and_never_changed(locked: Project) -> None:
    before = {path: path.read_bytes() for path in (locked.root / "lock").glob("*.toml")}
    locked.specify(SPECIFICATION.replace('["alpha"]', '["alpha<1.1"]'))
    done = locked.run("build", "source-one")
    assert (done.code, done.out) == (2, "")
    assert "the requirement alpha was changed to alpha<1.1" in done.err
    assert "hint: run `reprobuild lock update source-one`" in done.err
    assert {path: path.read_bytes() for path in (locked.root / "lock").glob("*.toml")} == before
    assert locked.run("build", "source-two").code == 0


def test_offline_builds_what_was_fetched(locked: Project, tmp_path: Path) -> None:
    assert locked.run("fetch").out == "fetched  source-one\nfetched  source-two\n"
    asked = len(locked.index.requests)
    assert locked.run("build", "--all", "--offline", REPROBUILD_STORE=str(tmp_path / "other")).code == 0
    assert len(locked.index.requests) == asked


def test_offline_says_what_is_missing(locked: Project, tmp_path: Path) -> None:
    environ = {"REPROBUILD_STORE": str(tmp_path / "other"), "REPROBUILD_OFFLINE": "1"}
    done = locked.run("build", "source-one", **environ)
    assert done.code == 2
    assert "alpha-1.1-py3-none-any.whl" in done.err
    assert "hint: run `reprobuild fetch`" in done.err


def test_layouts_and_archives_are_read_by_others(built: Project, tmp_path: Path, run: Run) -> None:
    layout, archive, docker = tmp_path / "layout", tmp_path / "one.tar", tmp_path / "docker.tar"
    indexes = {one["name"]: one["index"]["digest"] for one in built.run("build", "--all", "--json").json["connectors"]}
    assert built.run("build", "--all", "-o", f"oci:{layout}").code == 0
    listed = json.loads((layout / "index.json").read_text())["manifests"]
    assert {one["digest"] for one in listed} == set(indexes.values())
    assert built.run("build", "source-one", "-o", f"oci-archive:{archive}:mine:1").code == 0
    done = built.run("build", "source-one", "--platform", "linux/amd64", "-o", f"docker-archive:{docker}")
    assert done.err.endswith(f"wrote docker-archive:{docker}: source-one:latest\n")
    for reference in (f"oci:{layout}:source-one", f"oci-archive:{archive}:mine:1", f"docker-archive:{docker}"):
        told = json.loads(run("skopeo", "inspect", "--override-os", "linux", "--override-arch", "amd64", reference))
        assert told["Architecture"] == "amd64"


def test_relative_destinations_start_where_the_command_works(locked: Project, tmp_path: Path) -> None:
    assert locked.run("-C", str(locked.root), "build", "source-one", "-o", "oci:out:1", cwd=tmp_path).code == 0
    assert (locked.root / "out" / "oci-layout").is_file()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("ghcr.io/me/one:1", "is no image layout or archive"),
        ("oci:out:tag", "one tag for 2 connectors"),
        ("docker-archive:out.tar", "one platform only"),
        ("oci:", "a path is missing"),
    ],
)
def test_a_destination_that_cannot_be_is_told_before_anything_is_built(
    locked: Project, output: str, words: str, tmp_path: Path
) -> None:
    store = tmp_path / "other"
    done = locked.run("build", "--all", "-o", output, REPROBUILD_STORE=str(store))
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert not list(Store(store).root.glob("blobs/*/*/*"))


def test_no_connectors_is_an_error(fresh: Project) -> None:
    fresh.specify(SPECIFICATION.partition("[tool.reprobuild.connector")[0])
    done = fresh.run("build", "--all")
    assert done.code == 2
    assert "no connectors are specified" in done.err
