"""A registry of our own on loopback, which counts what it is asked for."""

import re
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprobuild.errors import MachineError

__all__ = ["Registry", "registry"]

_CONFIG = """\
version: 0.1
log: {{level: info}}
storage: {{filesystem: {{rootdirectory: {folder}/blobs}}}}
http: {{addr: 127.0.0.1:0, secret: bench}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A running registry at *host*; *log* is its access log."""

    host: str
    log: Path

    def fetched(self) -> Counter[str]:
        """Return how often each blob was fetched up to now."""
        return Counter(re.findall(r'"GET \S+/blobs/(sha256:[0-9a-f]+) HTTP/1\.1" 200', self.log.read_text()))


@contextmanager
def registry(folder: Path) -> Iterator[Registry]:
    """Run docker-registry with its blobs in *folder* for the block."""
    folder.mkdir()
    config, log = folder / "config.yml", folder / "access.log"
    config.write_text(_CONFIG.format(folder=folder))
    command = ["docker-registry", "serve", str(config)]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE) as process:
        try:
            yield Registry(host=_address(process), log=log)
        finally:
            process.terminate()


def _address(process: "subprocess.Popen[bytes]") -> str:
    if process.stderr is None:
        raise ValueError("its stderr is a pipe")
    for line in process.stderr:
        if found := re.search(rb"listening on (127\.0\.0\.1:\d+)", line):
            # It must not block on a full pipe.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found[1].decode()
    raise MachineError("did not start", where="docker-registry", hint="install docker-registry, as scripts/bench does")
