"""`reprobuild lock`: what it says and writes; how versions are chosen is the resolver's and tested there."""

import json
from pathlib import Path

import pytest

from reprobuild.canonical import digest_of
from reprobuild.oci.layout import write_layout
from reprobuild.store import Store
from tests.cli.project import SPECIFICATION, Project
from tests.images import add_image


def test_update_says_what_changed_and_writes_it(fresh: Project) -> None:
    done = fresh.run("lock", "update")
    assert done.code == 0
    assert (
        "source-one: locked for the first time: 1 distribution on python-3.11, Python ==3.11.*" in done.out.splitlines()
    )
    assert "wrote lock/pylock.source-one.toml" in done.err.splitlines()
    again = fresh.run("lock", "update")
    assert (again.code, again.out) == (0, "nothing changed\n")


def test_update_shows_old_and_new(locked: Project) -> None:
    locked.index.wheel("beam", "2.1")
    assert locked.run("lock", "update").out == "nothing changed\n"
    assert locked.run("lock", "outdated").out == "source-two: beam 2.0 → 2.1\n"
    value = locked.run("lock", "update", "-P", "Beam", "source-two", "--json").json
    change = {"subject": "source-two", "what": "beam", "old": "2.0", "new": "2.1"}
    assert value == {
        "schema": 1,
        "changes": [change],
        "dry_run": False,
        "files": ["lock/pylock.source-two.toml"],
        "failed": [],
    }
    assert locked.run("lock", "outdated").out == "nothing newer\n"


@pytest.mark.parametrize("number", [1, 2])
def test_a_lock_of_an_older_format_is_built_as_it_was_and_an_update_moves_it(number: int, locked: Project) -> None:
    path = locked.root / "lock/pylock.source-one.toml"
    path.write_text(path.read_text().replace("format = 3", f"format = {number}"))
    old = locked.run("build", "source-one", "--record", "--json").json["connectors"][0]["images"]
    assert f"format = {number}" in path.read_text()
    assert locked.run("lock", "update", "--check").code == 0
    assert locked.run("build", "source-one").out.count("verified") == 2
    assert locked.run("lock", "update").out == f"source-one: format {number} → 3\n"
    assert "format = 3" in path.read_text()
    new = locked.run("build", "source-one", "--json").json["connectors"][0]["images"]
    assert {image["outcome"] for image in new} == {"new"}
    assert {image["derivation"] for image in new}.isdisjoint(image["derivation"] for image in old)


def test_upgrade_moves_everything(locked: Project) -> None:
    locked.index.wheel("beam", "2.1")
    locked.index.wheel("alpha", "3.0")
    assert locked.run("lock", "update", "-U").out == "source-one: alpha 1.1 → 3.0\nsource-two: beam 2.0 → 2.1\n"


def test_dry_run_writes_nothing(fresh: Project) -> None:
    done = fresh.run("lock", "update", "--dry-run")
    assert "source-one: locked for the first time: 1 distribution on python-3.11, Python ==3.11.*" in done.out
    assert not (fresh.root / "lock").exists()
    assert fresh.run("lock", "update", "--dry-run", "--json").json["dry_run"] is True


def test_names_limit_an_update(fresh: Project) -> None:
    fresh.run("lock", "update", "source-two")
    assert [path.name for path in (fresh.root / "lock").glob("*.toml")] == ["pylock.source-two.toml"]


def test_a_tag_that_has_moved_is_shown_and_a_build_goes_on_with_the_lock(locked: Project, tmp_path: Path) -> None:
    made = Store(tmp_path / "moved")
    (before,) = json.loads((locked.root / "base" / "index.json").read_text())["manifests"]
    write_layout(locked.root / "base", entries=[(add_image(made), "python-3.11")], store=made)
    (after,) = json.loads((locked.root / "base" / "index.json").read_text())["manifests"]
    done = locked.run("lock", "outdated", "source-one")
    assert done.out == f"python-3.11: index {before['digest']} → {after['digest']}\n"
    told = locked.run("lock", "update").err
    assert f"python-3.11 has moved: {before['digest']} → {after['digest']}" in told
    assert "`reprobuild lock update --bases` follows the tag" in told
    assert locked.run("build", "--all").code == 0


def test_check_says_why_and_exits_with_1(locked: Project) -> None:
    assert locked.run("lock", "update", "--check").code == 0
    locked.specify(SPECIFICATION.replace('["alpha"]', '["alpha", "beam"]'))
    done = locked.run("lock", "update", "--check")
    assert (done.code, done.out) == (1, "source-one: the requirement beam was added\n")
    assert done.err == "hint: run `reprobuild lock update`\n"
    assert locked.run("lock", "update", "--check", "source-two").code == 0
    told = locked.run("lock", "update", "--check", "--json")
    assert told.code == 1
    assert told.json == {
        "schema": 1,
        "fresh": False,
        "reasons": [
            {
                "subject": "source-one",
                "where": "lock/pylock.source-one.toml",
                "reason": "the requirement beam was added",
            }
        ],
    }


def test_check_asks_nobody(locked: Project) -> None:
    asked = len(locked.index.requests)
    locked.run("lock", "update", "--check")
    assert len(locked.index.requests) == asked


def test_check_tells_of_a_damaged_lock(locked: Project) -> None:
    (locked.root / "lock" / "pylock.source-one.toml").write_text("<<<<<<< ours\n")
    done = locked.run("lock", "update", "--check")
    assert done.code == 1
    assert done.out.startswith("source-one: its lock cannot be used: ")


