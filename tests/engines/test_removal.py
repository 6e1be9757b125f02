"""What sandboxes have left in a store goes, also what belongs to subordinate ids."""

import json
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from reprobuild.engines.removal import remove
from reprobuild.errors import MachineError
from tests.engines.test_machines import ALONE
from tests.engines.unprivileged import ROOT, becoming_user

ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}


def run(*command: str, store: Path) -> str:
    environ = {**ENVIRONMENT, "REPROBUILD_STORE": str(store)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def subordinate(folder: Path) -> tuple[int, int]:
    """Return a user's and a group's id that the owner of *folder* may give to files."""
    owner = pwd.getpwuid(folder.stat().st_uid).pw_name
    lines = [Path(place).read_text().splitlines() for place in ("/etc/subuid", "/etc/subgid")]
    user, group = (next(line.split(":")[1] for line in each if line.startswith(f"{owner}:")) for each in lines)
    return int(user) + 10, int(group) + 10


def test_layers_of_a_user_with_subordinate_ids() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    with tempfile.TemporaryDirectory(prefix="removal-") as name, becoming_user(Path(name)) as become:
        store, program = Path(name) / "store", (*become, sys.executable, "-m", "reprobuild")
        run(*become, *ALONE, str(store), "true", store=store)
        unpacked = next(path for path in store.glob("unpacked/*/*") if path.is_dir())
        foreign = unpacked / "foreign"
        (foreign / "inner").mkdir(parents=True)
        for path in (foreign / "inner", foreign):
            os.chown(path, *subordinate(Path(name)))
            path.chmod(0o700)
        assert json.loads(run(*program, "store", "verify", "--json", store=store))["removed_besides"]["unpacked"] == []
        found = json.loads(run(*program, "store", "gc", "--keep-days", "0", "--json", store=store))
        assert found["removed"]["unpacked"]["count"] > 0
        assert [path for path in store.rglob("*") if path.is_file() and "leases" not in path.parts] == []
        assert not list(store.glob("unpacked/*/*"))


def test_verify_notices_a_file_that_has_changed(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("without root, files of others are not looked at")
    run(*ALONE, str(tmp_path), "true", store=tmp_path)
    unpacked = next(path for path in tmp_path.glob("unpacked/*/*") if any(one.is_file() for one in path.rglob("*")))
    program = (sys.executable, "-m", "reprobuild", "store", "verify", "--json")
    assert json.loads(run(*program, store=tmp_path))["removed_besides"]["unpacked"] == []
    shell = next(path for path in unpacked.rglob("*") if path.is_file() and not path.is_symlink())
    shell.write_bytes(bytes(shell.stat().st_size))
    done = subprocess.run(
        program, capture_output=True, text=True, check=False, env={**ENVIRONMENT, "REPROBUILD_STORE": str(tmp_path)}
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["removed_besides"]["unpacked"] == [str(unpacked)]
    assert not unpacked.exists()
    run(*ALONE, str(tmp_path), "true", store=tmp_path)


def test_what_cannot_be_removed_is_told(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    remove([tmp_path / "here", tmp_path / "gone"])
    assert not (tmp_path / "here").exists()
    if os.geteuid() == 0:
        with pytest.raises(MachineError, match="cannot be removed"):
            remove([Path("/proc/self/fd")])
