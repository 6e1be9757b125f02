"""Compare reprobuild with BuildKit and buildah on this machine and write docs/benchmarks.md; see scripts/bench."""

import argparse
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench_buildah import Buildah
from bench_buildkit import BuildKit
from bench_case import Result, Scenario, contest
from bench_context import Context, make_context
from bench_diff import DiffResult, measure_diff
from bench_dockerd import daemon, unmount_below
from bench_machine import facts
from bench_page import add_output, write_page
from bench_report import Findings, markdown
from bench_reprobuild import Reprobuild, make_workspace
from bench_size import Export, size_of
from bench_substituter import measure_substituter, substituter_section

from reprobuild.errors import ContentError

__all__ = ["main"]

Tool = Reprobuild | BuildKit | Buildah

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
BASE = f"oci:{ROOT}/build/base:python-3.11"
BASE_LAYERS = 1
OTHERS = ("buildkit", "buildah")


def measure(scratch: Path, runs: int, others: Collection[str]) -> Findings:
    """Set everything up below *scratch*, hold the contests, and return what came of them.

    For minutes after files were removed, ext4 looks at each of them again for every file that is made. So nothing is
    removed on the way, and whoever removes the files of its builds comes last.
    """
    said = facts(scratch)
    ours = _reprobuild(scratch)
    wheels = ours.fetch()
    ours.prime()
    results = dict(contest(ours.hook_cases(), runs))
    context = make_context(scratch / "context", wheels)
    tools: list[Tool] = [ours]
    diff = None
    with ExitStack() as stack:
        if "buildkit" in others:
            kits = stack.enter_context(_buildkits(scratch, context))
            said.append(("Docker's storage driver", kits[0].daemon.storage_driver()))
            tools += kits
        results |= contest([case for tool in tools for case in tool.cases()], runs)
        exports = {tool.name: _export(tool, scratch / "export") for tool in tools}
        if "buildkit" in others:
            diff = _diff(kits[0], scratch)
    substituter = substituter_section(measure_substituter(scratch, min(runs, 3)))
    if "buildah" in others:
        with _buildahs(scratch, context) as pair:
            results |= contest([case for tool in pair for case in tool.cases()], runs)
            exports |= {tool.name: _export(tool, scratch / "export") for tool in pair}
            tools += pair
    check(results)
    return Findings(
        tools=[tool.name for tool in tools],
        runs=runs,
        facts=said,
        wheels=len(wheels),
        wheel_bytes=sum(wheel.stat().st_size for wheel in wheels),
        results=results,
        exports=exports,
        diff=diff,
        substituter=substituter,
    )


def check(results: Mapping[tuple[str, Scenario], Result]) -> None:
    """Raise ContentError if a round took the further connector of another round for its own, and so did nothing."""
    for (tool, scenario), result in results.items():
        if scenario.further and result.images != len(result.samples):
            raise ContentError(f"{tool} did not build it anew in each round", where=scenario, hint="this is a bug")


def _reprobuild(scratch: Path) -> Reprobuild:
    stores = scratch / "stores"
    stores.mkdir()
    workspace = make_workspace(ROOT, scratch / "workspace")
    return Reprobuild(workspace=workspace, folder=stores, log=scratch / "reprobuild.log")


@contextmanager
def _buildkits(scratch: Path, context: Context) -> Iterator[list[BuildKit]]:
    config, log = scratch / "client", scratch / "buildkit.log"
    with daemon(scratch / "docker", client_config=config) as one:
        tools = [
            BuildKit(daemon=one, context=context, client_config=config, log=log, compiled=compiled)
            for compiled in (True, False)
        ]
        tools[0].load_base(BASE)
        yield tools


@contextmanager
def _buildahs(scratch: Path, context: Context) -> Iterator[list[Buildah]]:
    folder, log = scratch / "buildah", scratch / "buildah.log"
    folder.mkdir()
    tools = [Buildah(folder=folder, context=context, log=log, compiled=compiled) for compiled in (True, False)]
    try:
        tools[0].load_base(BASE)
        for tool in tools:
            tool.prime()
        yield tools
    finally:
        unmount_below(folder)


def _export(tool: Tool, folder: Path) -> Export:
    sample = tool.export(folder)
    size = size_of(folder, base_layers=BASE_LAYERS)
    shutil.rmtree(folder)
    return Export(sample=sample, size=size)


def _diff(kit: BuildKit, scratch: Path) -> DiffResult:
    """Compare the image that *kit* built last with the same built once more."""
    one, other = scratch / "one", scratch / "other"
    kit.export(one)
    kit.cases()[0].run(0)
    kit.export(other)
    return measure_diff(one, other, scratch)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="rounds of all cases (default: 5)")
    help_ = "measure only these beside reprobuild (default: both)"
    parser.add_argument("--against", nargs="*", choices=OTHERS, default=OTHERS, help=help_)
    add_output(parser, PAGE)
    options = parser.parse_args(argv)
    if options.runs < 1:
        parser.error("--runs: at least 1")
    return write_page(options.output, lambda scratch: markdown(measure(scratch, options.runs, options.against)))


if __name__ == "__main__":
    sys.exit(main())
