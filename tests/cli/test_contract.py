"""The contract of a base image on the command line: `lock update`, `build`, and a build with nothing to do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reprobuild.store import Store
from tests.cli.project import Project
from tests.contract.bases import AIRBYTE_ENV, airbyte
from tests.images import AMD64, ARM64
from tests.resolver.base_images import image, index, source

SPECIFICATION = """\
[tool.reprobuild]
platforms = ["linux/amd64", "linux/arm64"]

[tool.reprobuild.base."python-3.11"]
image = "oci:layout:base"
timezone = "UTC"

[tool.reprobuild.base."python-3.11".expect]
profile = "airbyte"
python = "3.11.9"

[tool.reprobuild.connector.source-one]
requirements = ["alpha"]
entrypoint = ["source-one"]
"""
_LOADED = "print(json.dumps([name for name in sys.modules if 'contract' in name or 'expect' in name]), file=sys.stderr)"


@pytest.fixture
def project(fresh: Project, tmp_path: Path) -> Project:
    """A workspace on a base image that keeps Airbyte's contract."""
    (fresh.root / "base-images.lock.toml").unlink()
    images = [image(airbyte(platform), platform=platform, env=AIRBYTE_ENV) for platform in (AMD64, ARM64)]
    published = Store(tmp_path / "published")
    source(index(*images, store=published), fresh.root, published)
    fresh.specify(SPECIFICATION)
    return fresh


def test_a_base_is_checked_when_it_is_locked_and_when_its_contract_changes(project: Project) -> None:
    first = project.run("lock", "update")
    assert first.code == 0, first.err
    assert "base python-3.11: 16 checks passed" in first.err
    assert "checks passed" not in project.run("lock", "update").err
    assert "16 checks passed" in project.run("lock", "update", "--bases").err
    project.specify(SPECIFICATION.replace('python = "3.11.9"', 'python = "3.11.9"\npip = "24.0"'))
    # It changes no lock, so that nothing is stale.
    assert project.run("lock", "update", "--check").code == 0
    assert "17 checks passed" in project.run("lock", "update").err
    assert project.run("lock", "outdated").code == 0


def test_a_broken_promise_locks_nothing(project: Project) -> None:
    project.specify(SPECIFICATION.replace('"3.11.9"', '"3.11.2"\nwritable = ["/opt"]'))
    done = project.run("lock", "update")
    assert done.code == 2
    assert done.err.splitlines()[-4:] == [
        (
            'error: pyproject.toml: tool.reprobuild.base."python-3.11".expect: '
            "the base image breaks 2 of the promises that are expected of it:"
        ),
        "  python 3.11.2: it has 3.11.9",
        "  writable /opt: there is no /opt",
        "hint: use a base image that keeps them, or correct what is expected",
    ]
    assert not (project.root / "base-images.lock.toml").exists()
    assert not (project.root / "lock").exists()


def test_a_contract_that_cannot_be_is_refused(project: Project) -> None:
    project.specify(SPECIFICATION.replace('"airbyte"', '"airbite"'))
    done = project.run("lock", "update")
    assert done.code == 2
    assert "there is no profile 'airbite'" in done.err
    assert 'hint: did you mean "airbyte"?' in done.err
    project.specify(SPECIFICATION.replace("profile", "profil"))
    assert "unknown key" in project.run("build", "source-one").err


def test_a_connector_that_breaks_the_contract_is_refused_each_time(project: Project) -> None:
    assert project.run("lock", "update").code == 0
    good = project.run("build", "source-one", "--record")
    assert good.code == 0, good.err
    project.specify(f'{SPECIFICATION}env = {{ TZ = "Asia/Tokyo" }}\n')
    for _ in range(2):
        done = project.run("build", "source-one", "--record")
        assert (done.code, done.out) == (1, "")
        assert done.err.splitlines()[-4:] == [
            "error: what was built breaks promises of its base image:",
            "  source-one (linux/amd64): timezone UTC: TZ is 'Asia/Tokyo'",
            "  source-one (linux/arm64): timezone UTC: TZ is 'Asia/Tokyo'",
            "hint: change the connector's env, requirements or hooks, or what is expected of the base image",
        ]


def test_a_build_with_nothing_to_do_reads_no_contract(project: Project) -> None:
    assert project.run("lock", "update").code == 0
    assert project.run("build", "source-one").code == 0
    code = f"import json, sys\nfrom reprobuild.cli import run\nassert run(['build', 'source-one']) == 0\n{_LOADED}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project.root,
        env=dict(project.environ),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert json.loads(done.stderr.splitlines()[-1]) == []
