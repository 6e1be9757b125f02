"""The benchmark's pure parts: medians, turns, tables, the page, sizes; and the stopwatch on real commands."""

import gzip
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from reprobuild.errors import ContentError, MachineError
from reprobuild.oci.layout import write_layout
from reprobuild.store import Store
from tests.images import add_image

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
import bench  # noqa: E402
import bench_report  # noqa: E402
from bench_case import Built, Case, Result, Scenario, contest  # noqa: E402
from bench_context import image_name, make_context  # noqa: E402
from bench_diff import DiffResult, measure_diff  # noqa: E402
from bench_memory import watched  # noqa: E402
from bench_size import Export, Size, size_of  # noqa: E402
from bench_stopwatch import Sample, said, timed  # noqa: E402

PIP = "pip-25.3-py3-none-any.whl"


def result(*seconds: float, memory: int = 100_000_000, digests: str = "aaaaa") -> Result:
    return Result(
        samples=tuple(Sample(seconds=each, memory=memory + place) for place, each in enumerate(seconds)),
        built=tuple(Built(digest=digest, layers=("base", digest.lower())) for digest in digests),
    )


def findings(results: Mapping[tuple[str, Scenario], Result]) -> bench_report.Findings:
    tools = list(dict.fromkeys(tool for tool, _ in results))
    size = Size(
        layers=3, compressed=90_000_000, uncompressed=300_000_000, added_compressed=60_000_000, added_uncompressed=200
    )
    return bench_report.Findings(
        tools=tools,
        runs=5,
        facts=[("Processor", "abacus")],
        wheels=84,
        wheel_bytes=64_795_870,
        results=results,
        exports={tool: Export(sample=Sample(seconds=1.25, memory=0), size=size) for tool in tools},
    )


FINDINGS = {
    ("reprobuild", Scenario.COLD): result(4.0, 2.0, 3.0, 9.0, 1.0),
    ("reprobuild", Scenario.FURTHER): result(0.5),
    ("reprobuild", Scenario.NOOP): result(0.3, memory=200_000_001),
    ("BuildKit", Scenario.COLD): result(24.0, digests="aAbBc"),
    ("BuildKit", Scenario.FURTHER): result(0.6),
    ("BuildKit", Scenario.FURTHER_COLD): result(19.9),
    ("BuildKit", Scenario.NOOP): result(0.3),
}


def test_a_result_is_its_median_its_spread_and_its_peak() -> None:
    measured = result(4.0, 2.0, 3.0, 9.0, 1.0)
    assert measured.seconds == 3.0
    assert measured.spread == (1.0, 9.0)
    assert measured.memory == 100_000_004
    assert result(1.0, 4.0).seconds == 2.5


def test_images_and_their_contents_are_counted_apart() -> None:
    assert (result(1.0, digests="aAbBc").images, result(1.0, digests="aAbBc").contents) == (5, 3)
    assert (result(1.0).images, result(1.0).contents) == (1, 1)


def test_all_cases_have_their_turn_before_any_has_another(capsys: pytest.CaptureFixture[str]) -> None:
    turns: list[tuple[str, int]] = []

    def case(tool: str) -> Case:
        def run(number: int) -> Sample:
            turns.append((tool, number))
            return Sample(seconds=float(number), memory=number)

        return Case(tool=tool, scenario=Scenario.COLD, run=run, built=lambda: Built(digest=tool, layers=()))

    results = contest([case("a"), case("b")], 3)
    assert turns == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert results["b", Scenario.COLD].seconds == 1.0
    assert results["a", Scenario.COLD].images == 1
    assert "3/3  b, cold: 2.00 s" in capsys.readouterr().err


def test_a_table_is_aligned_in_plain_text() -> None:
    assert bench_report.table(("tool", "s"), [("ours", "1.00"), ("BuildKit", "")]) == (
        "| tool     |    s |\n| :------- | ---: |\n| ours     | 1.00 |\n| BuildKit |      |\n"
    )


def test_goals_are_judged_by_medians_against_buildkit() -> None:
    assert bench_report.verdicts(findings(FINDINGS)) == [
        "cold build against BuildKit without cache: 8.0 times as fast; goal 8: reached",
        "further connector against BuildKit without cache: 39.8 times as fast; goal 40: MISSED",
        "no-op against BuildKit's: 1.0 times as fast; goal 1: reached",
        "peak memory of reprobuild: 200.0 MB; goal at most 200.0 MB: MISSED",
    ]


def test_the_page_has_every_tool_in_every_table_and_what_was_not_measured_is_blank() -> None:
    page = bench_report.markdown(findings(FINDINGS))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    assert ["reprobuild", "**3.00** (1.00 to 9.00)", "**0.50** (0.50 to 0.50)", "", "**0.30** (0.30 to 0.30)"] in rows
    assert ["BuildKit", "8.0", "39.8", "1.2", "1.0"] in rows
    assert ["BuildKit", "5", "3"] in rows
    assert ["reprobuild", "3", "90.0 MB", "300.0 MB", "60.0 MB", "0.0 MB", "1.2 s"] in rows
    assert ["Processor", "abacus"] in rows
    assert "84 wheels, 64.8 MB" in page


def test_the_page_can_be_of_reprobuild_alone() -> None:
    alone = {key: value for key, value in FINDINGS.items() if key[0] == "reprobuild"}
    assert len(bench_report.verdicts(findings(alone))) == 1
    assert "| BuildKit" not in bench_report.markdown(findings(alone))


