"""All connectors of this workspace from nothing, and from a filled substituter: the real Distribution registry.

From nothing: an empty store and no wheels, so that all come from the package index, and what is published as source
only is built. The registry is on loopback, and stores are in the scratch folder. As a program of its own,
`bench_substituter.py [ROUNDS]` prints the table.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench_aside import set_aside
from bench_report import judged, megabytes, table
from bench_stopwatch import Sample, said, timed

from reprobuild.errors import ContentError, MachineError
from reprobuild.lockfile import BASE_LOCK

__all__ = ["SubstituterResult", "measure_substituter", "substituter_section"]

_ROOT = Path(__file__).resolve().parent.parent
_SHARE_GOAL = 0.1


_SUBSTITUTER = """\
## Substituter

All {connectors} connectors of this workspace, {images} images, into an empty store: once from nothing, with wheels from
the package index and what is published as source only built; once from a Distribution registry on loopback that has
the outputs, {size} of blobs. Rounds: {rounds}.

{table}
- taken from the substituter, {share} of the time of building; goal at most 10%: {judged}

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubstituterResult:
    """Rounds of building from nothing and of taking it all; ``size`` is what is taken, in bytes."""

    cold: tuple[Sample, ...]
    taken: tuple[Sample, ...]
    offered: Sample
    connectors: int
    images: int
    size: int

    @property
    def share(self) -> float:
        """The time that taking takes, as a share of building; medians."""
        return median(one.seconds for one in self.taken) / median(one.seconds for one in self.cold)


def measure_substituter(scratch: Path, runs: int) -> SubstituterResult:
    """Build everything *runs* times from nothing, offer it once, and take it *runs* times, all below *scratch*."""
    folder = scratch / "substituter"
    folder.mkdir()
    workspace = _workspace(folder / "workspace")
    with _registry(folder) as host:
        bench = _Bench(workspace=workspace, folder=folder, place=f"{host}/outputs")
        cold = tuple(bench.build("cold", "--substituter", "none") for _ in range(runs))
        wanted = bench.images("cold")
        offered = bench.build("cold", "--substituter", bench.place, "--push-outputs", fresh=False)
        taken = tuple(bench.build("taken", "--substituter", bench.place) for _ in range(runs))
        if "wheel" in bench.log.read_text() or bench.images("taken") != wanted:
            raise ContentError("something else was taken, or something built", where=bench.place, hint="this is a bug")
        size = sum(path.stat().st_size for path in (folder / "taken" / "blobs").rglob("*") if path.is_file())
    connectors = len({name for name, _, _ in wanted})
    return SubstituterResult(
        cold=cold, taken=taken, offered=offered, connectors=connectors, images=len(wanted), size=size
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    workspace: Path
    folder: Path
    place: str

    @property
    def log(self) -> Path:
        return self.folder / "substituter.log"

    def build(self, store: str, *options: str, fresh: bool = True) -> Sample:
        """Build everything into the store of that name; *fresh*: an empty one."""
        if fresh:
            for name in (store, "uv"):
                set_aside(self.folder / name)
        return timed(self._command("build", "--all", *options), self.log, self._environ(store))

    def images(self, store: str) -> list[tuple[str, str, str]]:
        """Return connector, platform and digest of all images in the store of that name."""
        words = self._command("--quiet", "build", "--all", "--offline", "--json")
        answer = json.loads(said(words, self.folder / "json.log", self._environ(store)))
        images = [(one["name"], image) for one in answer["connectors"] for image in one["images"]]
        return [(name, image["platform"], image["manifest"]["digest"]) for name, image in images]

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "reprobuild", "--directory", str(self.workspace), *words]

    def _environ(self, store: str) -> dict[str, str]:
        stores = {"REPROBUILD_STORE": str(self.folder / store), "UV_CACHE_DIR": str(self.folder / "uv")}
        return {**stores, "PYTHONPATH": str(_ROOT)}


def _workspace(folder: Path) -> Path:
    """Return a copy of this workspace without wheels."""
    folder.mkdir()
    for name in ("pyproject.toml", BASE_LOCK):
        shutil.copy(_ROOT / name, folder / name)
    shutil.copytree(_ROOT / "lock", folder / "lock", ignore=shutil.ignore_patterns("wheels"))
    shutil.copytree(_ROOT / "connectors", folder / "connectors")
    (folder / "build").symlink_to(_ROOT / "build")
    return folder


@contextmanager
def _registry(folder: Path) -> Iterator[str]:
    """Run the Distribution registry on loopback, and yield its host."""
    storage = {"filesystem": {"rootdirectory": str(folder / "registry")}}
    config = {"version": 0.1, "log": {"level": "info"}, "storage": storage, "http": {"addr": "127.0.0.1:0"}}
    (folder / "registry.yml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML.
    command = ["docker-registry", "serve", str(folder / "registry.yml")]
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise MachineError("is not installed", where=command[0], hint="scripts/bench installs what it needs") from error
    with process:
        assert process.stderr is not None
        try:
            host = next(found for line in process.stderr if (found := re.search(rb"listening on (\S+:\d+)", line)))
            # It must not block on a full pipe.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield host[1].decode()
        finally:
            process.terminate()


def substituter_section(found: SubstituterResult) -> str:
    """Return the page's section about the substituter."""
    steps = (("built from nothing", found.cold), ("taken from the substituter", found.taken))
    rows = [
        (
            name,
            f"**{median(times):.2f}** ({min(times):.2f} to {max(times):.2f})",
            megabytes(max(one.memory for one in samples)),
        )
        for name, samples in steps
        if (times := [one.seconds for one in samples])
    ]
    rows.append(("offered to it", f"{found.offered.seconds:.2f}", megabytes(found.offered.memory)))
    return _SUBSTITUTER.format(
        connectors=found.connectors,
        images=found.images,
        size=megabytes(found.size),
        table=table((f"{found.images} images", "seconds, median (shortest to longest)", "peak memory"), rows),
        share=f"{100 * found.share:.1f}%",
        judged=judged(found.share <= _SHARE_GOAL),
        rounds=len(found.taken),
    )


def _main(rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        print(substituter_section(measure_substituter(Path(name).resolve(), rounds)))


if __name__ == "__main__":
    _main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
