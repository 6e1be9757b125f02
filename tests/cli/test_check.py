"""`reprobuild check`: its answers, reasons, JSON, JUnit and exit codes, on a workspace that is quick to build."""

import shutil
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reprobuild.canonical import parse_digest
from reprobuild.cli import checking
from tests.cli.project import Done, Project

QUICK = ("--vary", "umask")


def answers(done: Done) -> dict[tuple[str, str], str]:
    return {(image["connector"], image["platform"]): image["answer"] for image in done.json["images"]}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def lock_of(project: Project, connector: str) -> Path:
    return project.root / "lock" / f"pylock.{connector}.toml"


def wheel_of(project: Project, name: str) -> Path:
    """Return where the store has the wheel of the distribution *name*."""
    line = next(line for line in lock_of(project, "source-two").read_text().splitlines() if f"/{name}-" in line)
    return project.store.path(parse_digest("sha256:" + line.partition('sha256 = "')[2][:64]))


def record(project: Project) -> dict[str, str]:
    """Build and record everything; return the digests by connector, of the first platform."""
    done = project.run("build", "--all", "--record", "--json")
    assert done.code == 0, done.err
    return {one["name"]: one["images"][0]["manifest"]["digest"] for one in done.json["connectors"]}


def test_everything_is_the_same(built: Project) -> None:
    done = built.run("check", "--all")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("same        source-") for line in lines)


def test_the_conditions_are_listed_and_chosen(built: Project) -> None:
    listed = [line.split()[0] for line in built.run("check", "--vary", "list").out.splitlines()]
    assert {"path", "umask", "user", "clock", "store"} < set(listed)
    done = built.run("check", "source-one", "--json", "--vary", "umask,store")
    assert done.json["varied"] == ["umask", "store"]
    assert [one["varied"] for one in done.json["builds"]] == [[], ["umask"], ["store"]]
    wrong = built.run("check", "source-one", "--vary", "moon")
    assert (wrong.code, wrong.out) == (2, "")
    assert "there is no condition 'moon'" in wrong.err


def test_what_no_lock_records_is_said(locked: Project) -> None:
    done = locked.run("check", "source-one", "--platform", "linux/amd64", *QUICK)
    assert done.code == 1
    assert done.out.startswith("unrecorded  source-one  linux/amd64  sha256:")
    assert "build --record" in done.err


def test_a_mismatch_is_explained_if_the_recorded_image_is_at_hand(locked: Project) -> None:
    """As if this connector had started another program when it was recorded."""
    digests = record(locked)
    edit(lock_of(locked, "source-one"), digests["source-one"], digests["source-two"])
    done = locked.run("check", "source-one", "--platform", "linux/amd64", "--json", *QUICK)
    assert done.code == 1
    (image,) = done.json["images"]
    assert (image["answer"], image["recorded"]) == ("mismatch", digests["source-two"])
    causes = {one["cause"] for one in image["difference"]["causes"]}
    assert {"entrypoint", "distribution"} <= causes
    words = locked.run("check", "source-one", "--platform", "linux/amd64", *QUICK).out
    assert f"the lock records {digests['source-two']}" in words
    assert len(words.splitlines()) <= 24


def test_a_mismatch_with_an_image_that_nobody_has(locked: Project) -> None:
    digests = record(locked)
    edit(lock_of(locked, "source-one"), digests["source-one"], "sha256:" + "1" * 64)
    done = locked.run("check", "source-one", "--platform", "linux/amd64", *QUICK)
    assert done.code == 1
    assert "the recorded image is not in this store" in done.out


def test_what_differs_is_kept_where_it_is_said(locked: Project) -> None:
    digests = record(locked)
    edit(lock_of(locked, "source-one"), digests["source-one"], digests["source-two"])
    done = locked.run("check", "source-one", "--platform", "linux/amd64", "--json", "--keep", "look here", *QUICK)
    recorded, again = done.json["images"][0]["kept"]
    assert recorded == f"oci:{locked.root}/look here/recorded:source-one-linux-amd64"
    diff = locked.run("diff", recorded, again, "--json")
    assert diff.json["a"]["digest"] == digests["source-two"]
    assert diff.json["b"]["digest"] == digests["source-one"]


def test_a_missing_input_is_unknown_and_others_go_on(locked: Project) -> None:
    record(locked)
    wheel_of(locked, "beam").unlink()
    done = locked.run("check", "--all", "--offline", "--json", "--junit", "junit.xml", *QUICK)
    assert done.code == 1
    assert answers(done) == {
        ("source-one", "linux/amd64"): "same",
        ("source-one", "linux/arm64"): "same",
        ("source-two", "linux/amd64"): "unknown",
        ("source-two", "linux/arm64"): "unknown",
    }
    obstacle = done.json["images"][2]["obstacle"]
    assert "1 wheels are not in the store: beam-2.0" in obstacle["reason"]
    assert "reprobuild fetch" in obstacle["hint"]
    assert done.json["images"][2]["manifests"] == []
    suites = ElementTree.parse(locked.root / "junit.xml").getroot()
    assert {name: suites.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "4",
        "failures": "0",
        "errors": "2",
    }
    errors = [case.get("classname") for case in suites.iter("testcase") if case.find("error") is not None]
    assert errors == ["source-two", "source-two"]


def test_a_base_that_is_gone_for_one_platform_is_unknown_there(locked: Project) -> None:
    record(locked)
    shutil.rmtree(locked.root / "base" / "blobs")
    lock = (locked.root / "base-images.lock.toml").read_text()
    manifest = lock.partition('[base.platforms."linux/arm64"]')[2].partition('manifest = "')[2][:71]
    locked.store.path(parse_digest(manifest)).unlink()
    done = locked.run("check", "source-one", "--json", *QUICK)
    assert done.code == 1
    assert answers(done) == {("source-one", "linux/amd64"): "same", ("source-one", "linux/arm64"): "unknown"}
    assert "the image is incomplete" in done.json["images"][1]["obstacle"]["reason"]


def test_a_damaged_wheel_is_unknown(locked: Project) -> None:
    """What is in the store is not believed: the rebuild finds out."""
    record(locked)
    path = wheel_of(locked, "beam")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = locked.run("check", "--all", "--platform", "linux/amd64", "--offline", "--json", *QUICK)
    assert done.code == 1
    assert answers(done) == {("source-one", "linux/amd64"): "same", ("source-two", "linux/amd64"): "unknown"}
    assert done.json["images"][1]["obstacle"]["reason"].startswith("rebuild 1: ")


def test_a_stale_lock_is_refused(locked: Project) -> None:
    edit(locked.root / "pyproject.toml", 'requirements = ["beam"]', 'requirements = ["beam<2"]')
    done = locked.run("check", "source-two")
    assert (done.code, done.out) == (2, "")
    assert "stale" in done.err


@pytest.mark.parametrize("words", [("--all", "source-one"), ("--changed-since", "HEAD", "source-one")])
def test_connectors_are_chosen_in_one_way(built: Project, words: tuple[str, ...]) -> None:
    for command in ("check", "build"):
        assert built.run(command, *words).code == 2


def test_nothing_is_left_behind(locked: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(locked)
    for name in ("tmp", "memory"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(checking, "_MEMORY", tmp_path / "memory")
    done = locked.run("check", "source-one", "--json", "--vary", "order")
    assert done.code == 0
    assert (tmp_path / "memory").stat().st_mtime_ns > locked.root.stat().st_mtime_ns
    assert [*(tmp_path / "tmp").iterdir(), *(tmp_path / "memory").iterdir()] == []
