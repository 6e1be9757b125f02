"""The first connectors of a fleet, built by BuildKit with pip one after the other, each from its own wheels."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench_context import BASE, LOADING
from bench_dockerd import Daemon
from bench_stopwatch import Sample, timed

from reprobuild.lockfile import Wheel
from reprobuild.store import Store

__all__ = ["FleetContext", "make_context"]

_DOCKERFILE = """\
FROM {base}
RUN --mount=type=bind,source=wheels,target=/wheels \\
    python3 /wheels/{pip}/pip install --no-index --no-deps --no-cache-dir \\
    --root-user-action=ignore --break-system-packages {wheels}
COPY {name}.py /airbyte/integration_code/main.py
LABEL io.airbyte.name={name}
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetContext:
    """A build context with a Dockerfile for each of ``names``."""

    folder: Path
    names: tuple[str, ...]

    def build(self, daemon: Daemon, base: str, client_config: Path, log: Path) -> Sample:
        """Build all of them with *daemon* from nothing but *base*, an oci: reference; the time is the sum."""
        environ = {"DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain", "DOCKER_CONFIG": str(client_config)}
        archive = log.with_suffix(".base.tar")
        timed([*LOADING, base, f"docker-archive:{archive}:{BASE}"], log)
        timed([*daemon.client, "load", "--input", str(archive)], log, environ)
        archive.unlink()
        daemon.forget_memory()
        samples = []
        for name in self.names:
            options = ("--network=none", "--no-cache", "--file", str(self.folder / f"{name}.Dockerfile"))
            words = (*options, "--tag", f"localhost/{name}", str(self.folder))
            samples.append(timed([*daemon.client, "build", *words], log, environ))
        memory = max(sample.memory for sample in samples) + daemon.memory()
        return Sample(seconds=sum(sample.seconds for sample in samples), memory=memory)


def make_context(
    folder: Path, connectors: Sequence[tuple[str, Sequence[Wheel]]], pip: Wheel, store: Store
) -> FleetContext:
    """Write a context for *connectors*, each with its wheels, which *store* has, to *folder*."""
    (folder / "wheels").mkdir(parents=True)
    for wheel in {pip, *(wheel for _, wheels in connectors for wheel in wheels)}:
        shutil.copyfile(store.path(wheel.digest), folder / "wheels" / wheel.file)
    for name, wheels in connectors:
        files = " ".join(f"/wheels/{wheel.file}" for wheel in (pip, *wheels))
        text = _DOCKERFILE.format(base=BASE, pip=pip.file, wheels=files, name=name)
        (folder / f"{name}.Dockerfile").write_text(text, encoding="utf-8")
        (folder / f"{name}.py").write_text(f'print("{name}")\n', encoding="utf-8")
    return FleetContext(folder=folder, names=tuple(name for name, _ in connectors))
