"""The benchmark's findings as Markdown, which is also what is printed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench_case import Result, Scenario
from bench_diff import DiffResult
from bench_size import Export

__all__ = ["Findings", "judged", "markdown", "megabytes", "table", "verdicts"]

OURS = "reprobuild"
YARDSTICK = "BuildKit"
_DIFF_GOAL = 2.0
_HOOK_GOAL = 1.5
"""Seconds that a hook which writes one file may add to a cold build."""
_COLUMNS = (Scenario.COLD, Scenario.FURTHER, Scenario.FURTHER_COLD, Scenario.NOOP)
_MEMORY_GOAL = 200_000_000

_PAGE = """\
# Benchmarks

Written by `scripts/bench`; what is measured here changes with the machine, so run it on yours. All builds are of
source-notion for linux/amd64: {wheels} wheels, {wheel_size}, on this repository's base image, both on disk before
the stopwatch starts. Nothing is resolved or downloaded. Rounds: {runs}. In each round every case has its turn, so that
a machine that slows down slows all of them; buildah's rounds come last, since it removes what it unpacked, and for
minutes after that ext4 is slow to make files.

## Time

{times}
{ratios}
{verdicts}
- **reprobuild** is `reprobuild build source-notion --platform linux/amd64 --offline`, a new process each time.
- **BuildKit** is `docker build --network=none` with the daemon of docker.io, started for this with a store of its
  own; **buildah** is `buildah build --timestamp`. Both run one `pip install --no-index --no-deps` over the mounted
  wheels. Plain rows use it as people do: pip compiles every module to bytecode. Rows with **--no-compile** leave that
  out, as reprobuild does: the fairer comparison of the work, for an image that starts more slowly.
- **cold**: nothing of the image is there. reprobuild has what `reprobuild fetch` leaves, the others the loaded base,
  the wheels in their build context, and `--no-cache`.
- **further connector**: another connector with the same wheels, with a main file, a label and an entrypoint of its
  own, the main file new in each round. reprobuild's store knows the wheels from source-notion; the others find the
  layer of `pip install` in their cache, because the Dockerfiles begin alike. With **no cache**, they do not: that is
  what a connector costs whose Dockerfile or list of wheels differs in anything at all, while reprobuild shares
  wheels one by one. For BuildKit that is the same work as its cold build: how far the two columns lie apart tells how
  much the machine was disturbed. buildah's is not measured again.
- **no-op**: the same build again.

## Memory

{memory}
The most that was held in any round. reprobuild (one process) and buildah: the largest process of all that the command
started, pip included. BuildKit: dockerd and its containerd, each at its own peak during the build, and the client;
pip in the container comes on top and is not in the figure.

## Size

{sizes}
Compressed is what a registry gets and a node pulls; *added* leaves out the layers of the base. reprobuild's layers
are compressed as soon as they are built; the other two keep theirs unpacked and compress on export, so their times
above do not include it. *Export* is one run that writes an image layout: `reprobuild build --output oci:DIR` from a
warm store, `skopeo copy` from the stores of the others.

## Sameness

{sameness}
An image is told by its manifest's digest (reprobuild, buildah) or its config's (BuildKit, whose image says when it
was made), layers by the digests of their uncompressed bytes. 1 in both columns is a reproducible build. BuildKit of
this age has no way to set the time of files.

## Hooks

The further connector built by reprobuild from the same store, without a hook and with one that writes one file. A hook
before the installation adds the base unpacked once, a sandbox and a layer, beside the making of the other layers; one
after the installation has all wheels unpacked, too, and waits for them. Both are done once for all connectors that
share base, wheels and hook.

{hooks}
## Diff

`reprobuild diff` of two cold builds of the image by BuildKit, as image layouts, beside one process that decompresses
and hashes the layers of both. The first has an empty store; the second knows what is in each layer.

{diff}
{substituter}## Machine

{machine}
## Run it again

```
scripts/bench              # five rounds; as root, on Debian or Ubuntu; writes this page
scripts/bench --help       # fewer rounds, fewer tools, another file
```

