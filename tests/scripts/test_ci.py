"""What CI runs, in a git repository made here: the action's steps, the summary, the pre-commit hook."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import _with_locks, built  # noqa: F401 - fixtures
from tests.cli.project import Done, Project

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "ci_images.py"
NOBODY = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    **{f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}

Git = Callable[..., str]


@pytest.fixture
def project(built: Project, tmp_path: Path) -> Project:  # noqa: F811
    """A workspace with locks and recorded digests, committed to git."""
    root = tmp_path / "workspace"
    shutil.copytree(built.root, root, ignore=shutil.ignore_patterns("images"))
    shutil.copytree(built.store.root, tmp_path / "store")
    environ = {**built.environ, **NOBODY, "REPROBUILD_STORE": str(tmp_path / "store")}
    made = Project(root=root, environ=environ, index=built.index)
    for words in (["init", "-q", "-b", "main"], ["add", "--all"], ["commit", "-qm", "first"]):
        subprocess.run(["git", "-C", root, *words], check=True, env=environ)
    return made


def shell(project: Project, *command: str | Path, environ: Mapping[str, str] | None = None) -> Done:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=project.root,
        env={**project.environ, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)


def images(project: Project, *words: str, **environ: str) -> Done:
    return shell(project, sys.executable, SCRIPT, "--report", "report", "--vary", "umask", *words, environ=environ)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def rows(done: Done) -> list[list[str]]:
    lines = [line for line in done.out.splitlines() if line.startswith("| source-")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def change(project: Project) -> None:
    """Give source-one another environment, and record what comes of it."""
    edit(
        project.root / "pyproject.toml", 'entrypoint = ["source-one"]', 'entrypoint = ["source-one"]\nenv = { A = "1" }'
    )
    done = project.run("build", "source-one", "--record")
    assert done.code == 0, done.err


def test_a_change_shows_its_old_and_new_digests(project: Project) -> None:
    change(project)
    done = images(project, "--since", "HEAD", GITHUB_STEP_SUMMARY=str(project.root / "page.md"))
    assert done.code == 0, done.err
    found = rows(done)
    assert [row[:2] for row in found] == [["source-one", "linux/amd64"], ["source-one", "linux/arm64"]]
    assert all(re.fullmatch(r"`sha256:\w{12}` → `sha256:\w{12}`", row[2]) for row in found)
    assert all(row[3] == "✅ same" for row in found)
    assert (project.root / "page.md").read_text() == (project.root / "report" / "summary.md").read_text()
    assert json.loads((project.root / "report" / "check.json").read_text())["well"] is True
    assert 'tests="2"' in (project.root / "report" / "junit.xml").read_text()


def test_nothing_has_changed(project: Project) -> None:
    done = images(project, "--since", "HEAD")
    assert done.code == 0, done.err
    assert "No image has changed." in done.out


def test_without_a_revision_everything_is_checked(project: Project) -> None:
    done = images(project, "--since", "0" * 40)
    assert done.code == 0, done.err
    assert [row[0] for row in rows(done)] == ["source-one", "source-one", "source-two", "source-two"]


def test_a_stale_lock_is_told_beside_its_file(project: Project) -> None:
    edit(project.root / "pyproject.toml", 'requirements = ["beam"]', 'requirements = ["beam", "alpha"]')
    done = images(project, "--since", "HEAD", GITHUB_ACTIONS="true")
    assert done.code == 1
    assert re.search(r"^::error file=lock/pylock.source-two.toml::source-two: ", done.out, re.MULTILINE)
    assert "run `reprobuild lock update` and commit" in done.out
    assert not (project.root / "report" / "check.json").exists()


def test_an_image_that_is_not_what_its_lock_records(project: Project) -> None:
    lock = project.root / "lock" / "pylock.source-one.toml"
    digest = re.findall(r'manifest = "(sha256:\w+)"', lock.read_text())[0]
    edit(lock, digest, "sha256:" + "1" * 64)
    done = images(project, "--check", "source-one", "--since", "HEAD")
    assert done.code == 1
    assert "error: lock/pylock.source-one.toml: source-one (linux/amd64): mismatch" in done.out
    assert rows(done)[0][2].endswith("→ `sha256:111111111111`")
    assert rows(done)[0][3] == "❌ mismatch"
    assert "the recorded image is not in this store" in done.out


def test_what_is_not_recorded(project: Project) -> None:
    edit(
        project.root / "pyproject.toml", 'entrypoint = ["source-one"]', 'entrypoint = ["source-one"]\nenv = { A = "1" }'
    )
    done = images(project, "--since", "HEAD")
    assert done.code == 1
    assert rows(done)[0][3] == "⚠️ unrecorded"


def test_a_revision_that_was_not_fetched(project: Project) -> None:
    done = images(project, "--since", "1" * 40)
    assert done.code == 2
    assert "fetch-depth" in done.err


def test_names_cannot_break_out_of_the_page() -> None:
    sys.path.insert(0, str(SCRIPT.parent))
    from ci_summary import annotation, summary

    reasons = [{"subject": "x", "where": "a`b", "reason": "<script>|\n# heading"}]
    text = summary(reasons, {}, {}, {}, since=None)
    assert "<script>" not in text
    assert "\n# heading" not in text
    os.environ["GITHUB_ACTIONS"] = "true"
    try:
        assert "\n" not in annotation("one\n::error::two")
    finally:
        del os.environ["GITHUB_ACTIONS"]


# The action


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    return value


def resolved(text: str, inputs: Mapping[str, str], folder: Path) -> str:
    """Return *text* with GitHub's expressions replaced."""

    def value(match: re.Match[str]) -> str:
        expression = match[1].strip()
        if expression == "runner.temp":
            return str(folder)
        assert expression.startswith("inputs."), expression
        return inputs[expression.removeprefix("inputs.")]

    return re.sub(r"\$\{\{(.*?)\}\}", value, text)


