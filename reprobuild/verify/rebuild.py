"""A rebuild: the whole command line in a process of its own, in a copy of the workspace, under given conditions.

It starts from a store that holds what an image is made from, all checked by digest when it is used, and nothing
that was made. No network is used.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from reprobuild.canonical import Digest, parse_digest
from reprobuild.errors import ContentError
from reprobuild.store import Store
from reprobuild.verify.conditions import Conditions

__all__ = ["Rebuilt", "rebuild"]

_PASSED_ON = ("NO_COLOR", "SSL_CERT_FILE", "REPROBUILD_RUNTIME")
"""Variables that a rebuild gets from here as they are: no byte of an image comes near them."""
_LONGEST_ANSWER = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """The manifests that a rebuild gave, by connector and platform, and the store that holds them."""

    conditions: Conditions
    store: Store
    manifests: Mapping[tuple[str, str], Digest]


async def rebuild(
    conditions: Conditions, *, workspace: Path, store: Store, home: Path, words: Sequence[str], wrapper: Sequence[str]
) -> Rebuilt:
    """Run `reprobuild build` with *words* in *workspace*, with *store* and *home*, and return what it gave.

    *wrapper* is a command that runs the one after it: what gives a process another hostname, user or clock, or fewer
    processors. Raises ContentError with the end of what the build wrote if it fails; cancelled, it ends the build.
    """
    command = [*wrapper, sys.executable, "-m", "reprobuild", "--quiet", "-C", str(workspace), "build"]
    command += [*words, "--offline", "--json"]
    environ = _environ(conditions, store, home)
    # Another user may not enter the folder that we are in.
    done = await anyio.run_process(
        command, check=False, env=environ, cwd="/", stdin=subprocess.DEVNULL, umask=conditions.umask
    )
    if done.returncode not in {0, 1} or len(done.stdout) > _LONGEST_ANSWER:
        raise _failed(conditions, done.returncode, done.stderr)
    return Rebuilt(conditions=conditions, store=store, manifests=_manifests(done.stdout, conditions))


def _environ(conditions: Conditions, store: Store, home: Path) -> dict[str, str]:
    given = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **given,
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "TMPDIR": str(home),
        "TZ": conditions.timezone,
        "LANG": conditions.locale,
        "LC_ALL": conditions.locale,
        "PYTHONHASHSEED": str(conditions.hash_seed),
        "PYTHONPATH": str(Path(__file__).parent.parent.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "REPROBUILD_STORE": str(store.root),
    }


def _manifests(answer: bytes, conditions: Conditions) -> dict[tuple[str, str], Digest]:
    try:
        value: dict[str, Any] = json.loads(answer)
        return {
            (connector["name"], image["platform"]): parse_digest(image["manifest"]["digest"])
            for connector in value["connectors"]
            for image in connector["images"]
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ContentError("its answer cannot be read", where=f"rebuild {conditions.number}") from error


def _failed(conditions: Conditions, code: int, said: bytes) -> ContentError:
    text = said.decode("utf-8", "replace").strip().splitlines()
    end = "\n".join(text[-12:]) or f"exit code {code}"
    return ContentError(
        f"it failed:\n{end}", where=f"rebuild {conditions.number}", hint="what failed stands above; build it by hand"
    )