It installs docker.io, buildah, runc and skopeo where they are missing, makes the base image and fetches the wheels.
Daemon and stores live in a temporary folder that is removed at the end; no other Docker on the machine is touched.
Quit what else keeps the machine busy first: the load before the first round is in the table. And wait six minutes
after many files were removed, such as those of an earlier run: so long, ext4 looks at each of them again for every file
that is made, which doubles the time of whatever unpacks an image.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What one run of the benchmark found out; ``tools`` are in the tables' order; ``substituter`` is a section."""

    tools: Sequence[str]
    runs: int
    facts: Sequence[tuple[str, str]]
    wheels: int
    wheel_bytes: int
    results: Mapping[tuple[str, Scenario], Result]
    exports: Mapping[str, Export]
    diff: DiffResult | None = None
    substituter: str = ""

    def ratio(self, tool: str, theirs: Scenario, ours: Scenario) -> float | None:
        """Return how many times as long as ours *tool* takes, None if either was not measured."""
        other, own = self.results.get((tool, theirs)), self.results.get((OURS, ours))
        return other.seconds / own.seconds if other and own else None


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are aligned in plain text too, all but the first to the right."""
    lines = [head, *rows]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(head))]
    rule = [f":{'-' * (widths[0] - 1)}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    first, *rest = (_row(line, widths) for line in lines)
    return "".join(f"{line}\n" for line in (first, _row(rule, widths), *rest))


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return f"| {' | '.join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)])} |"


def markdown(findings: Findings) -> str:
    """Return the page docs/benchmarks.md."""
    return _PAGE.format(
        runs=findings.runs,
        wheels=findings.wheels,
        wheel_size=megabytes(findings.wheel_bytes),
        times=_times(findings),
        ratios=_ratios(findings),
        verdicts="".join(f"- {line}\n" for line in verdicts(findings)),
        memory=_memory(findings),
        sizes=_sizes(findings),
        sameness=_sameness(findings),
        hooks=_hooks(findings),
        diff=_diff(findings.diff),
        substituter=findings.substituter,
        machine=table(("Machine and tools", ""), findings.facts),
    )


def verdicts(findings: Findings) -> list[str]:
    """Return a line for each goal that can be judged: what was asked, what came out."""
    lines = []
    for what, theirs, ours, goal in (
        ("cold build against BuildKit without cache", Scenario.COLD, Scenario.COLD, 8.0),
        ("further connector against BuildKit without cache", Scenario.FURTHER_COLD, Scenario.FURTHER, 40.0),
        ("no-op against BuildKit's", Scenario.NOOP, Scenario.NOOP, 1.0),
    ):
        ratio = findings.ratio(YARDSTICK, theirs, ours)
        if ratio is not None:
            lines.append(f"{what}: {ratio:.1f} times as fast; goal {goal:g}: {judged(ratio >= goal)}")
    for place, hook in (("before", Scenario.HOOK), ("after", Scenario.HOOK_AFTER)):
        if (added := _added(findings, hook)) is not None:
            what = f"a hook {place} the installation that writes one file, cold: {added:.2f} s more"
            lines.append(f"{what}; goal at most {_HOOK_GOAL:g} s: {judged(added <= _HOOK_GOAL)}")
    if findings.diff is not None:
        times = findings.diff.cold.seconds / findings.diff.reading.seconds
        asked = f"goal at most {_DIFF_GOAL:g} times"
        lines.append(
            f"diff: {times:.1f} times as long as reading and hashing both; {asked}: {judged(times <= _DIFF_GOAL)}"
        )
        memory = max(findings.diff.cold.memory, findings.diff.warm.memory)
        asked = f"goal at most {megabytes(_MEMORY_GOAL)}"
        lines.append(f"peak memory of diff: {megabytes(memory)}; {asked}: {judged(memory <= _MEMORY_GOAL)}")
    peak = max((result.memory for (tool, _), result in findings.results.items() if tool == OURS), default=None)
    if peak is not None:
        asked = f"goal at most {megabytes(_MEMORY_GOAL)}"
        lines.append(f"peak memory of reprobuild: {megabytes(peak)}; {asked}: {judged(peak <= _MEMORY_GOAL)}")
    return lines


def judged(reached: bool) -> str:  # noqa: FBT001
    """Return the word for a goal that was *reached* or not."""
    return "reached" if reached else "MISSED"


def _times(findings: Findings) -> str:
    return table(("seconds, median (shortest to longest)", *_COLUMNS), _cells(findings, _time))


def _added(findings: Findings, hook: Scenario) -> float | None:
    """Return the seconds that *hook* adds to a cold build, None if that was not measured."""
    bare, hooked = (findings.results.get((OURS, case)) for case in (Scenario.WITHOUT_HOOK, hook))
    return hooked.seconds - bare.seconds if bare and hooked else None


def _hooks(findings: Findings) -> str:
    cases = (Scenario.WITHOUT_HOOK, Scenario.HOOK, Scenario.HOOK_NOOP, Scenario.HOOK_AFTER)
    results = [(case, findings.results.get((OURS, case))) for case in cases]
    rows = [(case, _time(result), megabytes(result.memory)) for case, result in results if result]
    return table(("reprobuild", "seconds, median (shortest to longest)", "peak memory"), rows)


def _diff(diff: DiffResult | None) -> str:
    if diff is None:
        return "Not measured.\n"
    steps = (("reading and hashing both", diff.reading), ("diff, empty store", diff.cold), ("diff again", diff.warm))
    rows = [(name, f"{sample.seconds:.2f}", megabytes(sample.memory)) for name, sample in steps]
    page = table((f"two images, {megabytes(diff.size)} together", "seconds", "peak memory"), rows)
    return f"{page}\nIt printed {diff.lines} lines.\n"


def _memory(findings: Findings) -> str:
    return table(("peak memory", *_COLUMNS), _cells(findings, lambda result: megabytes(result.memory)))


def _cells(findings: Findings, cell: Callable[[Result], str]) -> Iterable[Sequence[str]]:
    for tool in findings.tools:
        results = [findings.results.get((tool, scenario)) for scenario in _COLUMNS]
        yield (tool, *(cell(result) if result else "" for result in results))


def _time(result: Result) -> str:
    shortest, longest = result.spread
    return f"**{result.seconds:.2f}** ({shortest:.2f} to {longest:.2f})"


def _ratios(findings: Findings) -> str:
    pairs = (
        (Scenario.COLD, Scenario.COLD),
        (Scenario.FURTHER_COLD, Scenario.FURTHER),
        (Scenario.FURTHER, Scenario.FURTHER),
        (Scenario.NOOP, Scenario.NOOP),
    )
    head = ("reprobuild is … times as fast", "cold", "further: no cache", "further: layer cache", "no-op")
    rows = (
        (tool, *(_times_as(findings.ratio(tool, theirs, ours)) for theirs, ours in pairs))
        for tool in findings.tools
        if tool != OURS
    )
    return table(head, rows)


def _times_as(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.1f}"


def _sizes(findings: Findings) -> str:
    head = ("the image", "layers", "compressed", "uncompressed", "added, compressed", "added, uncompressed", "export")
    rows = (
        (
            tool,
            str(export.size.layers),
            *map(megabytes, (export.size.compressed, export.size.uncompressed)),
            *map(megabytes, (export.size.added_compressed, export.size.added_uncompressed)),
            f"{export.sample.seconds:.1f} s",
        )
        for tool, export in ((tool, findings.exports[tool]) for tool in findings.tools)
    )
    return table(head, rows)


def _sameness(findings: Findings) -> str:
    head = (f"{findings.runs} cold builds of the same", "different images", "different lists of layers")
    results = ((tool, findings.results[tool, Scenario.COLD]) for tool in findings.tools)
    return table(head, ((tool, str(result.images), str(result.contents)) for tool, result in results))


def megabytes(size: int) -> str:
    """Return *size* in bytes for people."""
    return f"{size / 1e6:.1f} MB"
