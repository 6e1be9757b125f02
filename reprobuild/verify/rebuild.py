"""A rebuild: the whole command line in a process of its own, in a copy of the workspace, under given conditions.

It starts from a store that holds what an image is made from, all checked by digest when it is used, and nothing
that was made. No network is used.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from reprobuild.canonical import Digest, parse_digest
from reprobuild.errors import ContentError
from reprobuild.store import Store
from reprobuild.verify.conditions import Conditions

__all__ = ["ImageName", "Obstacle", "Rebuilt", "obstacle_of", "own_path", "rebuild"]

ImageName = tuple[str, str]
"""A connector and a platform."""

_PASSED_ON = ("NO_COLOR", "SSL_CERT_FILE", "REPROBUILD_RUNTIME")
"""Variables that a rebuild gets from here as they are: no byte of an image comes near them."""
_LONGEST_ANSWER = 64 * 1024 * 1024
_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why an image could not be rebuilt, and the next step."""

    reason: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """The manifests that a rebuild gave, what it could not build, and the store that holds what it made."""

    conditions: Conditions
    store: Store
    manifests: Mapping[ImageName, Digest] = field(default_factory=dict)
    obstacles: Mapping[ImageName, Obstacle] = field(default_factory=dict)


async def rebuild(
    conditions: Conditions,
    *,
    workspace: Path,
    store: Store,
    home: Path,
    images: Sequence[ImageName],
    wrapper: Sequence[str],
    given: Sequence[str] = (),
) -> Mapping[ImageName, Digest] | Obstacle:
    """Run `reprobuild build` for *images* in *workspace*, with *store* and *home*, and return what it gave.

    Each of *images* is for every platform of them all. *wrapper* is a command that runs the one after it: what gives
    a process another hostname, user or clock, or fewer processors. Variables that are *given* reach it as they are.
    Cancelled, it ends the build.
    """
    words = [*dict.fromkeys(connector for connector, _ in images)]
    for platform in dict.fromkeys(platform for _, platform in images):
        words += ["--platform", platform]
    command = [*wrapper, sys.executable, "-m", "reprobuild", "--quiet", "-C", str(workspace), "build"]
    command += [*words, "--offline", "--json"]
    environ = _environ(conditions, store, home, given)
    # Another user may not enter the folder that we are in.
    done = await anyio.run_process(
        command, check=False, env=environ, cwd="/", stdin=subprocess.DEVNULL, umask=conditions.umask
    )
    if done.returncode not in {0, 1} or not done.stdout.strip() or len(done.stdout) > _LONGEST_ANSWER:
        return obstacle_of(done.stderr.decode("utf-8", "replace"), done.returncode)
    return _manifests(done.stdout, conditions)


def obstacle_of(said: str, code: int) -> Obstacle:
    """Return the errors and hints in what a command *said*, and what a program wrote; its end if there are none."""
    lines = [line for line in said.strip().splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
    wrote = [line for line in lines if line.startswith("  | ")][-_LINES:] if errors else lines[-_LINES:]
    reason = "\n".join([*(["; ".join(errors)] if errors else []), *wrote]) or f"it ended with exit code {code}"
    return Obstacle(reason=reason, hint="; ".join(hints) or None)


def own_path() -> str:
    """Return the PYTHONPATH with which another process finds this program, and what it depends on."""
    return os.pathsep.join(filter(None, [str(Path(__file__).parent.parent.parent), os.environ.get("PYTHONPATH", "")]))


def _environ(conditions: Conditions, store: Store, home: Path, given: Sequence[str]) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in (*_PASSED_ON, *given) if name in os.environ},
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "TMPDIR": str(home),
        "TZ": conditions.timezone,
        "LANG": conditions.locale,
        "LC_ALL": conditions.locale,
        "PYTHONHASHSEED": str(conditions.hash_seed),
        "PYTHONPATH": own_path(),
        "PYTHONDONTWRITEBYTECODE": "1",
        "REPROBUILD_STORE": str(store.root),
    }


def _manifests(answer: bytes, conditions: Conditions) -> dict[ImageName, Digest]:
    try:
        value: dict[str, Any] = json.loads(answer)
        return {
            (connector["name"], image["platform"]): parse_digest(image["manifest"]["digest"])
            for connector in value["connectors"]
            for image in connector["images"]
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ContentError("its answer cannot be read", where=f"rebuild {conditions.number}") from error
