"""Measure `reprobuild analyze images` beside docker, which pulls and runs each image; see scripts/bench --analyze."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench_dockerd import daemon
from bench_fleet import connector_name, make_fleet
from bench_fleet_run import BASE, PLATFORM, ROOT, Bench
from bench_machine import facts
from bench_memory import watched
from bench_page import add_output, write_page
from bench_registry import registry
from bench_report import table
from bench_stopwatch import Sample, timed

from reprobuild.analysis.report_json import read_fleet

__all__ = ["main"]

PAGE = ROOT / "docs" / "benchmarks-analyze.md"
_MEMORY_GOAL, _RATIO_GOAL = 300_000_000, 10.0
_LIST = ("sh", "-c", "dpkg -l 2>/dev/null || cat /var/lib/dpkg/status")
"""Our base has no dpkg: its database is printed then, which takes less time."""
_PAGE = """\
# Benchmarks of an analysis

Written by `scripts/bench --analyze`; what is measured here changes with the machine, so run it on yours. {count} images
for {platform} that share a base and most of their layers, each with some distributions left out, lie in a registry on
loopback: {layers} layers, {different} of them different, {size}. `reprobuild analyze images` reads them with an empty
store. Docker, with an empty daemon on the same machine and no network for containers, pulls one after another, and runs
`printenv` and `dpkg -l` (or prints dpkg's database, where there is no dpkg) in it: what the notebook did.

{machine}
## Time and memory

{rows}
- *Fetched* is how often a layer was fetched from the registry, for each different layer of the images.
- **again**: the same command; what is in a layer is known by then.
- **Peak memory** of analyze is what reprobuild and the processes that it starts held together, shared pages once;
  docker's is that of dockerd and containerd.

## Goals

{verdicts}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The images: their references, how many layers they have, how many of those differ, and the bytes of these."""

    references: tuple[str, ...]
    layers: int
    different: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was measured; *fetches* counts how often layers were fetched."""

    fleet: Fleet
    ours: Sample
    again: Sample
    fetches: int
    most_fetches: int
    theirs: Sample


def measure(bench: Bench, count: int) -> Findings:
    """Build *count* images, push them, and read them in both ways."""
    scratch = bench.scratch
    bench.fetch(count)
    folder = make_fleet(ROOT, scratch / "fleet", count)
    _reprobuild(bench, folder, bench.fetched, "build", "--all", "--platform", PLATFORM, "--offline")
    with registry(scratch / "registry") as one:
        words = ("push", "--all", "--platform", PLATFORM, "--unrecorded", f"{one.host}/fleet/")
        _reprobuild(bench, folder, bench.fetched, *words)
        references = tuple(f"{one.host}/fleet/{connector_name(number)}:1.0.0" for number in range(count))
        (scratch / "references").write_text("".join(f"{reference}\n" for reference in references))
        before = one.fetched()
        ours, again = (_analyze(bench, scratch / "empty-store") for _ in range(2))
        fetched = one.fetched() - before
        images = read_fleet((scratch / "log").read_bytes()).images
        layers = {layer.digest: layer.compressed for image in images for layer in image.layers}
        counts = [fetched[digest] for digest in layers]
        fleet = Fleet(
            references=references,
            layers=sum(len(image.layers) for image in images),
            different=len(layers),
            size=sum(layers.values()),
        )
        theirs = _docker(scratch, references)
    return Findings(fleet=fleet, ours=ours, again=again, fetches=sum(counts), most_fetches=max(counts), theirs=theirs)


def _analyze(bench: Bench, store: Path) -> Sample:
    listed = ("--from", str(bench.scratch / "references"), "--base", BASE, "--json")
    with watched() as memory:
        sample = _reprobuild(bench, bench.scratch, store, "--quiet", "analyze", "images", *listed)
    return replace(sample, memory=max(sample.memory, memory.most))


def _docker(scratch: Path, references: Sequence[str]) -> Sample:
    """Pull each of *references*, one after another, and run two programs in it."""
    log, seconds, memory = scratch / "docker.log", 0.0, 0
    with daemon(scratch / "docker", client_config=scratch / "client") as running:
        environ = {"DOCKER_CONFIG": str(scratch / "client")}
        running.forget_memory()
        for number, reference in enumerate(references):
            run = (*running.client, "run", "--rm", "--network=none", "--entrypoint")
            for words in (
                (*running.client, "pull", "--quiet", reference),
                (*run, "printenv", reference),
                (*run, _LIST[0], reference, *_LIST[1:]),
            ):
                seconds += timed(words, log, environ).seconds
            print(f"docker: {number + 1} of {len(references)}, {seconds:.0f} s", file=sys.stderr, flush=True)
        memory = running.memory()
    return Sample(seconds=seconds, memory=memory)


def _reprobuild(bench: Bench, folder: Path, store: Path, *words: str) -> Sample:
    command = [sys.executable, "-m", "reprobuild", "--directory", str(folder), *words]
    return timed(command, bench.scratch / "log", {"REPROBUILD_STORE": str(store)})


def page(said: Sequence[tuple[str, str]], found: Findings) -> str:
    """Return the page."""
    fleet, ratio = found.fleet, found.theirs.seconds / found.ours.seconds
    rows = [
        [what, f"{sample.seconds:.1f} s", _size(sample.memory), times]
        for what, sample, times in (
            ("analyze", found.ours, f"{found.fetches} for {fleet.different}"),
            ("analyze again", found.again, "0"),
            ("docker", found.theirs, ""),
        )
    ]
    memory = max(found.ours.memory, found.again.memory)
    verdicts = (
        (f"{ratio:.1f} times as fast as docker", f"{_RATIO_GOAL:.0f} times", ratio >= _RATIO_GOAL),
        (f"peak memory {_size(memory)}", f"at most {_size(_MEMORY_GOAL)}", memory <= _MEMORY_GOAL),
        (f"a layer was fetched {found.most_fetches} times at most", "once", found.most_fetches <= 1),
    )
    return _PAGE.format(
        count=len(fleet.references),
        platform=PLATFORM,
        layers=fleet.layers,
        different=fleet.different,
        size=_size(fleet.size),
        machine="".join(f"- {name}: {value}\n" for name, value in said),
        rows=table(["", "time", "peak memory", "fetched"], rows),
        verdicts="".join(
            f"- {words}; goal {goal}: {'reached' if reached else 'missed'}\n" for words, goal, reached in verdicts
        ),
    )


def _size(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench --analyze", description=__doc__)
    parser.add_argument("--images", type=int, default=47, metavar="N", help="images (default: 47)")
    add_output(parser, PAGE)
    options = parser.parse_args(argv)
    return write_page(options.output, partial(_measured, options.images))


def _measured(count: int, scratch: Path) -> str:
    said = facts(scratch)
    return page(said, measure(Bench(scratch=scratch), count))


if __name__ == "__main__":
    sys.exit(main())