def test_a_wish_that_would_do_nothing_is_an_error(locked: Project) -> None:
    done = locked.run("lock", "update", "-P", "alhpa")
    assert done.code == 2
    assert done.err == "error: -P: no lock has a distribution or input 'alhpa'\nhint: did you mean alpha?\n"


def test_no_solution_is_explained_and_nothing_written(locked: Project) -> None:
    before = (locked.root / "lock" / "pylock.source-one.toml").read_bytes()
    locked.specify(SPECIFICATION.replace('["alpha"]', '["alpha>7"]'))
    done = locked.run("lock", "update")
    assert (done.code, done.out) == (2, "")
    assert "alpha" in done.err
    assert (locked.root / "lock" / "pylock.source-one.toml").read_bytes() == before


@pytest.mark.parametrize("option", ["-U", "--bases", "--dry-run", "--upgrade-package=alpha"])
def test_check_goes_alone(built: Project, option: str) -> None:
    assert built.run("lock", "update", "--check", option).code == 2


def test_an_index_that_is_gone_is_worth_retrying(fresh: Project) -> None:
    done = fresh.run("lock", "update", UV_DEFAULT_INDEX="http://127.0.0.1:1/simple", UV_HTTP_RETRIES="0")
    assert done.code == 3
    assert "hint: " in done.err


HOOKED = """
[tool.reprobuild.connector.source-one.hooks]
pre-install = "prepare"

[[tool.reprobuild.connector.source-one.input]]
name = "ca-bundle"
url = "{url}/ca-bundle"

[[tool.reprobuild.connector.source-one.input]]
name = "words"
path = "words.txt"
"""


@pytest.fixture
def hooked(fresh: Project) -> Project:
    """A project whose first connector has a hook, with an input that is served and one of the workspace."""
    fresh.specify(SPECIFICATION + HOOKED.format(url=fresh.index.url))
    fresh.index.files["ca-bundle"] = b"ca 1"
    (fresh.root / "words.txt").write_bytes(b"one")
    (fresh.root / "prepare").write_text("#!/bin/sh\n")
    (fresh.root / "prepare").chmod(0o755)
    return fresh


class TestInputs:
    LOCK = "lock/pylock.source-one.toml"

    def test_they_are_locked_and_no_host_is(self, hooked: Project) -> None:
        first = hooked.run("lock", "update")
        lines = first.out.splitlines()
        at = lines.index("source-one: locked for the first time: 1 distribution on python-3.11, Python ==3.11.*")
        assert lines[at + 1 : at + 3] == [
            f"source-one: input ca-bundle {digest_of(b'ca 1')} added",
            f"source-one: input words {digest_of(b'one')} added",
        ]
        assert "127.0.0.1" not in (hooked.root / self.LOCK).read_text()
        assert hooked.run("lock", "update").out == "nothing changed\n"

    def test_a_file_that_changes_makes_the_lock_stale(self, hooked: Project) -> None:
        hooked.run("lock", "update")
        (hooked.root / "words.txt").write_bytes(b"two")
        told = f"the input words was changed: {digest_of(b'one')} → {digest_of(b'two')}"
        check = hooked.run("lock", "update", "--check")
        assert (check.code, check.out) == (1, f"source-one: {told}\n")
        build = hooked.run("build", "source-one")
        assert build.code == 2
        assert f"{self.LOCK}: stale: source-one: {told}" in build.err
        changed = hooked.run("lock", "update").out
        assert changed == f"source-one: input words {digest_of(b'one')} → {digest_of(b'two')}\n"

    def test_what_is_served_moves_when_it_is_asked_for(self, hooked: Project) -> None:
        hooked.run("lock", "update")
        hooked.index.files["ca-bundle"] = b"ca 2"
        assert hooked.run("lock", "update", "--check").code == 0
        assert hooked.run("lock", "update").out == "nothing changed\n"
        moved = f"source-one: input ca-bundle {digest_of(b'ca 1')} → {digest_of(b'ca 2')}\n"
        assert hooked.run("lock", "update", "--dry-run", "-U").out == moved
        assert hooked.run("lock", "update", "-P", "ca-bundle").out == moved

    def test_they_are_fetched_again_by_digest(self, hooked: Project, tmp_path: Path) -> None:
        hooked.run("lock", "update")
        other = Store(tmp_path / "other")
        fetched = hooked.run("fetch", "source-one", REPROBUILD_STORE=str(other.root))
        assert fetched.code == 0, fetched.err
        assert other.read(digest_of(b"ca 1")) == b"ca 1"
        assert other.read(digest_of(b"one")) == b"one"
        hooked.index.files["ca-bundle"] = b"ca 2"
        failed = hooked.run("fetch", "source-one", REPROBUILD_STORE=str(tmp_path / "third"))
        assert failed.code == 1
        assert "the input ca-bundle is not what is locked" in failed.err
        assert "`reprobuild lock update -P ca-bundle`" in failed.err

    def test_a_network_is_told_of(self, hooked: Project) -> None:
        hooked.run("lock", "update")
        text = (hooked.root / "pyproject.toml").read_text()
        hooked.specify(text.replace('pre-install = "prepare"', 'pre-install = "prepare"\nnetwork = true'))
        assert hooked.run("lock", "update", "--check").out == "source-one: it has become impure (hooks: network)\n"
        assert hooked.run("lock", "update").out == "source-one: impure hooks network added\n"
        assert '\nimpure = [\n    "hooks: network",\n]\n' in (hooked.root / self.LOCK).read_text()
