"""`--changed-since`: which connectors differ from a revision of git."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.project import Done, Project

Git = Callable[..., str]
NOBODY = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


@pytest.fixture
def project(built: Project, tmp_path: Path) -> Project:
    """A copy of a built project, in a folder of a git repository, committed."""
    root = tmp_path / "repository" / "images"
    shutil.copytree(built.root, root, ignore=shutil.ignore_patterns("images", "wheels"))
    return Project(root=root, environ={**built.environ, **NOBODY}, index=built.index)


@pytest.fixture
def git(project: Project) -> Git:
    """Run git in the repository, which has one commit."""

    def git_(*words: str) -> str:
        command = ["git", "-C", str(project.root.parent), "-c", "user.name=x", "-c", "user.email=x@example.com", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**project.environ})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    git_("init", "-q", "-b", "main")
    git_("add", "--all")
    git_("commit", "-qm", "first")
    return git_


def built_since(project: Project, revision: str) -> list[str]:
    done = project.run("build", "--changed-since", revision, "--json")
    assert done.code == 0, done.err
    return [connector["name"] for connector in done.json["connectors"]]


def append(project: Project, file: str, text: str) -> None:
    with (project.root / file).open("a", encoding="utf-8") as stream:
        stream.write(text)


def test_nothing_has_changed(project: Project, git: Git) -> None:
    done = project.run("build", "--changed-since", "HEAD")
    assert (done.code, done.out) == (0, "")
    assert "no connector has changed since HEAD" in done.err
    (project.root / "notes.txt").write_text("of nobody")
    append(project, "pyproject.toml", "\n[tool.ruff]\nline-length = 99\n")
    assert built_since(project, "HEAD") == []
    assert project.run("check", "--changed-since", "HEAD", "--json").json["images"] == []


@pytest.mark.parametrize(
    ("file", "text", "names"),
    [
        ("lock/pylock.source-one.toml", "# a comment\n", ["source-one"]),
        ("base-images.lock.toml", "# a comment\n", []),
        ("pyproject.toml", '\n[tool.reprobuild.connector.source-two.env]\nA = "1"\n', ["source-two"]),
        ("pyproject.toml", '\n[tool.reprobuild.base.other]\nimage = "oci:other"\n', []),
        ("pyproject.toml", '\n[tool.reprobuild.base."python-3.11".env]\nA = "1"\n', ["source-one", "source-two"]),
        ("pyproject.toml", "\n[tool.reprobuild.registry]\n", None),
    ],
    ids=["lock", "base lock, as it was", "connector", "another base", "its base", "workspace"],
)
def test_what_has_changed(project: Project, git: Git, file: str, text: str, names: list[str] | None) -> None:
    append(project, file, text)
    if names is not None:
        done = project.run("check", "--changed-since", "HEAD", "--json", "--platform", "linux/amd64", "--vary", "umask")
        assert done.code in {0, 1}, done.err
        assert [image["connector"] for image in done.json["images"]] == names


def test_another_base_digest_concerns_those_that_stand_on_it(project: Project, git: Git) -> None:
    lock = project.root / "base-images.lock.toml"
    lock.write_text(lock.read_text().replace('python = "3.11.2"', 'python = "3.11.3"'))
    done = project.run("build", "--changed-since", "HEAD")
    assert done.code in {0, 2}
    assert "no connector has changed" not in done.err


def test_commits_and_files_that_git_does_not_know(project: Project, git: Git) -> None:
    append(project, "lock/pylock.source-one.toml", "# a comment\n")
    git("commit", "-qam", "second")
    assert built_since(project, "HEAD") == []
    assert built_since(project, "HEAD~1") == ["source-one"]
    assert built_since(project, "main~1") == ["source-one"]


def test_what_the_other_branch_did_is_not_ours(project: Project, git: Git) -> None:
    git("checkout", "-qb", "ours")
    append(project, "lock/pylock.source-two.toml", "# ours\n")
    git("commit", "-qam", "ours")
    git("checkout", "-q", "main")
    append(project, "lock/pylock.source-one.toml", "# theirs\n")
    git("commit", "-qam", "theirs")
    git("checkout", "-q", "ours")
    assert built_since(project, "main") == ["source-two"]


def refused(project: Project, revision: str) -> Done:
    done = project.run("build", "--changed-since", revision)
    assert (done.code, done.out) == (2, "")
    return done


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", ""])
def test_a_revision_that_is_none(project: Project, git: Git, revision: str) -> None:
    assert "fetch-depth" in refused(project, revision).err
    assert not (project.root / "x").exists()


def test_a_folder_without_git(built: Project, tmp_path: Path) -> None:
    shutil.copytree(built.root, tmp_path / "alone", ignore=shutil.ignore_patterns("images"))
    alone = Project(root=tmp_path / "alone", environ={**built.environ, **NOBODY}, index=built.index)
    assert "not a git repository" in refused(alone, "HEAD").err
