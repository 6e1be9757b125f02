"""What a connector requires is what its Dockerfile installs, wherever that is written."""

from pathlib import Path

import pytest

from reprobuild.analysis.connector_requirements import connector_requirements
from reprobuild.errors import SpecificationError
from reprobuild.workspace.project import read_project

SETUP = 'from setuptools import setup\nsetup(install_requires=["airbyte-cdk~=0.1"])\n'
PROJECT = '[project]\nname = "source-x"\ndependencies = ["httpx"]\n'


def required(folder: Path, files: dict[str, str], *installed: str) -> tuple[tuple[str, ...] | None, bool]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    found = connector_requirements(folder, "c/x", read_project(folder, "c/x"), installed)
    return found.found, found.is_own


@pytest.mark.parametrize(
    ("files", "installed", "expected"),
    [
        # As Airbyte's connectors were: the list is there for those who develop.
        (
            {"setup.py": SETUP, "requirements.txt": "-e ../../bases/tests\n-e .\n"},
            ["."],
            (("airbyte-cdk~=0.1",), False),
        ),
        ({"setup.py": SETUP, "requirements.txt": "-e .\na\n"}, [], (("a", "airbyte-cdk~=0.1"), False)),
        ({"setup.py": SETUP, "requirements.txt": "a\n"}, ["-r requirements.txt"], (("a",), True)),
        (
            {"setup.py": SETUP, "requirements.txt": "a\n"},
            ["-r requirements.txt", "."],
            (("a", "airbyte-cdk~=0.1"), False),
        ),
        ({"requirements.txt": "-e .\na\n"}, ["-r /tmp/requirements.txt"], (("a",), True)),
        ({"r/prod.txt": "a\n", "requirements.txt": "b\n"}, ["-r r/prod.txt"], (("a",), False)),
        ({"r/prod.txt": "a\n"}, ["-r /airbyte/integration_code/r/prod.txt"], (("a",), False)),
        ({"pyproject.toml": PROJECT, "requirements.txt": "a\n"}, ["."], (("httpx",), True)),
        ({"pyproject.toml": PROJECT}, [], (("httpx",), True)),
        ({"pyproject.toml": PROJECT, "requirements.txt": "a\n"}, ["-r requirements.txt"], (("a",), False)),
        ({"setup.py": SETUP}, [".[tests]"], (("airbyte-cdk~=0.1",), False)),
        ({"setup.py": SETUP}, ["-e ."], (("airbyte-cdk~=0.1",), False)),
        ({"setup.py": "setup()", "setup.cfg": "[options]\ninstall_requires = a\n"}, ["."], (("a",), False)),
        ({"setup.py": "setup(install_requires=f())"}, ["."], (None, False)),
        ({"requirements.txt": "a\n"}, ["pip==23.0", "poetry"], (("a",), True)),
        # Named one by one, and none of what lies in the folder.
        ({"requirements.txt": "a\n", "setup.py": "setup(install_requires=f())"}, ["pip", "b==1"], ((), False)),
    ],
)
def test_what_is_installed_counts(
    tmp_path: Path, files: dict[str, str], installed: list[str], expected: tuple[tuple[str, ...] | None, bool]
) -> None:
    assert required(tmp_path, files, *installed) == expected


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match=r"not a file of the connector's folder") as error:
        required(tmp_path, {}, "-r gone.txt")
    assert error.value.where == "c/x/gone.txt"


def test_what_cannot_be_locked_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match=r"cannot be locked") as error:
        required(tmp_path, {"requirements.txt": "a\n-e ../x\n"}, "-r requirements.txt")
    assert error.value.where == "c/x/requirements.txt, line 2"