def test_a_diff_is_measured_beside_reading_and_judged(tmp_path: Path) -> None:
    store = Store(tmp_path / "made")
    for name in ("a", "b"):
        image = add_image(store, files=[{"etc/name": name.encode()}])
        write_layout(tmp_path / name, entries=[(replace(image, platform=None), name)], store=store)
    found = measure_diff(tmp_path / "a", tmp_path / "b", tmp_path)
    assert found.size == 2 * 2560
    assert 3 < found.lines <= 20
    sample = Sample(seconds=2.0, memory=300_000_000)
    one = DiffResult(reading=Sample(seconds=1.5, memory=1), cold=sample, warm=sample, size=500_000_000, lines=13)
    lines = bench_report.verdicts(replace(findings(FINDINGS), diff=one))
    assert "diff: 1.3 times as long as reading and hashing both; goal at most 2 times: reached" in lines
    assert "peak memory of diff: 300.0 MB; goal at most 200.0 MB: MISSED" in lines
    assert "It printed 13 lines." in bench_report.markdown(replace(findings(FINDINGS), diff=one))


def test_a_size_is_counted_from_the_layers_of_a_layout_also_below_an_index_of_its_own(tmp_path: Path) -> None:
    def blob(data: bytes) -> dict[str, object]:
        digest = sha256(data).hexdigest()
        folder = tmp_path / "blobs" / "sha256"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    base, added = gzip.compress(bytes(5000)), gzip.compress(bytes(300)) + gzip.compress(bytes(3_000_000))
    manifest = blob(json.dumps({"layers": [blob(base), blob(added)]}).encode())
    index = blob(json.dumps({"manifests": [manifest]}).encode())
    for top in (manifest, index):
        (tmp_path / "index.json").write_text(json.dumps({"manifests": [top]}))
        assert size_of(tmp_path, base_layers=1) == Size(
            layers=2,
            compressed=len(base) + len(added),
            uncompressed=3_005_300,
            added_compressed=len(added),
            added_uncompressed=3_000_300,
        )


def test_the_dockerfiles_of_both_connectors_begin_alike_and_differ_in_bytecode_only_by_an_option(
    tmp_path: Path,
) -> None:
    wheels = [tmp_path / PIP, tmp_path / "six-1.17.0-py2.py3-none-any.whl"]
    for wheel in wheels:
        wheel.write_bytes(wheel.name.encode())
    context = make_context(tmp_path / "context", wheels)
    texts = {
        (scenario, compiled): context.dockerfile(scenario, compiled=compiled).read_text()
        for scenario in (Scenario.COLD, Scenario.FURTHER)
        for compiled in (True, False)
    }
    first, further = texts[Scenario.COLD, True], texts[Scenario.FURTHER, True]
    head = first[: first.index("LABEL")]
    assert further.startswith(head)
    assert f"python3 /wheels/{PIP}/pip install --no-index --no-deps" in head
    for scenario in (Scenario.COLD, Scenario.FURTHER):
        assert texts[scenario, False].replace("--no-compile ", "") == texts[scenario, True] != texts[scenario, False]
    assert sorted(path.name for path in (context.folder / "wheels").iterdir()) == sorted(w.name for w in wheels)


def test_the_further_connectors_main_file_is_another_one_in_each_round(tmp_path: Path) -> None:
    (tmp_path / PIP).write_bytes(b"")
    context = make_context(tmp_path / "context", [tmp_path / PIP])
    contents = set()
    for number in (1, 2):
        context.renew_main(number)
        contents.add((context.folder / "main.py").read_text())
    assert len(contents) == 2
    for content in contents:
        compile(content, "main.py", "exec")


def test_images_have_names_of_their_own() -> None:
    names = {image_name(scenario, compiled=compiled) for scenario in Scenario for compiled in (True, False)}
    assert len(names) == 2 * len(Scenario)


def test_the_stopwatch_tells_time_and_the_largest_process_below_a_command(tmp_path: Path) -> None:
    child = "import os; os.write(1, b'x' * (8 << 20))"
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], stdout=subprocess.DEVNULL)"
    sample = timed([sys.executable, "-c", inner], tmp_path / "log")
    assert 0 < sample.seconds < 60
    assert sample.memory > 8 << 20


def test_what_a_command_says_is_kept_and_its_environment_added(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import os; print(os.environ['BENCH_WORD'])"]
    assert said(words, tmp_path / "log", {"BENCH_WORD": "hello"}) == "hello"


def test_a_command_that_fails_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="ended with 3:\nno luck") as caught:
        timed([sys.executable, "-c", "import sys; print('no luck'); sys.exit(3)"], tmp_path / "log")
    assert caught.value.hint


def test_a_further_connector_that_was_not_built_anew_is_found_out() -> None:
    bench.check({("a", Scenario.FURTHER): result(1.0, 1.0, digests="ab"), ("a", Scenario.NOOP): result(1.0, 1.0)})
    with pytest.raises(ContentError, match="b did not build it anew"):
        bench.check({("b", Scenario.FURTHER): result(1.0, 1.0)})


def test_no_rounds_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        bench.main(["--runs", "0"])
    assert caught.value.code == 2
    assert "--runs" in capsys.readouterr().err


def test_the_memory_of_all_processes_counts() -> None:
    inner = "held = bytearray(60_000_000); print('held', flush=True); input()"
    outer = f"import subprocess, sys; held = bytearray(60_000_000); subprocess.run([sys.executable, '-c', {inner!r}])"
    with watched() as memory:
        process = subprocess.Popen(
            [sys.executable, "-c", outer], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        said = process.stdout.readline()
    process.communicate("\n")
    assert said == "held\n"
    assert 120_000_000 < memory.most < 220_000_000
