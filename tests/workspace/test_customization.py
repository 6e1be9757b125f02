"""The main file that Airbyte's hooks name, told without executing them."""

from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.errors import SpecificationError
from reprobuild.workspace import ConnectorSpec, read_workspace
from reprobuild.workspace.customization import main_file_name
from tests.folders import write

REAL = """
from __future__ import annotations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container

MAIN_FILE_NAME = "main_dev.py"


async def pre_connector_install(base_image_container: Container) -> Container:
    return await base_image_container.with_env_variable("A", MAIN_FILE_NAME)
"""


def name_in(tmp_path: Path, text: str) -> str | None:
    path = tmp_path / "build_customization.py"
    path.write_text(text, encoding="utf-8")
    return main_file_name(path, "c/x/build_customization.py")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (REAL, "main_dev.py"),
        ("", None),
        ("A = 1", None),
        ("# MAIN_FILE_NAME = 'x.py'", None),
        ("def f():\n    MAIN_FILE_NAME = 'x.py'", None),
        ("print(MAIN_FILE_NAME)", None),
        ("x.MAIN_FILE_NAME = 1", None),
        ("MAIN_FILE_NAME: str", None),
        ("MAIN_FILE_NAME: str = 'a/b.py'", "a/b.py"),
        ("MAIN_FILE_NAME = 'a.py'\nMAIN_FILE_NAME = 'b.py'", "b.py"),
        ("MAIN_FILE_NAME = ('a'\n '.py')", "a.py"),
        ("A = 1" + " + 1" * 700 + "\nMAIN_FILE_NAME = 'm.py'", "m.py"),
        ('PATTERN = "\\d"\nMAIN_FILE_NAME = "m.py"', "m.py"),
    ],
)
def test_a_name_or_none(tmp_path: Path, text: str, name: str | None) -> None:
    assert name_in(tmp_path, text) == name


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("import os\nMAIN_FILE_NAME = os.environ['M']", 2, "only executing it would tell"),
        ("MAIN_FILE_NAME = f'{1}.py'", 1, "only executing"),
        ("MAIN_FILE_NAME = 'a' + '.py'", 1, "only executing"),
        ("MAIN_FILE_NAME = b'a.py'", 1, "only executing"),
        ("MAIN_FILE_NAME = ''", 1, "only executing"),
        ("A = MAIN_FILE_NAME = 'a.py'", 1, "only executing"),
        ("MAIN_FILE_NAME, A = 'a.py', 1", 1, "only executing"),
        ("MAIN_FILE_NAME = 'a.py'\nMAIN_FILE_NAME += 'x'", 2, "only executing"),
        ("if True:\n    MAIN_FILE_NAME = 'a.py'", 2, "only executing"),
        ("try:\n    pass\nfinally:\n    MAIN_FILE_NAME = 'a.py'", 4, "only executing"),
        ("for MAIN_FILE_NAME in 'ab':\n    pass", 1, "only executing"),
        ("print(MAIN_FILE_NAME := 'a.py')", 1, "only executing"),
        ("from names import MAIN_FILE_NAME", 1, "only executing"),
        ("import main as MAIN_FILE_NAME", 1, "only executing"),
        ("def MAIN_FILE_NAME():\n    pass", 1, "only executing"),
        ("def f():\n    global MAIN_FILE_NAME\n    MAIN_FILE_NAME = 'a.py'", 2, "only executing"),
        ("MAIN_FILE_NAME = 'a.py'\ndel MAIN_FILE_NAME", 2, "only executing"),
        ("MAIN_FILE_NAME = '/etc/passwd'", 1, "must be a clean path below the folder"),
        ("MAIN_FILE_NAME = '../main.py'", 1, "must be a clean path"),
        ("MAIN_FILE_NAME = 'a\\nb'", 1, "cannot be printed"),
        ("MAIN_FILE_NAME = 'a.py'\ndef", 2, "not Python"),
    ],
)
def test_what_only_executing_would_tell(tmp_path: Path, text: str, line: int, why: str) -> None:
    with pytest.raises(SpecificationError, match=why) as error:
        name_in(tmp_path, text)
    assert error.value.where == f"c/x/build_customization.py, line {line}"
    assert error.value.hint in {'say main = "…" in [tool.reprobuild]', "mend that line"}


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    try:
        name_in(tmp_path_factory.getbasetemp(), f"MAIN_FILE_NAME = {text}")
    except SpecificationError as error:
        assert error.where is not None
        assert error.where.startswith("c/x/build_customization.py")


class TestConnector:
    FILES: ClassVar = {
        "pyproject.toml": '[tool.reprobuild]\nconnectors = ["c/*"]\n[tool.reprobuild.base.b]\nimage = "python:3.11"\n',
        "c/x/pyproject.toml": '[project]\nname = "x"\ndependencies = ["a"]\n',
        "c/x/build_customization.py": REAL,
    }

    def spec(self, root: Path, **files: str) -> ConnectorSpec:
        return read_workspace(write(root, {**self.FILES, **files})).connectors["x"]

    def test_the_main_file_is_copied_and_started(self, tmp_path: Path) -> None:
        spec = self.spec(tmp_path)
        main = spec.sources[0]
        assert (main.kind, main.places, main.target, main.required) == (
            "main file",
            ("main_dev.py",),
            "main_dev.py",
            True,
        )
        assert main.where == "c/x/build_customization.py"
        assert spec.entrypoint == ("python", "/airbyte/integration_code/main_dev.py")
        assert spec.env == {"AIRBYTE_ENTRYPOINT": "python /airbyte/integration_code/main_dev.py"}

    def test_what_is_specified_goes_first(self, tmp_path: Path) -> None:
        own = '[project]\nname = "x"\ndependencies = ["a"]\n[tool.reprobuild]\nmain = "other.py"\n'
        spec = self.spec(
            tmp_path, **{"c/x/pyproject.toml": own, "c/x/build_customization.py": "MAIN_FILE_NAME = name()"}
        )
        assert spec.entrypoint == ("python", "/airbyte/integration_code/other.py")
        assert spec.hooks.customization == tmp_path / "c/x/build_customization.py"
