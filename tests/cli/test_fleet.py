"""Commands over many connectors: some of them broken, divided among machines, and told before anything is done."""

import re
from pathlib import Path
from typing import Any

import pytest

from reprobuild.cli.shard import Shard, parse_shard, sharded
from reprobuild.errors import SpecificationError
from tests.cli.project import SPECIFICATION, Project

_THIRD = """
[tool.reprobuild.connector.source-three]
requirements = ["alpha", "beam"]
base = "python-3.11"
entrypoint = ["source-three"]
"""


@pytest.fixture
def three(locked: Project) -> Project:
    """A project with three connectors that are locked."""
    locked.specify(SPECIFICATION + _THIRD)
    done = locked.run("lock", "update", "source-three")
    assert done.code == 0, done.err
    return locked


def _built(out: str) -> set[str]:
    return set(re.findall(r"(?m)^index +(\S+)", out))


def test_a_stale_lock_does_not_keep_others_from_being_built(three: Project) -> None:
    text = SPECIFICATION + _THIRD
    three.specify(text.replace('requirements = ["beam"]', 'requirements = ["beam<2.5"]'))
    assert three.run("build", "--all").code == 2
    done = three.run("build", "--all", "--keep-going", "--record", "-o", "oci:out")
    assert done.code == 2
    assert _built(done.out) == {"source-one", "source-three"}
    assert "error: source-two: lock/pylock.source-two.toml: stale" in done.err
    assert "hint: run `reprobuild lock update source-two`" in done.err
    assert done.err.splitlines()[-1] == "failed: 1 connector: source-two"
    assert "wrote oci:out: source-one, source-three" in done.err
    assert [three.run("build", name).out.split()[0] for name in ("source-one", "source-three")] == ["verified"] * 2


def test_a_missing_and_a_damaged_lock_concern_their_connectors_alone(three: Project) -> None:
    (three.root / "lock" / "pylock.source-one.toml").unlink()
    path = three.root / "lock" / "pylock.source-two.toml"
    path.write_text(path.read_text()[:-200])
    done = three.run("build", "--all", "-k", "--json")
    assert done.code == 2
    assert [one["name"] for one in done.json["connectors"]] == ["source-three"]
    failed = {one["name"]: one for one in done.json["failed"]}
    assert "there is no lock yet" in failed["source-one"]["error"]
    assert failed["source-two"]["hint"] == "run `reprobuild lock update`"
    assert {one["exit"] for one in failed.values()} == {2}


def test_a_broken_specification_concerns_its_connector_alone(three: Project) -> None:
    three.specify(SPECIFICATION + _THIRD.replace('base = "python-3.11"', 'base = "python-2.7"'))
    done = three.run("build", "--all", "--keep-going")
    assert done.code == 2
    assert _built(done.out) == {"source-one", "source-two"}
    assert "error: source-three: " in done.err
    assert "there is no base 'python-2.7'" in done.err
    done = three.run("build", "source-one", "--keep-going")
    assert (done.code, _built(done.out)) == (0, {"source-one"})
    done = three.run("build", "source-three", "--keep-going")
    assert (done.code, done.out) == (2, "")
    assert three.run("build", "source-one").code == 2


def test_a_missing_wheel_fails_those_that_need_it(three: Project, tmp_path: Path) -> None:
    for name in [name for name in three.index.files if name.startswith("beam")]:
        del three.index.files[name]
    done = three.run("build", "--all", "--keep-going", REPROBUILD_STORE=str(tmp_path / "other"), UV_NO_CACHE="1")
    assert done.code == 2
    assert _built(done.out) == {"source-one"}
    assert done.err.splitlines()[-1] == "failed: 2 connectors: source-three, source-two"
    assert done.err.count("hint: ") >= 2


def test_offline_what_is_there_is_built(three: Project, tmp_path: Path) -> None:
    store = str(tmp_path / "other")
    assert three.run("fetch", "source-one", REPROBUILD_STORE=store).code == 0
    done = three.run("build", "--all", "--keep-going", "--offline", REPROBUILD_STORE=store)
    assert (done.code, _built(done.out)) == (2, {"source-one"})


