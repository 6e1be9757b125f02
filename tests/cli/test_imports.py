"""What a command may not import: a build with nothing to do takes as long as its imports."""

import json
import subprocess
import sys

from tests.cli.project import Project

HEAVY = ("httpx", "anyio", "rich", "tomlkit", "yaml", "packaging.pylock", "pydantic", "asyncio", "uv")
_REPORT = f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]), file=sys.stderr)"


def _loaded(code: str, project: Project) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{code}\n{_REPORT}"],
        cwd=project.root,
        env=dict(project.environ),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return list(json.loads(done.stderr.splitlines()[-1]))


def test_the_command_line_imports_nothing_heavy(built: Project) -> None:
    modules = ", ".join(f"reprobuild.cli.{name}" for name in ("app", "init", "lock", "fetch", "build", "store"))
    assert _loaded(f"import reprobuild.cli, {modules}", built) == []


def test_a_build_with_nothing_to_do_imports_nothing_heavy(built: Project) -> None:
    assert _loaded("from reprobuild.cli import run\nassert run(['build', '--all']) == 0", built) == []


def test_a_lock_that_is_fresh_is_told_without_anything_heavy(built: Project) -> None:
    assert _loaded("from reprobuild.cli import run\nassert run(['lock', 'update', '--check']) == 0", built) == []
