"""One run's root filesystem, mounts and configuration, put together for an OCI runtime."""

import errno
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from reprobuild.engines.execution import Mount
from reprobuild.engines.file_metadata import copy_folder
from reprobuild.engines.flavour import Flavour
from reprobuild.engines.job import Answer, Job
from reprobuild.engines.kernel import MountFlag, mount, unmount
from reprobuild.engines.mount_points import MountPoints
from reprobuild.engines.overlay import mount_changing, mount_unchanging
from reprobuild.engines.program import missing_program
from reprobuild.engines.reversed_copy import reversed_copy, size_of
from reprobuild.engines.runtime import Bound, runtime_config
from reprobuild.engines.unpacked import unpacked
from reprobuild.errors import MachineError, SpecificationError
from reprobuild.store import Store

__all__ = ["Bundle"]

_SYSTEM = ("/proc", "/dev", "/sys")
_LEAST_FREE = 1024 * 1024
_HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\t{}\n"


class Bundle:
    """The bundle of *job* in *folder*: on the disk what is changed and mounted, in memory the rest.

    ``changed`` is the overlay's upper directory, ``view`` the root filesystem as it was, ``invented`` what was made
    for mounts alone.
    """

    def __init__(self, job: Job, store: Store, flavour: Flavour, folder: Path) -> None:
        self._job, self._one, self._store, self._flavour = job, job.execution, store, flavour
        self._folder = folder
        self._memory = folder / "memory"
        self.changed = folder / "upper" / "changes"
        self.view = self._memory / "view"
        self.root = self._memory / "root"
        self.log = self._memory / "log"
        self.invented: frozenset[str] = frozenset()
        self.unvaried: tuple[str, ...] = ()
        self._mounted: dict[str, Path] = {}

    def prepare(self) -> Answer | None:
        """Mount everything; return an answer at once if the program is not there."""
        self._memory.mkdir()
        mount("tmpfs", str(self._memory), "tmpfs", MountFlag.NO_DEVICES | MountFlag.NO_SETUID, "mode=0700")
        for name in ("view", "root", "names", "upper-names", "made", "bound", "state"):
            (self._memory / name).mkdir()
        layers = self._layers()
        mount_unchanging(layers, self.view, self._memory / "names", self._flavour)
        bound = self._bound()
        self.changed.mkdir(parents=True)
        copy_folder(self.view, self.changed)
        names = self._memory / "upper-names"
        mount_changing([*layers, self._memory / "made"], self.changed.parent, self.root, names, self._flavour)
        if (refusal := missing_program(self._one, self.root, self._mounted)) is not None:
            return refusal
        config = runtime_config(
            root=str(self.root),
            argv=self._one.argv,
            env=self._env(),
            cwd=self._one.cwd,
            user=(self._one.uid, self._one.gid, self._one.groups),
            hostname=self._job.variation.hostname or self._one.hostname,
            bound=bound,
            network=self._one.network,
        )
        (self._memory / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return None

    def close(self) -> None:
        """Take the mounts away, so that the folder can be removed."""
        for place in (self.root, self.view, self._memory):
            with suppress(OSError):
                unmount(str(place))

    @property
    def command(self) -> Sequence[str]:
        """The runtime, and what it is to do."""
        runtime = self._job.runtime
        options = ["--root", str(self._memory / "state"), "--log", str(self.log), "--log-format", "json"]
        crun = Path(runtime).name.startswith("crun")
        options += ["--cgroup-manager", "disabled"] if crun else ["--rootless", "true"]
        return [runtime, *options, "run", "--bundle", str(self._memory), self._folder.name]

    def is_full(self) -> bool:
        """Say whether there is no space left for the program to write to."""
        found = os.statvfs(self.changed)
        return found.f_bavail * found.f_frsize < _LEAST_FREE or (found.f_files > 0 and found.f_favail == 0)

    def _layers(self) -> list[Path]:
        """Return the layers' directories, in memory and in reverse if that is asked for and there is room."""
        one, variation = self._one, self._job.variation
        layers = unpacked(one.layers, self._store, self._flavour, scratch=self._folder, where=one.what)
        if variation.processors is not None and variation.processors >= len(os.sched_getaffinity(0)):
            self.unvaried += ("processors",)
        if not variation.reverse:
            return layers
        try:
            copies = self._reversed(layers)
        except OSError:
            # Such as extended attributes that older kernels' file system in memory does not have.
            self.unvaried += ("directory order",)
            return layers
        self.changed = self._memory / "upper" / "changes"
        return copies

    def _reversed(self, layers: Sequence[Path]) -> list[Path]:
        found = os.statvfs(self._memory)
        if sum(map(size_of, layers)) * 2 > found.f_bavail * found.f_frsize:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        folder = self._memory / "reversed"
        folder.mkdir()
        copies = [folder / str(number) for number in range(len(layers))]
        for source, place in zip(layers, copies, strict=True):
            reversed_copy(source, place)
        return copies

    def _env(self) -> dict[str, str]:
        # Runtimes set HOME where it is missing, each by its own rule.
        env = dict(self._one.env)
        return env if env.get("HOME") else {**env, "HOME": "/root" if self._one.uid == 0 else "/"}

    def _bound(self) -> list[Bound]:
        """Put what is mounted somewhere, and make places for it."""
        points = MountPoints(self.view, self._memory / "made", self._one.epoch, self._one.what)
        for target in _SYSTEM:
            points.folder(target)
        bound = [
            Bound(source=self._system(name, text), target=points.file(f"/etc/{name}")) for name, text in self._etc()
        ]
        for number, one in enumerate(self._one.mounts):
            bound.append(Bound(source=self._input(one, number), target=points.file(one.target)))
            self._mounted[bound[-1].target] = Path(bound[-1].source)
        for number, secret in enumerate(self._one.secrets):
            source = self._memory / "bound" / f"secret-{number}"
            self._write(source, self._secret(secret.name), 0o400, self._one.uid, self._one.gid)
            bound.append(Bound(source=str(source), target=points.file(secret.target)))
        points.finish()
        self.invented = frozenset(points.invented)
        return bound

    def _etc(self) -> list[tuple[str, str]]:
        hostname = self._job.variation.hostname or self._one.hostname
        names = ""
        if self._one.network:
            names = Path("/etc/resolv.conf").read_text(encoding="utf-8", errors="replace")
        return [("hostname", f"{hostname}\n"), ("hosts", _HOSTS.format(hostname)), ("resolv.conf", names)]

    def _system(self, name: str, text: str) -> str:
        place = self._memory / "bound" / name
        self._write(place, text.encode(), 0o444, 0, 0)
        return str(place)

    def _secret(self, name: str) -> bytes:
        try:
            return self._job.secrets[name]
        except KeyError:
            raise SpecificationError(f"the secret {name} was not given", where=self._one.what) from None

    def _input(self, one: Mount, number: int) -> str:
        place = self._folder / f"input-{number}"
        with place.open("wb") as file:
            for chunk in self._store.chunks(one.digest):
                file.write(chunk)
        self._settle(place, 0o555 if one.executable else 0o444, 0, 0)
        return str(place)

    def _write(self, place: Path, data: bytes, mode: int, uid: int, gid: int) -> None:
        place.write_bytes(data)
        self._settle(place, mode, uid, gid)

    def _settle(self, place: Path, mode: int, uid: int, gid: int) -> None:
        try:
            os.chown(place, uid, gid)
        except OSError as error:
            raise MachineError(
                f"the ids {uid}:{gid} are not mapped here: {error.strerror}",
                where=self._one.what,
                hint="give your user more ids in /etc/subuid and /etc/subgid (subuid(5)), or run reprobuild as root",
            ) from error
        place.chmod(mode)
        os.utime(place, (self._one.epoch, self._one.epoch))
