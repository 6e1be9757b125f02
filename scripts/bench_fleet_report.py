"""The findings about fleets as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench_report import table
from bench_stopwatch import Sample

__all__ = ["Comparison", "Fleet", "Step", "page"]

_NOOP_GOAL, _MEMORY_GOAL, _RATIO_GOAL = 5.0, 300_000_000, 25.0
_PAGE = """\
# Benchmarks of fleets

Written by `scripts/bench --fleet`; what is measured here changes with the machine, so run it on yours. A fleet is made
of the wheels of this repository's connectors: each of its connectors takes one of their locks and leaves out an eighth
of the distributions, other ones for each, so that all share nearly all wheels and no two images are the same. Every
connector is built for linux/amd64 and linux/arm64 by one `reprobuild build --all --offline`; wheels and base image are
on disk before the stopwatch starts.

{machine}
## Time, bytes and memory

{fleets}
{growth}- **cold**: nothing is made yet. **one wheel changed**: all locks that have {changed} get another build of it;
  it shares a layer with a few, so that every image of these connectors has a new one. **no-op**: the same build
  again.
- *Made* is what the store has grown by, in bytes of blobs: fragments of wheels, each once, and the layers that join
  small wheels, one for each different group of them.
- Memory is the most that the one process of reprobuild held.

What grows with the number of connectors is what is an image's own: its files, config and manifest, and the layers of
small wheels that no other connector has in the same group: these are joined of bytes that are compressed already.

## Goals

{verdicts}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One build of a whole fleet, and the bytes that the store grew by."""

    sample: Sample
    made: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What came of one fleet."""

    connectors: int
    images: int
    wheels: int
    wheel_bytes: int
    cold: Step
    noop: Step
    changed: Step
    changed_connectors: int
    changed_file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The first connectors on one platform, built from nothing."""

    connectors: int
    ours: Sample
    theirs: Sample

    @property
    def ratio(self) -> float:
        """How many times as fast we are."""
        return self.theirs.seconds / self.ours.seconds


def page(facts: Sequence[tuple[str, str]], fleets: Sequence[Fleet], comparison: Comparison | None) -> str:
    """Return the page."""
    return _PAGE.format(
        machine="".join(f"- {name}: {value}\n" for name, value in facts),
        fleets=_fleets(fleets),
        growth=_growth(fleets),
        changed=fleets[-1].changed_file,
        verdicts="".join(f"- {line}\n" for line in _verdicts(fleets, comparison)),
    )


def _fleets(fleets: Sequence[Fleet]) -> str:
    head = ["connectors", "different images", "different wheels", "", "time", "made", "peak memory"]
    rows = []
    for fleet in fleets:
        steps = (("cold", fleet.cold), ("one wheel changed", fleet.changed), ("no-op", fleet.noop))
        for word, step in steps:
            first = word == "cold"
            wheels = f"{fleet.wheels}, {_size(fleet.wheel_bytes)}"
            own = [str(fleet.connectors), str(fleet.images), wheels] if first else ["", "", ""]
            sample = step.sample
            rows.append([*own, word, f"{sample.seconds:.2f} s", _size(step.made), _size(sample.memory)])
    return table(head, rows)


def _growth(fleets: Sequence[Fleet]) -> str:
    """Return what the first connector takes, and what each of the last ones takes on top of a smaller fleet."""
    if len(fleets) < 2:
        return ""
    first, fewer, most = fleets[0], fleets[-2], fleets[-1]
    count = most.connectors - fewer.connectors
    seconds = (most.cold.sample.seconds - fewer.cold.sample.seconds) / count
    made = (most.cold.made - fewer.cold.made) // count
    start = f"- Cold, the first {first.connectors} took {first.cold.sample.seconds:.2f} s and {_size(first.cold.made)}"
    more = f"from {fewer.connectors} to {most.connectors}, **each more took {1000 * seconds:.0f} ms and {_size(made)}**"
    return f"{start}; {more}.\n"


def _verdicts(fleets: Sequence[Fleet], comparison: Comparison | None) -> list[str]:
    most = max(fleets, key=lambda fleet: fleet.connectors)
    noop = most.noop.sample.seconds
    memory = max(step.sample.memory for fleet in fleets for step in (fleet.cold, fleet.noop, fleet.changed))
    lines = [
        _verdict(
            f"no-op of {most.connectors} connectors in {noop:.2f} s", f"at most {_NOOP_GOAL:.0f} s", noop <= _NOOP_GOAL
        ),
        _verdict(f"peak memory {_size(memory)}", f"at most {_size(_MEMORY_GOAL)}", memory <= _MEMORY_GOAL),
    ]
    if comparison is not None:
        words = (
            f"the first {comparison.connectors} connectors for linux/amd64, cold: {comparison.ours.seconds:.1f} s, "
            f"BuildKit without cache {comparison.theirs.seconds:.1f} s: {comparison.ratio:.1f} times as fast"
        )
        lines.append(_verdict(words, f"{_RATIO_GOAL:.0f} times", comparison.ratio >= _RATIO_GOAL))
    return lines


def _verdict(words: str, goal: str, reached: bool) -> str:  # noqa: FBT001
    return f"{words}; goal {goal}: {'reached' if reached else 'missed'}"


def _size(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB"
