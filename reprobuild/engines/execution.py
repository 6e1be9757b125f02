"""An execution: what a program is given to run, written from its point of view, and what is observed of it.

Nothing here knows an engine. An engine supplies observations; what becomes of them is decided by the builder, on
one path for all engines (design §10).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reprobuild.builder.tree import Entry
from reprobuild.canonical import Digest, canonical_json, digest_of
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer
from reprobuild.oci.types import Platform

__all__ = ["Change", "Changes", "Execution", "ExecutionError", "Mount", "Observation", "Secret"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A blob of the store that the program sees as a file at ``target``, read-only.

    Mode 0555 if ``executable``, else 0444; root's. ``target`` is absolute and clean; folders on the way to it
    that the root filesystem lacks are there for the program and leave no trace.
    """

    target: str
    digest: Digest
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A file at ``target`` with mode 0400 and the program's owner, whose bytes no key, layer, log or cache may hold.

    The bytes are handed to the engine apart, under ``name``.
    """

    name: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One program, run once on a root filesystem.

    ``layers`` are the root filesystem, lowest first. ``env`` is the whole environment; without a HOME, OCI runtimes
    insist on one: then it is /root for root and / for others. ``argv[0]`` is looked up in
    ``env``'s PATH inside the root filesystem unless it holds a slash. ``uid``, ``gid`` and ``groups`` are those in
    the image. ``stdin`` is a blob; without one, standard input is empty. ``timeout`` is in seconds and no part of
    the key; neither is ``what``, the words for messages and progress: ``source-x: hooks/pre-install``.
    ``epoch`` is in seconds since 1970 and bounds nothing by itself: it is part of the key since ``env`` and what is
    made of the changes go by it.
    """

    what: str
    platform: Platform
    layers: tuple[RootLayer, ...]
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    hostname: str = "reprobuild"
    mounts: tuple[Mount, ...] = ()
    secrets: tuple[Secret, ...] = ()
    network: bool = False
    stdin: Digest | None = None
    epoch: int = 315532800
    timeout: float = 600.0

    @property
    def key(self) -> Digest:
        """The identity of this execution: everything that its outcome depends on.

        Layers count by their diffIDs: how they are compressed changes nothing for a program.
        """
        return digest_of(canonical_json(self.to_json()))

    def to_json(self) -> dict[str, Any]:
        """Return the canonical value that the key is the digest of."""
        return {
            "platform": str(self.platform),
            "layers": [layer.diff_id for layer in self.layers],
            "argv": list(self.argv),
            "env": dict(self.env),
            "cwd": self.cwd,
            "user": [self.uid, self.gid, *self.groups],
            "hostname": self.hostname,
            "mounts": [[mount.target, mount.digest, mount.executable] for mount in self.mounts],
            "secrets": [[secret.name, secret.target] for secret in self.secrets],
            "network": self.network,
            "stdin": self.stdin,
            "epoch": self.epoch,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A path as it was found after the program: its metadata and, for a file, the digest of its bytes in the store.

    A hard link's ``entry.target`` is the path that it repeats, another change of the same list, and of kind file.
    Extended attributes of the namespaces ``trusted`` and ``user.overlay`` are the engine's own and not among these.
    """

    entry: Entry
    digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a program did to its root filesystem, sorted by path bytes.

    ``removed`` are paths that were there and are not any more; one that stands for a directory stands for all
    below it; a path whose kind changed may stand in both. ``present`` may hold paths that are as they were:
    engines report what was touched, and the builder compares. Nothing of /proc, /sys, /dev, mounts and secrets.
    """

    present: tuple[Change, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen of a program that ended with exit code 0: its changes, and what it wrote, as UTF-8 text."""

    changes: Changes
    stdout: str = ""
    stderr: str = ""


class ExecutionError(ContentError):
    """A program ended with another exit code than 0, was killed, or ran out of time; nothing of it is kept.

    ``code`` is as a shell counts it, None after the time limit. ``output`` is the end of what it wrote, for people:
    which of two streams came first is not the same each time. ``stdout`` and ``stderr`` are the ends of each.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str,
        hint: str | None,
        output: str,
        code: int | None,
        stdout: str = "",
        stderr: str = "",
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.output = output
        self.stdout = stdout
        self.stderr = stderr
        self.code = code
