"""Measure reprobuild with fleets of connectors, and the first ten beside BuildKit; see scripts/bench --fleet."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench_dockerd import daemon
from bench_fleet import changed_wheel, connector_name, make_fleet, renew
from bench_fleet_buildkit import make_context
from bench_fleet_report import Comparison, Fleet, Step, page
from bench_machine import facts
from bench_page import add_output, write_page
from bench_stopwatch import Sample, said, timed

from reprobuild.lock_files import find_lock
from reprobuild.oci.types import parse_platform
from reprobuild.selection import selected
from reprobuild.store import Store
from reprobuild.target import Target

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks-fleet.md"
BASE = f"oci:{ROOT}/build/base:python-3.11"
PLATFORM = "linux/amd64"
COMPARED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Everything below ``scratch``; ``fetched`` is a store with all wheels and the base, and nothing made."""

    scratch: Path

    @property
    def fetched(self) -> Path:
        return self.scratch / "fetched"

    def fetch(self, count: int) -> None:
        """Fill `fetched` for a fleet of *count* connectors: from this workspace's folder of wheels or an index."""
        folder, wheels = make_fleet(ROOT, self.scratch / "all", count), ROOT / "lock" / "wheels"
        if wheels.is_dir():
            shutil.copytree(wheels, folder / "lock" / "wheels")
        self._run(folder, self.fetched, "fetch")
        shutil.rmtree(folder / "lock" / "wheels")

    def fleet(self, count: int) -> Fleet:
        """Measure a fleet of *count* connectors: from nothing, again, with a wheel changed."""
        folder, store = make_fleet(ROOT, self.scratch / f"fleet-{count}", count), self.scratch / f"store-{count}"
        shutil.copytree(self.fetched, store, copy_function=os.link)
        cold = self._step(folder, store)
        noop = self._step(folder, store)
        old, new = changed_wheel(folder, Store(store))
        changed = renew(folder, old, new)
        step = self._step(folder, store)
        images = self._images(folder, store)
        shutil.rmtree(store)
        locks = find_lock(folder).lock.connectors.values()
        wheels = {wheel for lock in locks for package in lock.packages for wheel in package.wheels}
        return Fleet(
            connectors=count,
            images=images,
            wheels=len(wheels),
            wheel_bytes=sum(wheel.size for wheel in wheels),
            cold=cold,
            noop=noop,
            changed=step,
            changed_connectors=changed,
            changed_file=old.file,
        )

    def compare(self) -> Comparison:
        """Measure the first connectors on one platform, from nothing, with BuildKit and here."""
        names = [connector_name(number) for number in range(COMPARED)]
        folder, store = make_fleet(ROOT, self.scratch / "first", COMPARED), self.scratch / "store-first"
        shutil.copytree(self.fetched, store, copy_function=os.link)
        ours = self._run(folder, store, "build", "--all", "--platform", PLATFORM, "--offline")
        lock, blobs = find_lock(folder).lock, Store(self.fetched)
        base = lock.bases["python-3.11"]
        target = Target(platform=parse_platform(PLATFORM), python=base.python, libc=base.libc)
        connectors = [(name, selected(blobs, lock.connectors[name], target)) for name in names]
        if base.pip_wheel is None:
            raise ValueError("the base pins pip")
        context = make_context(self.scratch / "context", connectors, base.pip_wheel, blobs)
        config, log = self.scratch / "client", self.scratch / "buildkit.log"
        with daemon(self.scratch / "docker", client_config=config) as one:
            theirs = context.build(one, BASE, config, log)
        return Comparison(connectors=COMPARED, ours=ours, theirs=theirs)

    def _step(self, folder: Path, store: Path) -> Step:
        before = _bytes(store)
        os.sync()
        sample = self._run(folder, store, "build", "--all", "--offline")
        return Step(sample=sample, made=_bytes(store) - before)

    def _images(self, folder: Path, store: Path) -> int:
        """Return how many different images there are."""
        words = self._words(folder, "--quiet", "build", "--all", "--offline", "--json")
        answer = json.loads(said(words, self.scratch / "log", {"REPROBUILD_STORE": str(store)}))
        images = [image for connector in answer["connectors"] for image in connector["images"]]
        return len({image["manifest"]["digest"] for image in images})

    def _run(self, folder: Path, store: Path, *words: str) -> Sample:
        environ = {"REPROBUILD_STORE": str(store)}
        return timed(self._words(folder, *words), self.scratch / "log", environ)

    def _words(self, folder: Path, *words: str) -> list[str]:
        return [sys.executable, "-m", "reprobuild", "--directory", str(folder), *words]


def _bytes(folder: Path) -> int:
    """Return what the blobs of a store hold."""
    return sum(path.stat().st_size for path in (folder / "blobs").rglob("*") if path.is_file())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench --fleet", description=__doc__)
    help_ = "connectors of each fleet (default: 1 30 300)"
    parser.add_argument("--connectors", type=int, nargs="+", default=(1, 30, 300), metavar="N", help=help_)
    parser.add_argument("--alone", action="store_true", help="leave BuildKit out")
    add_output(parser, PAGE)
    options = parser.parse_args(argv)
    return write_page(options.output, lambda scratch: _measured(scratch, options.connectors, alone=options.alone))


def _measured(scratch: Path, connectors: Sequence[int], *, alone: bool) -> str:
    bench, said_ = Bench(scratch=scratch), facts(scratch)
    bench.fetch(max(*connectors, COMPARED))
    fleets = [bench.fleet(count) for count in sorted(connectors)]
    return page(said_, fleets, None if alone else bench.compare())


if __name__ == "__main__":
    sys.exit(main())
