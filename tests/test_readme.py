"""The README's promise: every command in it runs, and prints what is shown; the demo works in an empty HOME."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SCRIPTS = ("scripts/demo", "scripts/test")
"""The two commands; the demo has a test of its own, and scripts/test is what runs this."""


def steps() -> list[tuple[str, list[str]]]:
    """Return each command of the README's console blocks, with the lines that are shown below it."""
    found: list[tuple[str, list[str]]] = []
    for line in "".join(BLOCKS).splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
    return found


def copy_of_the_repository(folder: Path) -> Path:
    """Copy what git tracks, or would, as a clone of this very state."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def test_every_command_of_the_tour_runs_and_prints_what_is_shown(tmp_path: Path) -> None:
    workspace = copy_of_the_repository(tmp_path)
    for base in ("base", "base-build"):
        shutil.copytree(ROOT / "build" / base, workspace / "build" / base)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    tour = [(command, shown) for command, shown in steps() if command not in SCRIPTS]
    assert len(tour) >= 8
    for command, shown in tour:
        done = subprocess.run(
            command,
            check=False,
            shell=True,
            cwd=workspace,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        for line in shown:
            assert line in done.stdout.splitlines(), f"$ {command}\nREADME shows {line!r}, it prints:\n{done.stdout}"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A copy of the repository, and the environment of someone who has nothing yet."""
    home = tmp_path_factory.mktemp("home")
    kept = {
        name: value for name, value in os.environ.items() if re.match(r"PIP_|UV_|SSL_|HTTPS?_|https?_|NO_|no_", name)
    }
    environment = {**kept, "HOME": str(home), "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    return copy_of_the_repository(tmp_path_factory.mktemp("clone")), environment


def run_demo(demo: tuple[Path, dict[str, str]]) -> str:
    done = subprocess.run(["scripts/demo"], check=False, cwd=demo[0], env=demo[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def verified(output: str) -> set[tuple[str, str, str]]:
    """Return connector, platform and digest of each image that *output* calls verified."""
    return set(re.findall(r"^verified +(source-\S+) +(linux/\w+) +(sha256:\w+)", output, re.MULTILINE))


def test_the_demo_verifies_everything_in_an_empty_home_and_then_has_nothing_to_do(
    demo: tuple[Path, dict[str, str]],
) -> None:
    first = run_demo(demo)
    assert len(verified(first)) == 16
    assert "spec: Notion Source Spec" in first
    assert "read: 20 records of users" in first
    shown = verified(README)
    assert shown
    assert shown <= verified(first), "the README shows digests that are not the demo's"
    again = run_demo(demo)
    assert verified(again) == verified(first)
    assert "wheel layers" not in again
