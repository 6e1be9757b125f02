"""A connector's hooks, read: what of them determines an image, and where their bytes are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reprobuild.canonical import Digest, digest_of
from reprobuild.store import machine_errors
from reprobuild.workspace.hooks import HookSpec

__all__ = ["Hook", "Stage", "hooks_of"]

Stage = Literal["pre-install", "post-install"]
"""Before the wheels and the connector's files go in, and after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A hook by the digest of its bytes; ``source`` is where it is on this machine, which no derivation knows.

    A program has a ``stage``. Airbyte's customization has a function for each stage, and runs beside the image.
    """

    kind: Literal["pre-install", "post-install", "customization"]
    source: Path
    digest: Digest

    def __str__(self) -> str:
        return "build_customization.py" if self.kind == "customization" else f"hooks/{self.kind}"


def hooks_of(spec: HookSpec) -> tuple[Hook, ...]:
    """Return the hooks of *spec*, read from this machine; raises MachineError for what cannot be read."""
    places: list[tuple[Literal["pre-install", "post-install", "customization"], Path | None]] = [
        ("pre-install", spec.pre_install),
        ("post-install", spec.post_install),
        ("customization", spec.customization),
    ]
    return tuple(_hook(kind, path) for kind, path in places if path is not None)


def _hook(kind: Literal["pre-install", "post-install", "customization"], path: Path) -> Hook:
    with machine_errors(path):
        data = path.read_bytes()
    return Hook(kind=kind, source=path, digest=digest_of(data))