def test_a_mismatch_is_neither_written_nor_in_the_way(three: Project) -> None:
    assert three.run("build", "--all", "--record").code == 0
    path = three.root / "lock" / "pylock.source-one.toml"
    path.write_text(re.sub(r'(?m)^manifest = ".*"$', f'manifest = "sha256:{"0" * 64}"', path.read_text(), count=1))
    done = three.run("build", "--all", "--keep-going", "-o", "oci:out")
    assert done.code == 1
    assert "wrote oci:out: source-three, source-two" in done.err
    assert "mismatch" in done.out


def test_without_failures_nothing_is_said_of_them(three: Project) -> None:
    done = three.run("build", "--all", "--keep-going", "--json")
    assert (done.code, done.json["failed"]) == (0, [])
    assert "failed" not in done.err


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_each_connector_is_in_one_shard(three: Project, count: int) -> None:
    assert three.run("build", "--all").code == 0
    parts = [three.run("build", "--all", "--shard", f"{number}/{count}") for number in range(1, count + 1)]
    assert all(part.code == 0 for part in parts)
    found = [name for part in parts for name in sorted(_built(part.out))]
    assert sorted(found) == ["source-one", "source-three", "source-two"]


def test_a_broken_connector_has_a_shard_like_others(three: Project) -> None:
    three.specify(SPECIFICATION + _THIRD.replace('base = "python-3.11"', 'base = "python-2.7"'))
    codes = [three.run("build", "--all", "--keep-going", "--shard", f"{number}/3").code for number in (1, 2, 3)]
    assert codes == [0, 2, 0]


def test_shards_are_balanced_and_depend_on_names_alone() -> None:
    names = [f"source-{number}" for number in range(301)]
    parts = [sharded(names, Shard(number=number, count=8)) for number in range(1, 9)]
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert {len(part) for part in parts} == {37, 38}
    assert parts == [sharded(names[::-1], Shard(number=number, count=8)) for number in range(1, 9)]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "a/b", "1/2/3", "-1/2", "1/100000", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(SpecificationError, match="is no shard"):
        parse_shard(text)


def test_a_dry_run_tells_what_a_build_would_do_and_does_nothing(three: Project, tmp_path: Path) -> None:
    assert three.run("build", "source-one").code == 0
    value = three.run("build", "--all", "--dry-run", "--json").json
    actions = {one["name"]: {image["action"] for image in one["images"]} for one in value["plan"]}
    assert actions == {"source-one": {"up to date"}, "source-three": {"build"}, "source-two": {"build"}}
    assert value["totals"]["images"] == {"up to date": 2, "substitute": 0, "build": 4}
    assert value["totals"]["fetch"] == 0
    assert value["totals"]["make"] > 0
    assert value["totals"]["push"] is None
    again = three.run("build", "--all", "--dry-run")
    assert again.out.splitlines()[-1].startswith("total       2 up to date, 0 to substitute, 4 to build; make about ")
    empty = tmp_path / "empty"
    done = three.run("build", "--all", "--dry-run", "--json", REPROBUILD_STORE=str(empty))
    wheels = {name: len(data) for name, data in three.index.files.items() if not name.startswith("alpha-1.0")}
    assert done.json["totals"]["fetch"] >= sum(wheels.values())
    assert not (empty / "blobs").exists()


def test_a_dry_run_counts_what_a_registry_lacks(three: Project) -> None:
    named = SPECIFICATION.replace("[tool.reprobuild]\n", '[tool.reprobuild]\nnamespace = "ghcr.io/acme"\n')
    three.specify(named + _THIRD)
    assert three.run("build", "--all").code == 0
    value = three.run("build", "--all", "--dry-run", "--json").json
    pushes = [image["push"] for one in value["plan"] for image in one["images"]]
    assert value["totals"]["push"] == sum(pushes) > 0
    # What several share is sent once.
    alone = [three.run("build", name, "--dry-run", "--json").json["totals"]["push"] for name in _built_names(value)]
    assert sum(alone) > sum(pushes)


def _built_names(value: Any) -> list[str]:
    return [one["name"] for one in value["plan"]]


def test_a_dry_run_tells_of_broken_connectors(three: Project) -> None:
    (three.root / "lock" / "pylock.source-one.toml").unlink()
    done = three.run("build", "--all", "--dry-run", "--keep-going")
    assert done.code == 2
    assert "failed: 1 connector: source-one" in done.err
    assert "source-two" in done.out


def test_jobs_are_counted_from_one(three: Project) -> None:
    assert three.run("build", "--all", "--jobs", "1").code == 0
    assert three.run("build", "--all", "--jobs", "0").code == 2
