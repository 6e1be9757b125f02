"""The connectors that have changed since a revision of git: what ``--changed-since`` chooses."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.errors import MachineError, SpecificationError

if TYPE_CHECKING:
    from reprobuild.workspace import Workspace

__all__ = ["changed_since", "text_at"]

_OPTION = "--changed-since"


def changed_since(workspace: "Workspace", revision: str) -> tuple[str, ...]:
    """Return the connectors of which anything differs from *revision*, in commits or in the working tree.

    What counts is where the branch that is checked out left *revision*, if that is known. Raises SpecificationError
    if there is no such revision, MachineError if git cannot be run.
    """
    from reprobuild.workspace.changes import SHARED_FILES, changed_connectors

    root = workspace.root
    start = _start(root, revision)
    differing = _git(root, "diff", "--name-only", "--no-renames", "--relative", "-z", start, "--")
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    paths = [path for path in (differing + untracked).split("\0") if path]
    before = {file: text_at(root, start, file) for file in SHARED_FILES}
    return changed_connectors(workspace, paths, before, {file: _text(root / file) for file in SHARED_FILES})


def text_at(root: Path, revision: str, file: str) -> str | None:
    """Return the text of *file*, relative to *root*, in *revision*; None if it has no such file."""
    done = _run(root, "show", f"{revision}:./{file}")
    return done.stdout if done.returncode == 0 else None


def _start(root: Path, revision: str) -> str:
    found = _run(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode != 0:
        why = found.stderr.strip().splitlines()
        raise SpecificationError(
            why[0] if why else f"git knows no revision {revision[:100]!r}",
            where=_OPTION,
            hint="name a commit, tag or branch that is fetched: a shallow clone has few (fetch-depth: 0)",
        )
    commit = found.stdout.strip()
    common = _run(root, "merge-base", commit, "HEAD")
    return common.stdout.strip() if common.returncode == 0 else commit


def _git(root: Path, *words: str) -> str:
    done = _run(root, *words)
    if done.returncode != 0:
        raise SpecificationError(done.stderr.strip()[:500] or f"git {words[0]} failed", where=_OPTION)
    return done.stdout


def _run(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = ["git", "-c", "core.quotePath=false", "-C", str(root), *words]
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)  # noqa: S603
    except OSError as error:
        raise MachineError(f"git cannot be run: {error.strerror}", where=_OPTION, hint="install git") from error


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
