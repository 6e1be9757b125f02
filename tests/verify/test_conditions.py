"""What is varied between rebuilds really differs, for the processes that are to see it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reprobuild.errors import SpecificationError
from reprobuild.verify.conditions import CONDITIONS, Conditions, chosen_conditions, conditions, differing
from reprobuild.verify.differing_machine import NOBODY, unvaried, wrapper
from reprobuild.verify.seed import copy_workspace, listed_otherwise
from reprobuild.workspace import read_workspace

PLAIN = Conditions(number=1, path="workspace")
SEEN = """\
import datetime, json, os, socket, time
print(json.dumps({
    "hostname": socket.gethostname(),
    "user": os.getuid(),
    "day": datetime.date.today().toordinal(),
    "hours": time.localtime().tm_gmtoff / 3600,
    "processors": len(os.sched_getaffinity(0)),
    "readable": open(__import__("reprobuild").__file__).readable(),
}))
"""
SPECIFICATION = """\
connectors = ["connectors/*"]
[base.one]
image = "oci:x"
"""


def seen(one: Conditions) -> dict[str, object]:
    """Return what a process sees of the machine under *one*."""
    command = [*wrapper(one), sys.executable, "-c", SEEN]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), "TZ": one.timezone}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, cwd="/")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"hostname": "another-machine"}, "hostname", "another-machine"),
        ({"other_user": True}, "user", NOBODY),
        ({"days": 366}, "day", None),
        ({"processors": 1}, "processors", 1),
    ],
    ids=["hostname", "user", "clock", "processors"],
)
def test_a_process_sees_another_machine(changes: dict[str, object], name: str, value: object) -> None:
    one = replace(PLAIN, **changes)  # type: ignore[arg-type]
    assert list(unvaried(one)) in ([], [("processors", "there is only one")]), "scripts/test installs what it takes"
    before, after = seen(PLAIN), seen(one)
    assert after[name] == value or int(str(after[name])) - int(str(before[name])) in {366, 367}, "midnight may pass"
    assert {key: value for key, value in after.items() if key != name} == {
        key: value for key, value in before.items() if key != name
    }


def test_all_at_once() -> None:
    second = conditions(CONDITIONS)[1]
    found = seen(second)
    assert (found["hostname"], found["user"], found["processors"]) == ("another-machine", NOBODY, 1)
    assert found["hours"] == 14


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from reprobuild.verify import differing_machine

    monkeypatch.setattr(differing_machine, "_LIBRARIES", ())
    monkeypatch.setattr(shutil, "which", lambda _: None)
    differing_machine._other_user.cache_clear()
    try:
        assert set(dict(unvaried(conditions(CONDITIONS)[1]))) == {"hostname", "user", "processors", "clock"}
        assert seen(replace(PLAIN, other_user=True, days=3)) == seen(PLAIN)
    finally:
        differing_machine._other_user.cache_clear()


def test_conditions_vary_what_is_chosen_and_nothing_else() -> None:
    assert len(conditions([])) == 2
    assert differing(*conditions([])) == ()
    for name in CONDITIONS:
        builds = conditions([name])
        assert differing(builds[0], builds[-1]) == (name,)
    first, second, third = conditions(CONDITIONS)
    assert {*differing(first, second), *differing(first, third)} == set(CONDITIONS)


def test_conditions_are_chosen_by_name() -> None:
    assert chosen_conditions(None) == tuple(CONDITIONS)
    assert chosen_conditions("umask, clock,umask") == ("umask", "clock")
    with pytest.raises(SpecificationError, match="no condition 'moon'"):
        chosen_conditions("moon")


def test_a_checkout_has_other_modes_times_and_order(tmp_path: Path) -> None:
    root = tmp_path / "root"
    folder = root / "connectors" / "source-x"
    (folder / "data").mkdir(parents=True)
    (folder / "secrets").mkdir()
    (folder / "secrets" / "key").write_text("never in an image, and never copied")
    (root / "reprobuild.toml").write_text(SPECIFICATION)
    (root / "unrelated").mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "source-x"\nversion = "1"\ndependencies = ["idna"]\n')
    (folder / "main.py").write_text("")
    (folder / "data" / "run").write_text("")
    (folder / "data" / "run").chmod(0o700)
    (folder / "data" / "link").symlink_to("run")
    (root / "lock" / "wheels").mkdir(parents=True)
    (root / "lock" / "wheels" / "one.whl").write_text("")
    (root / "lock" / "pylock.source-x.toml").write_text("")
    workspace = read_workspace(root)
    plain, strange = tmp_path / "plain", tmp_path / "strange"
    copy_workspace(workspace, plain, PLAIN)
    copy_workspace(workspace, strange, replace(PLAIN, umask=0o077, days=366, reverse=True))
    assert sorted(path.name for path in plain.iterdir()) == ["connectors", "lock", "reprobuild.toml"]
    assert [path.name for path in (plain / "lock").iterdir()] == ["pylock.source-x.toml"]
    assert not (plain / "connectors" / "source-x" / "secrets").exists()
    run = "connectors/source-x/data/run"
    assert [(one / run).stat().st_mode & 0o777 for one in (plain, strange)] == [0o755, 0o700]
    main = "connectors/source-x/main.py"
    assert [(one / main).stat().st_mode & 0o777 for one in (plain, strange)] == [0o644, 0o600]
    days = ((strange / main).stat().st_mtime - (folder / "main.py").stat().st_mtime) / 86400
    assert round(days) == 366
    assert (strange / "connectors/source-x/data/link").is_symlink()


def test_an_order_that_is_the_same_is_noticed(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "only").touch()
    assert not listed_otherwise(tmp_path / "one", tmp_path / "other")
    (tmp_path / "other" / "more").touch()
    assert listed_otherwise(tmp_path / "one", tmp_path / "other")
