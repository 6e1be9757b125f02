"""The benchmark's cases, and the contest in which they take turns, so that a machine's drift hits all alike."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from bench_stopwatch import Sample

__all__ = ["Built", "Case", "Result", "Scenario", "contest"]


class Scenario(StrEnum):
    """What is built, and from what."""

    COLD = "cold"
    FURTHER = "further connector"
    FURTHER_COLD = "further connector, no cache"
    NOOP = "no-op"
    WITHOUT_HOOK = "without a hook, cold"
    HOOK = "with a hook before the installation, cold"
    HOOK_NOOP = "with that hook, unchanged"
    HOOK_AFTER = "with a hook after the installation, cold"

    @property
    def further(self) -> bool:
        """Whether it is the further connector that is built."""
        return self in {Scenario.FURTHER, Scenario.FURTHER_COLD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An image by the digest that its tool knows it by, and its layers by diffID."""

    digest: str
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A scenario with one tool: ``run`` builds once, given the number of the round, ``built`` says what came out."""

    tool: str
    scenario: Scenario
    run: Callable[[int], Sample]
    built: Callable[[], Built]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All runs of one case, at least one."""

    samples: tuple[Sample, ...]
    built: tuple[Built, ...]

    @property
    def seconds(self) -> float:
        """The median."""
        return median(sample.seconds for sample in self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """The shortest and the longest run in seconds."""
        times = [sample.seconds for sample in self.samples]
        return min(times), max(times)

    @property
    def memory(self) -> int:
        """The most bytes held in any of the runs."""
        return max(sample.memory for sample in self.samples)

    @property
    def images(self) -> int:
        """How many different images came out."""
        return len({built.digest for built in self.built})

    @property
    def contents(self) -> int:
        """How many different lists of layers came out."""
        return len({built.layers for built in self.built})


def contest(cases: Sequence[Case], runs: int) -> Mapping[tuple[str, Scenario], Result]:
    """Run every case *runs* times, all of them once before any of them again; the results by tool and scenario."""
    samples: list[list[Sample]] = [[] for _ in cases]
    built: list[list[Built]] = [[] for _ in cases]
    for number in range(runs):
        for place, case in enumerate(cases):
            # What the run before has left to be written shall not slow this one.
            os.sync()
            sample = case.run(number)
            samples[place].append(sample)
            built[place].append(case.built())
            _say(f"{number + 1}/{runs}  {case.tool}, {case.scenario}: {sample.seconds:.2f} s")
    return {
        (case.tool, case.scenario): Result(samples=tuple(samples[place]), built=tuple(built[place]))
        for place, case in enumerate(cases)
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
