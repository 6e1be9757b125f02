"""Ten connectors with hooks, and the test connectors that have some, on the embedded engine and on a Dagger engine.

Writes docs/benchmarks-engines.md: seconds, and whether the digests are the same. Needs a Dagger engine that Dagger's
own variables name (docs/engines.md), this repository's base image, and a package index.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "docs" / "benchmarks-engines.md"
SPECIFICATION = f"""\
[tool.reprobuild]
platforms = ["linux/amd64"]
connectors = ["connectors/*"]

[tool.reprobuild.base."python-3.11"]
image = "oci:{ROOT}/build/base:python-3.11"
pip = "25.3"
timezone = "UTC"
"""
PROJECT = """\
[project]
name = "source-hooked-{number}"
version = "1.0.{number}"
requires-python = ">=3.11"
dependencies = ["idna==3.10"]

[tool.reprobuild]
packages = []
"""
BEFORE = "#!/bin/sh\nset -eu\nmkdir -p /opt/tool-{number}\nseq 1 20000 >/opt/tool-{number}/table\n"
AFTER = "#!/bin/sh\nset -eu\npython3 -c 'import idna; print(idna.encode(\"grüße.example\"))' >/opt/tool-{number}/said\n"
TEXT = """\
# Engines, side by side

Written by `scripts/bench --engines`. Seconds of `reprobuild build`, with all that is fetched in the store, and nothing
that was built or executed. The Dagger engine is on the same machine, and had the base image before.

| | Connectors | Embedded | Dagger | Digests |
|---|---|---|---|---|
| two programs each | {hooked} | {ten[embedded]:.1f} s | {ten[dagger]:.1f} s | {ten_digests} |
| the test connectors with hooks | {built} | {tests[embedded]:.1f} s | {tests[dagger]:.1f} s | {tests_digests} |

Test connectors: {names}.

Refused on both engines, as they have to be: {refused}.

{machine}, {versions}.
"""
TEST_CONNECTORS = ROOT / "tests" / "hooks" / "connectors"


def main() -> int:
    """Measure, and write what came of it."""
    if not (os.environ.get("_EXPERIMENTAL_DAGGER_RUNNER_HOST") or os.environ.get("DAGGER_SESSION_PORT")):
        print("no Dagger engine is named: nothing is measured (docs/engines.md)")
        return 0
    with tempfile.TemporaryDirectory(prefix="bench-engines-") as folder:
        root = Path(folder) / "workspace"
        hooked, tested = make(root)
        command(root, Path(folder) / "seed", "lock", "update")
        rows = [row(root, Path(folder), name, chosen) for name, chosen in (("ten", hooked), ("tests", tested))]
    RESULT.write_text(report(rows, len(hooked), tested))
    print(RESULT.read_text())
    return 0 if all(one["same"] for one in rows) else 1


def make(root: Path) -> tuple[list[str], list[str]]:
    """Write the workspace; return the names of its connectors."""
    hooked = [f"source-hooked-{number}" for number in range(10)]
    for number, name in enumerate(hooked):
        files = {"pyproject.toml": PROJECT, "main.py": "", "hooks/pre-install": BEFORE, "hooks/post-install": AFTER}
        for path, text in files.items():
            place = root / "connectors" / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text.replace("{number}", str(number)))
            place.chmod(0o755 if path.startswith("hooks/") else 0o644)
    tested = []
    for one in sorted(TEST_CONNECTORS.iterdir()):
        shutil.copytree(one, root / "connectors" / one.name)
        tested.append(one.name)
    (root / "pyproject.toml").write_text(SPECIFICATION)
    return hooked, tested


def row(root: Path, folder: Path, name: str, chosen: list[str]) -> dict:
    """Build *chosen* on both engines, each with a store that has all that is fetched and nothing that was built."""
    found = {}
    for engine in ("embedded", "dagger"):
        store = folder / f"{name}-{engine}"
        shutil.copytree(folder / "seed", store)
        started = time.monotonic()
        said = command(root, store, "build", *chosen, "--engine", engine, "--json", "--keep-going", check=False)
        seconds = time.monotonic() - started
        images = {
            one["name"]: [image["manifest"]["digest"] for image in one["images"]]
            for one in json.loads(said)["connectors"]
            if one.get("images")
        }
        found[engine] = (seconds, images)
        print(f"{name}: {engine}: {len(images)} connectors in {seconds:.1f} s", flush=True)
        shutil.rmtree(store)
    same = found["embedded"][1] == found["dagger"][1] and bool(found["embedded"][1])
    return {"name": name, "same": same, "built": found["embedded"][1], **{key: one[0] for key, one in found.items()}}


def command(root: Path, store: Path, *words: str, check: bool = True) -> str:
    """Run reprobuild in *root* and return what it printed; end if it fails and *check*, or printed nothing."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "REPROBUILD_STORE": str(store), "NETRC": "machine x password y"}
    done = subprocess.run(
        [sys.executable, "-m", "reprobuild", *words], cwd=root, env=environ, check=False, capture_output=True, text=True
    )
    if done.returncode and (check or not done.stdout.strip()):
        sys.exit(f"{words}: {done.stderr[-3000:]}")
    return done.stdout


def report(rows: list[dict], hooked: int, tested: list[str]) -> str:
    """Return the text of the document."""
    ten, tests = rows
    refused = [name for name in tested if name not in tests["built"]]
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, Linux {platform.release()}"
    versions = f"Python {platform.python_version()}, dagger-io {version('dagger-io')}"
    return TEXT.format(
        hooked=hooked,
        ten=ten,
        ten_digests=same(ten),
        built=len(tests["built"]),
        tests=tests,
        tests_digests=same(tests),
        names=", ".join(tests["built"]),
        refused=", ".join(refused) or "none",
        machine=machine,
        versions=versions,
    )


def same(one: dict) -> str:
    """Return the words for whether both engines gave the same digests."""
    return "the same" if one["same"] else "**not the same**"


if __name__ == "__main__":
    sys.exit(main())
