"""A Docker daemon of our own: in a temporary folder, without networks, ended by its process id."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprobuild.errors import MachineError

__all__ = ["CLIENT", "DAEMON", "Daemon", "daemon", "unmount_below"]

CLIENT = "/usr/bin/docker"
DAEMON = "/usr/sbin/dockerd"
_PATIENCE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A running daemon; ``address`` is what a client's ``--host`` takes, ``pid`` is dockerd's."""

    address: str
    pid: int

    @property
    def client(self) -> tuple[str, ...]:
        """The beginning of a command line that speaks to it."""
        return (CLIENT, "--host", self.address)

    def forget_memory(self) -> None:
        """Begin anew with measuring `memory`: proc(5), clear_refs."""
        for pid in self._processes():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def memory(self) -> int:
        """Return the bytes that dockerd and its containerd have held at most, each by itself, since forgetting."""
        return sum(_high_water(Path(f"/proc/{pid}/status").read_text()) for pid in self._processes())

    def storage_driver(self) -> str:
        """Return how the daemon keeps layers; anything but overlay2 is slow."""
        words = [*self.client, "info", "--format", "{{.Driver}}"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    def _processes(self) -> list[int]:
        """Return dockerd and the containerd that it has started; shims and builds are not among them."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/children")
        children = [int(pid) for task in tasks for pid in task.read_text().split()]
        return [self.pid, *(pid for pid in children if Path(f"/proc/{pid}/comm").read_text() == "containerd\n")]


def _high_water(status: str) -> int:
    """Return VmHWM of *status*, a /proc/PID/status, in bytes."""
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


@contextmanager
def daemon(folder: Path, *, client_config: Path) -> Iterator[Daemon]:
    """Run a daemon with all that is its own below *folder*, a short path, for the block.

    Raises MachineError where it cannot run. *client_config* is made, for clients to take as DOCKER_CONFIG.
    """
    if os.geteuid() != 0:
        raise MachineError("only root can run the Docker daemon", where=DAEMON, hint="run this as root")
    if missing := [program for program in (DAEMON, CLIENT) if shutil.which(program) is None]:
        raise MachineError("is not installed", where=missing[0], hint="install docker.io, as scripts/bench does")
    folder.mkdir()
    client_config.mkdir()
    (folder / "daemon.json").write_text("{}\n")
    with (folder / "log").open("wb") as log:
        # A session of its own: Ctrl-C is for us, who then end it in order.
        process = subprocess.Popen(_command(folder), stdout=log, stderr=log, start_new_session=True)
        try:
            one = Daemon(address=f"unix://{folder}/docker.sock", pid=process.pid)
            _wait_until_ready(one, process, folder / "log")
            yield one
        finally:
            _end(process)
            unmount_below(folder)


def _command(folder: Path) -> list[str]:
    return [
        DAEMON,
        *("--config-file", f"{folder}/daemon.json"),
        *("--host", f"unix://{folder}/docker.sock"),
        *("--data-root", f"{folder}/data"),
        *("--exec-root", f"{folder}/exec"),
        *("--pidfile", f"{folder}/pid"),
        *("--bridge", "none", "--iptables=false", "--ip6tables=false"),
        # Where a containerd of the machine's own runs, dockerd uses that one.
        *("--containerd-namespace", "reprobuild-bench"),
        *("--containerd-plugins-namespace", "reprobuild-bench-plugins"),
    ]


def _wait_until_ready(one: Daemon, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if subprocess.run([*one.client, "info"], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.2)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
    raise MachineError(f"did not start:\n{tail}", where=DAEMON, hint="see the lines above")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def unmount_below(folder: Path) -> None:
    """Unmount what is mounted below *folder*, the innermost first, so that it can be removed."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [line.split()[4] for line in lines if line.split()[4].startswith(f"{folder}/")]
    for place in reversed(places):
        subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
