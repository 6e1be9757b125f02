"""A build of an sdist as an execution, and the answer that it leaves.

Everything that the outcome depends on is in the execution and so in its key: the root filesystem with the build
requirements, the sdist and our driver by digest, the environment. Nothing of the host is.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reprobuild.builder.sdist import BuildSystem
from reprobuild.canonical import Digest, canonical_json
from reprobuild.engines.execution import Change, Execution, Mount, Observation
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer
from reprobuild.oci.types import Platform

__all__ = ["DEFAULT_PATH", "DRIVER", "OUT", "Build", "Task", "built_file", "required"]

DRIVER = Path(__file__).with_name("build_driver.py")
"""The program that runs in the sandbox; it is read and mounted, never imported."""

OUT = "build/out"
"""Where the driver leaves its answer, relative to the root of the image."""

_RUN = "/run/reprobuild"
_TIMEOUT = 3600.0
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Task = Literal["requires", "wheel"]
"""Ask the backend what else it needs, or build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """An sdist (``file``, ``digest``) to build on ``platform`` with the Python ``python`` of ``layers``.

    ``driver`` is the digest of DRIVER's bytes in the store; ``path`` the base's own PATH.
    """

    file: str
    digest: Digest
    system: BuildSystem
    platform: Platform
    layers: tuple[RootLayer, ...]
    python: str
    driver: Digest
    epoch: int
    path: str = DEFAULT_PATH

    def input(self, task: Task) -> bytes:
        """Return what the driver reads on standard input; it has to be in the store."""
        return canonical_json(
            {
                "sdist": self._sdist,
                "backend": self.system.backend,
                "backend_path": list(self.system.backend_path) or None,
                "task": task,
            }
        )

    def execution(self, task: Task, stdin: Digest) -> Execution:
        """Return the execution of *task*; *stdin* is the digest of its `input`."""
        driver = f"{_RUN}/build_driver.py"
        return Execution(
            what=f"building {self.file} for {self.platform}" if task == "wheel" else f"what {self.file} requires",
            platform=self.platform,
            layers=self.layers,
            argv=(self.python, "-s", driver),
            env=self._env(),
            mounts=(
                Mount(target=driver, digest=self.driver),
                Mount(target=self._sdist, digest=self.digest),
            ),
            stdin=stdin,
            epoch=self.epoch,
            timeout=_TIMEOUT,
        )

    @property
    def _sdist(self) -> str:
        return f"{_RUN}/sdist/{self.file}"

    def _env(self) -> dict[str, str]:
        return {
            "HOME": "/build/home",
            "LC_ALL": "C.UTF-8",
            "PATH": self.path,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "SOURCE_DATE_EPOCH": str(self.epoch),
            "TMPDIR": "/tmp",  # noqa: S108 - the sandbox's own
            "TZ": "UTC",
        }


def required(data: bytes, where: str) -> tuple[str, ...]:
    """Return the requirements that the driver wrote as *data*."""
    try:
        found = json.loads(data)
    except ValueError as error:
        raise ContentError(f"the backend's requirements cannot be read: {error}", where=where) from error
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise ContentError("the backend's requirements are not a list of strings", where=where)
    return tuple(found)


def built_file(seen: Observation, suffix: str, where: str) -> tuple[str, Change]:
    """Return the name and the change of the one file that ends with *suffix* in the driver's answer."""
    found = [
        change
        for change in seen.changes.present
        if change.entry.path.startswith(f"{OUT}/") and change.entry.path.endswith(suffix) and change.digest is not None
    ]
    if len(found) != 1:
        words = "no" if not found else str(len(found))
        raise ContentError(
            f"the build left {words} {suffix} files", where=where, hint="its backend does not keep to PEP 517"
        )
    return found[0].entry.path.removeprefix(f"{OUT}/"), found[0]