def run_action(action: dict[str, Any], project: Project, folder: Path, skip: int, **given: str) -> Done:
    """Run the action's steps, but for the first *skip*, as a runner does: with bash and each step's environment."""
    inputs = {name: str(one["default"]) for name, one in action["inputs"].items()} | given
    inputs = {name: resolved(text, {}, folder) if "github." not in text else "" for name, text in inputs.items()}
    done = Done(code=0, out="", err="")
    for step in action["runs"]["steps"][skip:]:
        assert step["shell"] == "bash"
        environ = {name: resolved(text, inputs, folder) for name, text in step["env"].items()}
        environ |= {"GITHUB_ACTION_PATH": str(ROOT), "GITHUB_ACTIONS": "true", "GITHUB_PATH": str(folder / "path")}
        done = shell(project, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"], environ=environ)
        if done.code:
            return done
    return done


def test_the_action_checks_what_has_changed(action: dict[str, Any], project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "temp dir"
    (folder / "reprobuild-venv" / "bin").mkdir(parents=True)
    python = folder / "reprobuild-venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    change(project)
    done = run_action(action, project, folder, 1, since="HEAD", vary="umask")
    assert done.code == 0, done.out + done.err
    assert len(rows(done)) == 2
    assert (folder / "reprobuild-report" / "junit.xml").exists()
    assert run_action(action, project, folder, 1, since="HEAD", vary="moon").code == 2


def test_the_action_installs_reprobuild(action: dict[str, Any], project: Project, tmp_path: Path) -> None:
    """With pip, from the package index, as on a runner."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    plain = Project(root=project.root, environ={**environ, **NOBODY}, index=project.index)
    action = {**action, "runs": {"steps": action["runs"]["steps"][:1]}}
    done = run_action(action, plain, tmp_path, 0, python=sys.executable)
    assert done.code == 0, done.out + done.err
    assert done.out.startswith("reprobuild ")
    program = (tmp_path / "path").read_text().strip() + "/reprobuild"
    assert shell(plain, program, "lock", "update", "--check").code == 0


def test_expressions_are_never_inside_scripts(action: dict[str, Any]) -> None:
    """A branch could be called anything: values reach a script by its environment alone."""
    assert not any("${{" in step["run"] for step in action["runs"]["steps"])


_CONTEXTS = {"default": {"github", "runner"}, "env": {"inputs", "runner"}, "value": {"inputs"}}
"""What each place is given by a runner, of what is used here (actions/runner, action_yaml.json)."""


def test_expressions_use_what_a_runner_gives_them(action: dict[str, Any]) -> None:
    steps = action["runs"]["steps"]
    places = [("default", str(one["default"])) for one in action["inputs"].values()]
    places += [("value", one["value"]) for one in action["outputs"].values()]
    places += [("env", text) for step in steps for text in step["env"].values()]
    used = {(place, name) for place, text in places for name in re.findall(r"(?:\{\{|\|\|)\s*(\w+)\.", text)}
    assert len(used) > 3
    assert all(name in _CONTEXTS[place] for place, name in used), used
    given = {name for step in steps for text in step["env"].values() for name in re.findall(r"inputs\.(\w+)", text)}
    assert given == set(action["inputs"])
    assert all(set(step) == {"name", "shell", "env", "run"} for step in steps)


# What the how-to shows


def shown(heading: str, language: str) -> str:
    """Return the first block in *language* below *heading* of the how-to."""
    section = (ROOT / "docs/how-to/ci.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return section.split(f"```{language}\n")[1].split("```")[0]


def test_the_workflow_names_what_the_action_has(action: dict[str, Any]) -> None:
    steps = yaml.safe_load(shown("GitHub Actions", "yaml"))["jobs"]["images"]["steps"]
    (ours,) = [step for step in steps if "/reprobuild@" in step.get("uses", "")]
    assert set(ours.get("with", {})) <= set(action["inputs"])
    outputs = re.findall(rf"steps\.{ours['id']}\.outputs\.(\w+)", str(steps))
    assert outputs
    assert set(outputs) <= set(action["outputs"])
    checkout = next(step for step in steps if step["uses"].startswith("actions/checkout@"))
    assert checkout["with"]["fetch-depth"] == 0


def test_the_commands_of_gitlab_and_jenkins_run(project: Project, tmp_path: Path) -> None:
    """All but the installation, in a shell, with the variables that the services set."""
    job = yaml.safe_load(shown("GitLab CI", "yaml"))["images"]
    pipeline = re.findall(r"sh '(.*)'", shown("Jenkins", "groovy"))
    install, *gitlab = job["script"]
    assert install.startswith("pip install")
    assert "pip install" in pipeline[0]
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "reprobuild"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m reprobuild "$@"\n')
    program.chmod(0o755)
    environ = {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": "HEAD",
        "CHANGE_TARGET": "main",
    }
    done = shell(project, "git", "update-ref", "refs/remotes/origin/main", "HEAD")
    assert done.code == 0, done.err
    change(project)
    for commands in (gitlab, [line.replace(".venv/bin/", "") for line in pipeline[1:]]):
        for command in commands:
            done = shell(project, "sh", "-ec", command, environ=environ)
            assert done.code == 0, f"{command}\n{done.out}{done.err}"
        report = project.root / job["artifacts"]["reports"]["junit"]
        assert 'tests="2" failures="0"' in report.read_text()
        report.unlink()


# The pre-commit hook


def test_the_pre_commit_hook_runs_where_it_should(project: Project) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    files = re.compile(hook["files"])
    for path in (
        "pyproject.toml",
        "connectors/a/metadata.yaml",
        "lock/pylock.a.toml",
        "base-images.lock.toml",
        "x/uv.lock",
    ):
        assert files.search(path), path
    for path in ("README.md", "connectors/a/main.py", "tests/pyproject.toml.bak"):
        assert not files.search(path), path
    program, *words = shlex.split(hook["entry"])
    assert (program, hook["pass_filenames"], hook["language"]) == ("reprobuild", False, "python")
    command = [sys.executable, "-m", "reprobuild", *words]
    assert shell(project, *command).code == 0
    edit(project.root / "pyproject.toml", 'requirements = ["beam"]', 'requirements = ["beam", "alpha"]')
    assert shell(project, *command).code == 1
