"""What a workspace says, in every way that it can be said, and the place of every fault."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reprobuild.errors import MachineError, SpecificationError
from reprobuild.oci.reference import FileReference, RegistryReference
from reprobuild.oci.types import Platform
from reprobuild.workspace import DEFAULT_EPOCH, ConnectorSpec, Workspace, find_workspace, read_workspace
from tests.folders import METADATA, write

AMD64, ARM64 = Platform(os="linux", architecture="amd64"), Platform(os="linux", architecture="arm64")
DIGEST = "sha256:" + "a" * 64
BASE = f"docker.io/airbyte/python-connector-base:4.0.0@{DIGEST}"
ONE_BASE = '[tool.reprobuild.base.b]\nimage = "python:3.11"\n'


def workspace(root: Path, text: str, **files: str) -> Workspace:
    return read_workspace(write(root, {"pyproject.toml": text, **files}))


def with_folder(root: Path, files: dict[str, str], text: str = ONE_BASE) -> ConnectorSpec:
    """Return the connector that *files* in a folder ``c/x`` amount to."""
    header = '[tool.reprobuild]\nconnectors = ["c/*"]\n'
    write(root, {"pyproject.toml": header + text, **{f"c/x/{name}": content for name, content in files.items()}})
    (connector,) = read_workspace(root).connectors.values()
    return connector


def fault(root: Path, text: str) -> SpecificationError:
    with pytest.raises(SpecificationError) as error:
        workspace(root, text)
    return error.value


def folder_fault(root: Path, files: dict[str, str], text: str = ONE_BASE) -> SpecificationError:
    with pytest.raises(SpecificationError) as error:
        with_folder(root, files, text)
    return error.value


class TestPublished:
    def test_defaults(self, tmp_path: Path) -> None:
        found = workspace(
            tmp_path,
            ONE_BASE + '[tool.reprobuild.connector.source-x]\nrequirements = ["airbyte-source-x==3.2.0", "Httpx"]\n',
        )
        spec = found.connectors["source-x"]
        assert spec.requirements == ("airbyte-source-x==3.2.0", "httpx")
        assert spec.version == "3.2.0"
        assert spec.base == "b"
        assert spec.entrypoint == ("source-x",)
        assert spec.env == {"AIRBYTE_ENTRYPOINT": "source-x"}
        assert spec.labels == {}
        assert spec.workdir == "/airbyte/integration_code"
        assert spec.folder is None
        assert spec.sources == ()
        assert spec.platforms == found.platforms == (AMD64, ARM64)
        assert spec.where == "pyproject.toml: tool.reprobuild.connector.source-x"
        assert (found.epoch, found.compression, found.registries.insecure) == (DEFAULT_EPOCH, "gzip", ())

    def test_every_key(self, tmp_path: Path) -> None:
        text = """
        platforms = ["linux/arm64", "linux/amd64", "linux/arm64"]
        epoch = 0
        compression = "zstd"
        insecure-registries = ["registry:5000", "[::1]:5000"]

        [base."python-3.11"]
        image = "oci:build/base:python-3.11"
        pip = "25.3"
        timezone = "America/Argentina/Buenos_Aires"
        env = { LANG = "C.UTF-8", EMPTY = "" }

        [base.other]
        image = "python"

        [connector.x]
        requirements = ["y>=1"]
        base = "other"
        entrypoint = ["python", "-m", "y z"]
        env = { A = "1=2" }
        labels = { "io.example" = "l" }
        workdir = "/srv"
        user = "1000:1000"
        platforms = ["linux/amd64"]
        version = "7"
        """
        found = read_workspace(write(tmp_path, {"reprobuild.toml": text}))
        assert found.platforms == (ARM64, AMD64)
        assert (found.epoch, found.compression) == (0, "zstd")
        assert found.registries.insecure == ("registry:5000", "[::1]:5000")
        assert list(found.bases) == ["other", "python-3.11"]
        base = found.bases["python-3.11"]
        assert base.image == FileReference(transport="oci", path="build/base", tag="python-3.11")
        assert (base.pip, base.timezone) == ("25.3", "America/Argentina/Buenos_Aires")
        assert base.env == {"LANG": "C.UTF-8", "EMPTY": ""}
        assert base.where == 'reprobuild.toml: base."python-3.11"'
        spec = found.connectors["x"]
        assert spec.base == "other"
        assert spec.entrypoint == ("python", "-m", "y z")
        assert spec.env == {"A": "1=2", "AIRBYTE_ENTRYPOINT": "python -m 'y z'"}
        assert spec.labels == {"io.example": "l"}
        assert (spec.workdir, spec.user, spec.platforms, spec.version) == ("/srv", "1000:1000", (AMD64,), "7")

    @pytest.mark.parametrize(
        ("requirements", "version"),
        [
            ('["y==1"]', "1"),
            ('["y==1", "z"]', None),
            ('["airbyte-x==2", "z==1"]', "2"),
            ('["x[a]==2", "z==1"]', "2"),
            ('["y==1.*"]', None),
            ('["y"]', None),
        ],
    )
    def test_the_version_is_the_pin_of_the_connector_itself(
        self, tmp_path: Path, requirements: str, version: str | None
    ) -> None:
        found = workspace(tmp_path, f"{ONE_BASE}[tool.reprobuild.connector.x]\nrequirements = {requirements}\n")
        assert found.connectors["x"].version == version

    def test_the_entrypoint_variable_can_be_set(self, tmp_path: Path) -> None:
        text = '[tool.reprobuild.connector.x]\nrequirements = ["y"]\nenv = { AIRBYTE_ENTRYPOINT = "own" }\n'
        assert workspace(tmp_path, ONE_BASE + text).connectors["x"].env == {"AIRBYTE_ENTRYPOINT": "own"}


class TestFolders:
    def test_a_standard_project(self, tmp_path: Path) -> None:
        project = """
        [project]
        name = "My.Connector"
        version = "0.3"
        requires-python = ">=3.11, <3.14"
        dependencies = ["httpx>=0.27", "a"]
        """
        spec = with_folder(tmp_path, {"pyproject.toml": project, "uv.lock": "", "requirements.txt": "-e .\n"})
        assert (spec.name, spec.version, spec.python) == ("my-connector", "0.3", "<3.14,>=3.11")
        assert spec.requirements == ("a", "httpx>=0.27")
        assert spec.folder == tmp_path / "c/x"
        assert spec.pins == (tmp_path / "c/x/uv.lock",)
        assert spec.entrypoint == ("python", "/airbyte/integration_code/main.py")
        assert spec.labels == {}
        main, package = spec.sources
        assert (main.places, main.target, main.required) == (("main.py",), "main.py", True)
        assert (package.places, package.target) == (("my_connector", "src/my_connector"), "my_connector")

    def test_poetrys_project(self, tmp_path: Path) -> None:
        project = """
        [tool.poetry]
        name = "airbyte-source-x"
        version = "2.0"
        packages = [
            {include = "source_x"}, {include = "lib/**/*.py", from = "src", to = "vendor"},
            {include = "tests", format = "sdist"},
        ]
        [tool.poetry.dependencies]
        python = "^3.10,<3.13"
        airbyte-cdk = "^6"
        [tool.poetry.group.dev.dependencies]
        pytest = { git = "https://example.test/pytest" }
        """
        spec = with_folder(tmp_path, {"pyproject.toml": project, "poetry.lock": "", "uv.lock": ""})
        assert (spec.name, spec.version) == ("airbyte-source-x", "2.0")
        assert spec.requirements == ("airbyte-cdk<7,>=6",)
        assert spec.python == "<3.13,<4,>=3.10"
        assert [path.name for path in spec.pins] == ["poetry.lock"]
        assert [(source.places, source.target) for source in spec.sources[1:]] == [
            (("source_x",), "source_x"),
            (("src/lib",), "vendor/lib"),
        ]

    def test_a_standard_project_that_poetry_enriches(self, tmp_path: Path) -> None:
        project = """
        [project]
        name = "x"
        dependencies = ["a>=1"]
        [tool.poetry.dependencies]
        a = { source = "ours" }
        """
        assert with_folder(tmp_path, {"pyproject.toml": project}).requirements == ("a>=1",)
        bad = project.replace('{ source = "ours" }', '{ path = "../a" }')
        error = folder_fault(tmp_path, {"pyproject.toml": bad})
        assert error.where == "c/x/pyproject.toml: tool.poetry.dependencies.a"

    def test_an_airbyte_connector_needs_no_configuration(self, tmp_path: Path) -> None:
        pyproject = '[tool.poetry]\nname = "airbyte-source-x"\n[tool.poetry.dependencies]\nairbyte-cdk = "6.1"\n'
        metadata = METADATA.format(name="source-x", base=BASE)
        other = METADATA.format(name="source-y", base=BASE)
        root = write(
            tmp_path,
            {
                "reprobuild.toml": 'connectors = ["c/*"]\n',
                "c/x/pyproject.toml": pyproject,
                "c/x/metadata.yaml": metadata,
                "c/y/pyproject.toml": pyproject,
                "c/y/metadata.yaml": other,
            },
        )
        found = read_workspace(root)
        assert list(found.connectors) == ["source-x", "source-y"]
        spec = found.connectors["source-x"]
        assert spec.version == "1.2.3"
        assert spec.labels == {"io.airbyte.name": "airbyte/source-x", "io.airbyte.version": "1.2.3"}
        assert spec.env == {"AIRBYTE_ENTRYPOINT": "python /airbyte/integration_code/main.py"}
        assert spec.entrypoint == ("python", "/airbyte/integration_code/main.py")
        assert spec.sources[1].target == "source_x"
        assert spec.base == found.connectors["source-y"].base == "python-connector-base-4.0.0"
        (base,) = found.bases.values()
        assert isinstance(base.image, RegistryReference)
        assert str(base.image) == BASE
        assert base.where == "c/x/metadata.yaml: data.connectorBuildOptions.baseImage"

    def test_a_base_that_is_named_wins_over_the_metadata(self, tmp_path: Path) -> None:
        files = {
            "requirements.txt": "a",
            "metadata.yaml": METADATA.format(name="x", base=BASE),
            "reprobuild.toml": 'base = "b"',
        }
        assert with_folder(tmp_path, files).base == "b"
        assert list(read_workspace(tmp_path).bases) == ["b"]

    def test_metadata_without_a_base_gets_the_only_one(self, tmp_path: Path) -> None:
        files = {"requirements.txt": "a", "metadata.yaml": METADATA.format(name="x", base="null")}
        assert with_folder(tmp_path, files).base == "b"

    def test_one_name_for_two_bases_is_an_error(self, tmp_path: Path) -> None:
        other = BASE.replace("aaa", "bbb")
        files = {
            "reprobuild.toml": 'connectors = ["c/*"]\n',
            "c/x/requirements.txt": "a",
            "c/x/metadata.yaml": METADATA.format(name="x", base=BASE),
            "c/y/requirements.txt": "a",
            "c/y/metadata.yaml": METADATA.format(name="y", base=other),
        }
        with pytest.raises(SpecificationError, match=r"python-connector-base-4.0.0") as error:
            read_workspace(write(tmp_path, files))
        assert other in error.value.message
        assert "c/x/metadata.yaml" in error.value.message
        assert (error.value.where or "").startswith("c/y/metadata.yaml")
        same = f'[base."python-connector-base-4.0.0"]\nimage = "{BASE}"\npip = "25.3"\n'
        files["c/y/metadata.yaml"] = files["c/x/metadata.yaml"].replace("airbyte/x", "airbyte/y")
        found = read_workspace(write(tmp_path, files | {"reprobuild.toml": 'connectors = ["c/*"]\n' + same}))
        assert found.bases["python-connector-base-4.0.0"].pip == "25.3"

    def test_a_folder_says_the_same_keys_and_the_workspace_overrides(self, tmp_path: Path) -> None:
        own = """
        [project]
        name = "x"
        version = "1"
        dependencies = ["a"]
        [tool.reprobuild]
        base = "c"
        requirements = ["z"]
        main = "bin/main_dev.py"
        packages = ["src/one", "two/"]
        include = ["data/model.bin"]
        env = { A = "folder", B = "folder" }
        labels = { l = "folder" }
        user = "airbyte"
        """
        bases = '[tool.reprobuild.base.c]\nimage = "python:3.12"\n' + ONE_BASE
        over = '[tool.reprobuild.connector.x]\nversion = "2"\nworkdir = "/"\nenv = { A = "workspace" }\n'
        spec = with_folder(tmp_path, {"pyproject.toml": own}, bases + over)
        assert (spec.base, spec.version, spec.user, spec.workdir) == ("c", "2", "airbyte", "/")
        assert spec.requirements == ("z",)
        assert spec.entrypoint == ("python", "/bin/main_dev.py")
        assert spec.env == {"AIRBYTE_ENTRYPOINT": "python /bin/main_dev.py", "A": "workspace", "B": "folder"}
        assert spec.labels == {"l": "folder"}
        assert [(source.kind, source.places, source.target) for source in spec.sources] == [
            ("main file", ("bin/main_dev.py",), "bin/main_dev.py"),
            ("package folder", ("src/one",), "one"),
            ("package folder", ("two",), "two"),
            ("included path", ("data/model.bin",), "data/model.bin"),
        ]

    def test_with_an_entrypoint_of_its_own_a_main_file_is_optional(self, tmp_path: Path) -> None:
        files = {"requirements.txt": "a", "reprobuild.toml": 'entrypoint = ["serve"]\npackages = []\n'}
        spec = with_folder(tmp_path, files)
        assert [source.required for source in spec.sources] == [False]
        assert spec.name == "x"

    def test_requirements_txt(self, tmp_path: Path) -> None:
        files = {
            "requirements.txt": """\
            # comment
            Httpx >= 0.27 \\
                --hash=sha256:aaaa   # another
            -r more/base.txt
            a==1 ; python_version < "3.12"
            """,
            "more/base.txt": "b\n-r ../requirements.txt\n",
        }
        spec = with_folder(tmp_path, files)
        assert spec.requirements == ('a==1; python_version < "3.12"', "b", "httpx>=0.27")
        assert [path.name for path in spec.pins] == ["requirements.txt"]

    @pytest.mark.parametrize("line", ["-e .", ".", "-e .[tests]", "--editable=.", "-e ./", "file:."])
    def test_requirements_txt_may_list_the_folder_itself(self, tmp_path: Path, line: str) -> None:
        files = {"requirements.txt": f"{line}  # this one\na\n"}
        assert with_folder(tmp_path, files).requirements == ("a",)
        for more in ({}, {"Dockerfile": "FROM a\n"}):
            error = folder_fault(tmp_path, {**files, "setup.py": "", **more})
            assert "only setup.py says what it requires" in error.message
            assert error.hint == "run `reprobuild migrate c/x`, which reads it" or not more
        own = {"reprobuild.toml": 'requirements = ["b"]\n'}
        assert with_folder(tmp_path, {**files, "setup.py": "", **own}).requirements == ("b",)

    def test_requirements_txt_does_not_count_where_the_specification_says_them(self, tmp_path: Path) -> None:
        files = {"requirements.txt": "-e ../../bases/tests\n", "reprobuild.toml": 'requirements = ["b"]\n'}
        assert with_folder(tmp_path, files).requirements == ("b",)

    @pytest.mark.parametrize(
        ("text", "where", "why"),
        [
            ("a\n\n-e ../other\n", "c/x/requirements.txt, line 3", "required from a path"),
            ("a \\\n>=1\n--index-url https://x.test\n", "c/x/requirements.txt, line 3", "the option --index-url"),
            ("-c pins.txt", "c/x/requirements.txt, line 1", "the option -c"),
            ("-r ../../pyproject.toml", "c/x/../../pyproject.toml", "not a file of the connector's folder"),
            ("a b", "c/x/requirements.txt, line 1", "not a requirement"),
        ],
    )
    def test_what_requirements_txt_may_not_say(self, tmp_path: Path, text: str, where: str, why: str) -> None:
        error = folder_fault(tmp_path, {"requirements.txt": text})
        assert error.where == where
        assert why in error.message
        assert error.hint or "folder" in error.message

    def test_the_workspaces_own_folder_can_be_the_connector(self, tmp_path: Path) -> None:
        text = '[project]\nname = "x"\ndependencies = ["a"]\n[tool.reprobuild]\nconnectors = ["."]\n' + ONE_BASE
        over = '[tool.reprobuild.connector.x]\nmain = "run.py"\n'
        spec = workspace(tmp_path, text + over).connectors["x"]
        assert spec.folder == tmp_path
        assert spec.sources[0].places == ("run.py",)


class TestWhichFoldersAreConnectors:
    HEADER = '[tool.reprobuild]\nconnectors = ["c/*", "named"]\n' + ONE_BASE

    def names(self, root: Path, files: dict[str, str]) -> list[str]:
        named = {"named/requirements.txt": "a"}
        return list(read_workspace(write(root, {"pyproject.toml": self.HEADER, **named, **files})).connectors)

    @pytest.mark.parametrize(
        "files",
        [
            {"c/x/README.md": "nothing"},
            {"c/x/pyproject.toml": "[tool.ruff]\nline-length = 100\n"},
            {"c/x": "a file"},
            {"c/x/metadata.yaml": METADATA.format(name="x", base=BASE).replace("python]", "java]"), "c/x/y": ""},
            {"c/x/metadata.yaml": METADATA.format(name="x", base=BASE).replace("  tags: [language:python]\n", "")},
        ],
    )
    def test_a_pattern_skips_what_is_none(self, tmp_path: Path, files: dict[str, str]) -> None:
        assert self.names(tmp_path, files) == ["named"]
        if "c/x" not in files:
            text = self.HEADER.replace('"c/*"', '"c/x"')
            with pytest.raises(SpecificationError, match=r"take it out of|connector") as error:
                read_workspace(write(tmp_path, {"pyproject.toml": text}))
            assert error.value.where == "c/x"

    def test_a_path_that_is_missing_is_an_error(self, tmp_path: Path) -> None:
        error = fault(tmp_path, '[tool.reprobuild]\nconnectors = ["c/gone"]\n')
        assert error.where == "pyproject.toml: tool.reprobuild.connectors"
        assert "'c/gone'" in error.message

    @pytest.mark.parametrize("path", ["../x", "/srv/x", "a/../b", "", "a//b"])
    def test_a_path_stays_in_the_workspace(self, tmp_path: Path, path: str) -> None:
        error = fault(tmp_path, f'[tool.reprobuild]\nconnectors = ["{path}"]\n')
        assert error.where == "pyproject.toml: tool.reprobuild.connectors"

    def test_setup_py_alone_cannot_be_read(self, tmp_path: Path) -> None:
        error = folder_fault(tmp_path, {"setup.py": "setup()", "metadata.yaml": METADATA.format(name="x", base=BASE)})
        assert "setup.py" in error.message
        assert "requirements.txt" in (error.hint or "")

    def test_a_folder_that_requires_nothing_is_an_error(self, tmp_path: Path) -> None:
        error = folder_fault(tmp_path, {"pyproject.toml": '[project]\nname = "x"\ndependencies = []\n'})
        assert (error.where, error.message) == ("c/x", "requires no distribution at all")

    def test_two_connectors_of_one_name(self, tmp_path: Path) -> None:
        text = '[tool.reprobuild]\nconnectors = ["*"]\n' + ONE_BASE
        project = '[project]\nname = "{}"\ndependencies = ["a"]\n'
        files = {"one/pyproject.toml": project.format("x-y"), "two/pyproject.toml": project.format("X_Y")}
        with pytest.raises(SpecificationError, match="called x-y: in one and in two"):
            read_workspace(write(tmp_path, {"pyproject.toml": text, **files}))


class TestFaults:
    @pytest.mark.parametrize(
        ("text", "key", "hint"),
        [
            ("conectors = []", "conectors", 'did you mean "connectors"?'),
            ("[tool.reprobuild.base.b]\nimage = 'x'\npipp = '1'", "base.b.pipp", 'did you mean "pip"?'),
            ("[tool.reprobuild.connector.x]\nrequires = ['a']", "connector.x.requires", 'did you mean "requirements"?'),
            ("[tool.reprobuild.connector.x]\nqqqqq = 1", "connector.x.qqqqq", "known here: base, entrypoint"),
            ("insecure_registries = []", "insecure_registries", 'did you mean "insecure-registries"?'),
            ("entrypoint = ['x']", "entrypoint", "this key belongs to a connector"),
        ],
    )
    def test_unknown_keys(self, tmp_path: Path, text: str, key: str, hint: str) -> None:
        error = fault(tmp_path, f"[tool.reprobuild]\n{text}\n")
        assert error.where == f"pyproject.toml: tool.reprobuild.{key}"
        assert error.message == "unknown key"
        assert (error.hint or "").startswith(hint)

    def test_a_workspaces_key_in_a_folder(self, tmp_path: Path) -> None:
        error = folder_fault(tmp_path, {"requirements.txt": "a", "reprobuild.toml": "epoch = 1\n"})
        assert error.where == "c/x/reprobuild.toml: epoch"
        assert "workspace" in (error.hint or "")

    @pytest.mark.parametrize(
        ("text", "key", "why"),
        [
            ("platforms = 'linux/amd64'", "platforms", "must be a list, not a string"),
            ("platforms = []", "platforms", "is empty"),
            ("platforms = [1]", "platforms", "must be a list of strings, but holds an integer"),
            ("platforms = ['amd64']", "platforms", "not a platform: 'amd64'"),
            ("epoch = true", "epoch", "must be an integer, not a boolean"),
            ("epoch = -1", "epoch", "not a time"),
            ("epoch = 99999999999", "epoch", "not a time"),
            ("epoch = 1980-01-01", "epoch", "must be an integer, not a date"),
            ("compression = 'xz'", "compression", "there is no 'xz'"),
            ("insecure-registries = ['http://x']", "insecure-registries", "not a host"),
            ("base = 'b'", "base", "must be a table, not a string"),
            ("base.b = 'b'", "base.b", "must be a table, not a string"),
            ("base.b = {}", "base.b.image", "is missing"),
            ("base.b = {image = 'A/B'}", "base.b.image", "not an image reference"),
            ("base.b = {image = 'b', pip = '>=25'}", "base.b.pip", "not one version"),
            ("base.b = {image = 'b', timezone = '../etc/shadow'}", "base.b.timezone", "not a timezone"),
            ("base.b = {image = 'b', env = {'A=B' = 'x'}}", "base.b.env", "it holds ="),
            ("base.b = {image = 'b', env = {A = 1}}", "base.b.env.A", "must be a string, not an integer"),
            ('base.b = {image = "b", env = {A = "x\\u0000"}}', "base.b.env", "NUL"),
            ("base.B = {image = 'b'}", "base.B", "not a name for a base: 'B'"),
            ('base."../b" = {image = "b"}', 'base."../b"', "not a name for a base"),
            ("connector.X = {requirements = ['a']}", "connector.X", "not a name for a connector"),
            ("connector.'x.y' = {requirements = ['a']}", 'connector."x.y"', "not a name for a connector"),
            ("connector.x = {}", "connector.x", "has neither requirements nor a folder"),
            ("connector.x = {requirements = []}", "connector.x.requirements", "is empty"),
            ("connector.x = {requirements = ['']}", "connector.x.requirements", "is empty"),
            ("connector.x = {requirements = ['a b']}", "connector.x.requirements", "Expected semicolon"),
            ("connector.x = {requirements = ['a @ file:///a']}", "connector.x.requirements", "a is required from a d"),
            ("connector.x = {requirements = ['a'], main = 'm'}", "connector.x.main", "only a connector that has a f"),
            ("connector.x = {requirements = ['a'], entrypoint = []}", "connector.x.entrypoint", "is empty"),
            ("connector.x = {requirements = ['a'], workdir = 'srv'}", "connector.x.workdir", "must be absolute"),
            ("connector.x = {requirements = ['a'], workdir = '/a/../b'}", "connector.x.workdir", "must be absolute"),
            ("connector.x = {requirements = ['a'], workdir = '//a'}", "connector.x.workdir", "must be absolute"),
            ("connector.x = {requirements = ['a'], user = 'a b'}", "connector.x.user", "not a user"),
            ("connector.x = {requirements = ['a'], include = ['../y']}", "connector.x.include", "must be a clean path"),
            ('connector.x = {requirements = ["a"], version = "1\\n2"}', "connector.x.version", "cannot be printed"),
            ("connector.x = {requirements = ['a'], base = 'c'}", "connector.x.base", "there is no base 'c'"),
            ("connector.x = {requirements = ['a']}", "connector.x", "names no base, and the workspace defines none"),
        ],
    )
    def test_values(self, tmp_path: Path, text: str, key: str, why: str) -> None:
        error = fault(tmp_path, f"[tool.reprobuild]\n{text}\n")
        assert error.where == f"pyproject.toml: tool.reprobuild.{key}"
        assert why in error.message

    def test_several_bases_and_none_named(self, tmp_path: Path) -> None:
        text = ONE_BASE + ONE_BASE.replace("base.b", "base.c") + "[tool.reprobuild.connector.x]\nrequirements = ['a']"
        error = fault(tmp_path, text)
        assert error.hint == "set base to one of b, c"
        error = fault(tmp_path, text + "\nbase = 'd-python'")
        assert (error.message, error.hint) == ("there is no base 'd-python'", "defined: b, c")

    def test_a_connectors_table_that_means_a_folder(self, tmp_path: Path) -> None:
        table = "[tool.reprobuild.connector.xx]\nversion = '1'\n"
        project = {"pyproject.toml": '[project]\nname = "xxx"\ndependencies = ["a"]\n'}
        assert folder_fault(tmp_path, project, ONE_BASE + table).hint == 'did you mean "xxx"?'

    @pytest.mark.parametrize(
        ("text", "where"),
        [
            ("[tool.reprobuild]\nx =\n", "pyproject.toml, line 2"),
            ("[tool.reprobuild]\nx = 1\nx = 2\n", "pyproject.toml, line 3"),
            ("[tool.reprobuild]\n\n<<<<<<< ours\n", "pyproject.toml, line 3"),
            ("[tool.reprobuild]\nx = [", "pyproject.toml, line 2"),
            ("[tool.reprobuild]\nx = " + "[" * 9999, "pyproject.toml, line 2"),
        ],
    )
    def test_syntax(self, tmp_path: Path, text: str, where: str) -> None:
        error = fault(tmp_path, text)
        assert error.where == where
        assert error.message.startswith("not TOML")

    def test_text_that_is_not_utf_8(self, tmp_path: Path) -> None:
        (tmp_path / "reprobuild.toml").write_bytes(b"epoch = 1\n# \xff\n")
        with pytest.raises(SpecificationError, match="not UTF-8") as error:
            read_workspace(tmp_path)
        assert error.value.where == "reprobuild.toml, line 2"

    def test_a_huge_file(self, tmp_path: Path) -> None:
        with (tmp_path / "reprobuild.toml").open("wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(SpecificationError, match="is larger than"):
            read_workspace(tmp_path)

    def test_two_specifications_in_one_folder(self, tmp_path: Path) -> None:
        root = write(tmp_path, {"pyproject.toml": ONE_BASE, "reprobuild.toml": "epoch = 1"})
        with pytest.raises(SpecificationError, match=r"both reprobuild.toml and"):
            read_workspace(root)

    def test_two_specifications_in_a_connectors_folder(self, tmp_path: Path) -> None:
        own = '[project]\nname = "x"\n[tool.reprobuild]\nrequirements = ["a"]\n'
        error = folder_fault(tmp_path, {"pyproject.toml": own, "reprobuild.toml": "version = '1'"})
        assert error.where == "c/x"

    @settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(
        st.dictionaries(
            st.sampled_from(["platforms", "connectors", "base", "connector", "epoch", "compression", "x"]),
            st.recursive(
                st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "a b", "linux/amd64", "../x", "é"]),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(["image", "x", "requirements", "base", "env", "workdir"]), inner, max_size=3
                    )
                ),
                max_leaves=8,
            ),
        )
    )
    def test_any_document_is_a_workspace_or_a_clear_error(self, tmp_path: Path, document: dict[str, object]) -> None:
        import tomlkit

        (tmp_path / "reprobuild.toml").write_text(tomlkit.dumps(document))
        try:
            read_workspace(tmp_path)
        except SpecificationError as error:
            assert (error.where or "").startswith("reprobuild.toml")


class TestFinding:
    def test_upwards_past_connectors_own_tables(self, tmp_path: Path) -> None:
        root = write(
            tmp_path,
            {
                "pyproject.toml": ONE_BASE,
                "c/x/pyproject.toml": '[tool.reprobuild]\nbase = "b"\nplatforms = ["linux/amd64"]\n',
                "c/y/reprobuild.toml": 'requirements = ["a"]\n',
                "c/x/src/x.py": "",
            },
        )
        for folder in (".", "c", "c/x", "c/x/src", "c/y"):
            assert find_workspace(root / folder) == root

    def test_the_nearest_one_counts(self, tmp_path: Path) -> None:
        root = write(tmp_path, {"pyproject.toml": ONE_BASE, "inner/reprobuild.toml": "connectors = []\n"})
        assert find_workspace(root / "inner") == root / "inner"

    def test_one_with_nothing_but_a_mistake_is_found_and_named(self, tmp_path: Path) -> None:
        root = write(tmp_path, {"reprobuild.toml": "conectors = []\n"})
        assert find_workspace(root) == root

    def test_none(self, tmp_path: Path) -> None:
        write(tmp_path, {"pyproject.toml": "not TOML, and not ours"})
        with pytest.raises(SpecificationError) as error:
            find_workspace(tmp_path)
        assert "`reprobuild init`" in (error.value.hint or "")
        with pytest.raises(SpecificationError, match="has no workspace"):
            read_workspace(tmp_path)

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        if os.geteuid() == 0:
            (tmp_path / "reprobuild.toml").symlink_to("/proc/self/mem")
        else:
            (tmp_path / "reprobuild.toml").touch(mode=0o000)
        with pytest.raises(MachineError, match="cannot be read"):
            read_workspace(tmp_path)


def test_reading_loads_nothing_heavy(tmp_path: Path) -> None:
    text = (
        '[tool.reprobuild]\nconnectors = ["c/*"]\n[tool.reprobuild.connector.x]\nrequirements = ["a==1", "b>=1,<2"]\n'
    )
    poetry = '[tool.poetry]\nname = "y"\n[tool.poetry.dependencies]\npython = "^3.11"\na = "~1.2"\n'
    root = write(tmp_path, {"pyproject.toml": text + ONE_BASE, "c/y/pyproject.toml": poetry})
    heavy = "{'anyio', 'httpx', 'rich', 'tomlkit', 'yaml', 'packaging', 'uv', 'difflib'}"
    code = (
        "import sys; from pathlib import Path; from reprobuild.workspace import read_workspace\n"
        f"assert len(read_workspace(Path({str(root)!r})).connectors) == 2; print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_base_that_only_builds_sdists_is_not_asked_about(tmp_path: Path) -> None:
    text = """\
connector.x = {requirements = ["a"]}
[base.slim]
image = "docker.io/library/python:3.11-slim"
builder = "build"
[base.build]
image = "docker.io/library/python:3.11"
"""
    (tmp_path / "reprobuild.toml").write_text(text)
    assert read_workspace(tmp_path).connectors["x"].base == "slim"
