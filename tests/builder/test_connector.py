"""Which files of a connector's folder enter its image, and which never do."""

import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprobuild.builder.connector import ConnectorFile, connector_files
from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError, MachineError, SpecificationError
from reprobuild.oci.types import Platform
from reprobuild.workspace.hooks import HookSpec
from reprobuild.workspace.types import ConnectorSpec, Source
from tests.folders import write

MAIN = Source(kind="main file", places=("main.py",), target="main.py", where="w")
PACKAGE = Source(kind="package folder", places=("source_x", "src/source_x"), target="source_x", where="w")
ROOT = "airbyte/integration_code"


def spec(folder: Path | None, *sources: Source, workdir: str = "/" + ROOT) -> ConnectorSpec:
    return ConnectorSpec(
        name="source-x",
        base="b",
        requirements=("a",),
        entrypoint=("python", "main.py"),
        platforms=(Platform(os="linux", architecture="amd64"),),
        where="w",
        folder=folder,
        sources=sources or (MAIN, PACKAGE),
        workdir=workdir,
    )


def included(path: str, target: str | None = None) -> Source:
    return Source(kind="included path", places=(path,), target=target or path, where="w")


def paths(files: tuple[ConnectorFile, ...]) -> list[str]:
    return [file.path.removeprefix(f"{ROOT}/") for file in files]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small connector."""
    return write(tmp_path / "x", {"main.py": "main", "source_x/__init__.py": "", "source_x/a.py": "a" * 300_000})


def test_files_with_their_digests(folder: Path) -> None:
    found = connector_files(spec(folder))
    assert [file.path for file in found] == [
        f"{ROOT}/main.py",
        f"{ROOT}/source_x/__init__.py",
        f"{ROOT}/source_x/a.py",
    ]
    assert found[2] == ConnectorFile(
        path=f"{ROOT}/source_x/a.py",
        source=folder / "source_x/a.py",
        size=300_000,
        executable=False,
        digest=digest_of(b"a" * 300_000),
    )


def test_a_published_connector_has_none() -> None:
    assert connector_files(spec(None)) == ()


def test_order_is_by_path_bytes(folder: Path) -> None:
    write(folder / "source_x", {"a/b": "", "a.b": "", "a-b": "", "é": "", "Z": "", "z": "", "𝄞": "", "�": ""})
    found = [file.path.encode() for file in connector_files(spec(folder, PACKAGE))]
    assert len(found) == 10
    assert found == sorted(found)


def test_the_root_may_be_the_workdir(folder: Path) -> None:
    assert [file.path for file in connector_files(spec(folder, MAIN, workdir="/"))] == ["main.py"]


def test_only_the_owners_executable_bit_counts(folder: Path) -> None:
    modes = {"source_x/__init__.py": 0o644, "source_x/a.py": 0o677, "main.py": 0o700}
    for name, mode in modes.items():
        (folder / name).chmod(mode)
    assert [file.executable for file in connector_files(spec(folder))] == [True, False, False]


LEFT_OUT = [
    *("secrets/config.json", "unit_tests/test_a.py", "integration_tests/a.py", "tests/a.py", "__pycache__/a.pyc"),
    *("a.pyc", "a.pyo", ".env", ".env.local", ".git/config", ".git", ".venv/bin/python", ".pytest_cache/x"),
    *(".mypy_cache/x", ".ruff_cache/x", "x.egg-info/PKG-INFO", ".DS_Store", "acceptance-test-config.yml"),
    *("any_name/pyvenv.cfg", "any_name/lib/a.py", ".coverage", ".netrc", "node_modules/x/index.js"),
]


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_never_enters(folder: Path, name: str) -> None:
    before = paths(connector_files(spec(folder)))
    write(folder / "source_x", {name: "", f"deep/{name}": ""})
    if name.startswith("any_name"):
        write(folder / "source_x", {"any_name/pyvenv.cfg": "", "deep/any_name/pyvenv.cfg": ""})
    assert paths(connector_files(spec(folder))) == before


@pytest.mark.parametrize(
    "name",
    ["secrets.py", "tests.py", "testing/a.py", "environment.py", "env/a.py", "data.pyc.txt", "git/a", ".gitkeep"],
)
def test_what_only_looks_like_it_does(folder: Path, name: str) -> None:
    write(folder / "source_x", {name: ""})
    assert f"source_x/{name}" in paths(connector_files(spec(folder)))


@pytest.mark.parametrize("path", ["secrets", "secrets/config.json", "data/.env", "unit_tests", "a.pyc", "venv"])
def test_it_cannot_be_included_by_name_either(folder: Path, path: str) -> None:
    files = {"secrets/config.json": "", "data/.env": "", "unit_tests/a.py": "", "a.pyc": "", "venv/pyvenv.cfg": ""}
    write(folder, files)
    with pytest.raises(SpecificationError, match=r"never enters an image|nothing that enters an image"):
        connector_files(spec(folder, included(path)))


class TestSources:
    def test_the_first_place_that_exists_is_taken(self, tmp_path: Path) -> None:
        folder = write(tmp_path, {"src/source_x/a.py": "", "main.py": ""})
        assert paths(connector_files(spec(folder))) == ["main.py", "source_x/a.py"]

    @pytest.mark.parametrize(
        ("files", "what"),
        [
            ({"source_x/a.py": ""}, "the main file is missing; looked for .*x/main.py"),
            ({"main.py": ""}, "the package folder is missing; looked for .*x/source_x and .*x/src/source_x"),
        ],
    )
    def test_what_is_missing_is_said_with_the_places(self, tmp_path: Path, files: dict[str, str], what: str) -> None:
        folder = write(tmp_path / "x", files)
        with pytest.raises(SpecificationError, match=what) as error:
            connector_files(spec(folder))
        assert error.value.where == "w"
        assert error.value.hint

    def test_what_is_not_required_may_be_missing(self, tmp_path: Path) -> None:
        main = Source(kind="main file", places=("main.py",), target="main.py", where="w", required=False)
        assert connector_files(spec(tmp_path, main)) == ()

    def test_an_empty_package_is_an_error(self, tmp_path: Path) -> None:
        folder = write(tmp_path, {"main.py": "", "source_x/__pycache__/a.pyc": ""})
        with pytest.raises(SpecificationError, match="nothing that enters"):
            connector_files(spec(folder))

    def test_the_same_file_twice_is_one(self, folder: Path) -> None:
        found = connector_files(spec(folder, MAIN, PACKAGE, included("source_x"), included("source_x/a.py")))
        assert found == connector_files(spec(folder))

    def test_two_files_for_one_path(self, folder: Path) -> None:
        write(folder, {"other/a.py": ""})
        with pytest.raises(SpecificationError, match=r"would both become airbyte/integration_code/source_x/a.py"):
            connector_files(spec(folder, PACKAGE, included("other/a.py", "source_x/a.py")))

    def test_a_file_where_another_needs_a_folder(self, folder: Path) -> None:
        with pytest.raises(SpecificationError, match="would be below"):
            connector_files(spec(folder, MAIN, included("source_x/a.py", "main.py/a.py")))


class TestLinks:
    def test_one_within_the_package_is_kept_as_it_is(self, folder: Path) -> None:
        write(folder / "source_x", {"data/b.json": ""})
        (folder / "source_x/c.json").symlink_to("./data/b.json")
        (folder / "source_x/again").symlink_to("data")
        (folder / "source_x/data/main").symlink_to("../../main.py")
        found = {file.path.rpartition("/")[2]: file for file in connector_files(spec(folder))}
        assert found["c.json"].target == "./data/b.json"
        assert found["c.json"].digest == digest_of(b"./data/b.json")
        assert (found["c.json"].size, found["c.json"].executable) == (0, False)
        assert found["again"].target == "data"
        assert found["main"].target == "../../main.py"

    def test_one_through_another(self, folder: Path) -> None:
        write(folder / "source_x", {"data/b.json": ""})
        (folder / "source_x/again").symlink_to("data")
        (folder / "source_x/b.json").symlink_to("again/b.json")
        assert len(connector_files(spec(folder))) == 6

    @pytest.mark.parametrize("target", ["../../outside", "/etc/hostname", "../../../../../../../etc/hostname", "../.."])
    def test_one_that_leaves_is_named(self, folder: Path, target: str) -> None:
        write(folder.parent, {"outside": ""})
        (folder / "source_x/link").symlink_to(target)
        with pytest.raises(SpecificationError, match=r"leaves the connector's folder|does not enter") as error:
            connector_files(spec(folder, PACKAGE))
        assert error.value.where == str(folder / "source_x/link")
        assert target in error.value.message

    def test_one_that_leaves_through_another(self, folder: Path) -> None:
        (folder / "source_x/up").symlink_to("..")
        (folder / "source_x/link").symlink_to("up/../x/main.py")
        with pytest.raises(SpecificationError):
            connector_files(spec(folder))

    @pytest.mark.parametrize("target", ["link", "gone"])
    def test_one_that_leads_nowhere(self, folder: Path, target: str) -> None:
        (folder / "source_x/link").symlink_to(target)
        with pytest.raises(SpecificationError, match="leads nowhere"):
            connector_files(spec(folder))

    def test_one_to_what_does_not_enter(self, folder: Path) -> None:
        write(folder, {"secrets/config.json": ""})
        (folder / "source_x/config.json").symlink_to("../secrets/config.json")
        with pytest.raises(SpecificationError, match="does not enter the image"):
            connector_files(spec(folder))

    def test_a_source_that_is_one_must_lead_into_the_image(self, folder: Path) -> None:
        (folder / "real.py").write_text("x")
        (folder / "main.py").unlink()
        (folder / "main.py").symlink_to("real.py")
        with pytest.raises(SpecificationError, match="does not enter the image"):
            connector_files(spec(folder))
        assert len(connector_files(spec(folder, MAIN, PACKAGE, included("real.py")))) == 4

    def test_a_source_behind_one_that_leaves(self, folder: Path) -> None:
        write(folder.parent, {"elsewhere/passwords": ""})
        (folder / "link").symlink_to("../elsewhere")
        with pytest.raises(SpecificationError, match="not in the connector's folder"):
            connector_files(spec(folder, included("link/passwords")))

    def test_a_folder_reached_through_one(self, folder: Path) -> None:
        (folder.parent / "alias").symlink_to("x")
        (folder / "source_x/again").symlink_to("a.py")
        found = connector_files(spec(folder.parent / "alias"))
        assert [file.digest for file in found] == [file.digest for file in connector_files(spec(folder))]


class TestSpecialFiles:
    def test_a_socket(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder / "source_x")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("control")
            with pytest.raises(SpecificationError, match="neither a file") as error:
                connector_files(spec(folder))
        assert error.value.where == str(folder / "source_x/control")

    def test_a_pipe_is_not_waited_for(self, folder: Path) -> None:
        os.mkfifo(folder / "source_x/pipe")
        with pytest.raises(SpecificationError, match="neither a file"):
            connector_files(spec(folder))

    @pytest.mark.parametrize("name", [b"\xff.py", b"a\nb", b"a\x1b[31m"])
    def test_a_name_that_cannot_be_told(self, folder: Path, name: bytes) -> None:
        Path(os.fsdecode(os.fsencode(folder / "source_x") + b"/" + name)).touch()
        with pytest.raises(SpecificationError, match="its name cannot be told") as error:
            connector_files(spec(folder))
        assert str(error.value).isprintable()


class TestUnreadable:
    @pytest.fixture
    def shared(self) -> Iterator[Path]:
        """A connector in a folder that everybody may enter, read by somebody who is not root."""
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            root.chmod(0o755)
            user, is_root = os.geteuid(), os.geteuid() == 0
            write(root, {"main.py": "", "source_x/a.py": ""})
            if is_root:
                os.seteuid(65534)
            try:
                yield root
            finally:
                os.seteuid(user)
                for path in root.rglob("*"):
                    path.chmod(0o755)

    @pytest.mark.parametrize("name", ["main.py", "source_x", "source_x/a.py"])
    def test_what_cannot_be_read_is_named(self, shared: Path, name: str) -> None:
        user = os.geteuid()
        if user != os.getuid():
            os.seteuid(os.getuid())
        (shared / name).chmod(0o000)
        os.seteuid(user)
        with pytest.raises(MachineError, match="cannot be read") as error:
            connector_files(spec(shared))
        assert error.value.where == str(shared / name)
        assert error.value.hint


def test_a_circle_of_links_is_named(folder: Path) -> None:
    (folder / "source_x/one").symlink_to("two")
    (folder / "source_x/two").symlink_to("one")
    with pytest.raises((SpecificationError, ContentError)):
        connector_files(spec(folder))


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=6)
trees = st.recursive(st.binary(max_size=8), lambda inner: st.dictionaries(names, inner, max_size=4), max_leaves=10)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, trees, min_size=1, max_size=4))
def test_any_tree_gives_the_same_files_in_order_or_a_clear_error(tree: dict[str, object]) -> None:
    def make(folder: Path, tree: dict[str, object]) -> None:
        folder.mkdir()
        for name, value in tree.items():
            if name not in {".", ".."}:
                if isinstance(value, dict):
                    make(folder / name, value)
                else:
                    assert isinstance(value, bytes)
                    (folder / name).write_bytes(value)

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make(root / "source_x", tree)
        try:
            found = connector_files(spec(root, PACKAGE))
        except SpecificationError as error:
            assert "cannot be told" in error.message or "nothing that enters" in error.message
            return
        order = [file.path.encode() for file in found]
        assert order == sorted(set(order))
        for file in found:
            assert file.digest == digest_of(file.source.read_bytes())
            assert file.size == file.source.stat().st_size
            assert stat.S_ISREG(file.source.lstat().st_mode)
        shutil.copytree(root, root / "copy")
        again = connector_files(spec(root / "copy", PACKAGE))
        assert [(file.path, file.digest) for file in again] == [(file.path, file.digest) for file in found]


class TestHooks:
    HOOKS = ("hooks/pre-install", "hooks/post-install", "build_customization.py")

    def with_hooks(self, folder: Path, *sources: Source) -> ConnectorSpec:
        write(folder, dict.fromkeys(self.HOOKS, "x") | {"hooks/data": "d"})
        pre, post, customization = (folder / name for name in self.HOOKS)
        hooks = HookSpec(pre_install=pre, post_install=post, customization=customization)
        return replace(spec(folder, *sources), hooks=hooks)

    def test_they_do_not_enter(self, folder: Path) -> None:
        assert connector_files(self.with_hooks(folder)) == connector_files(spec(folder))

    def test_they_are_left_out_of_a_folder(self, folder: Path) -> None:
        assert paths(connector_files(self.with_hooks(folder, included("hooks")))) == ["hooks/data"]

    @pytest.mark.parametrize("name", HOOKS)
    def test_to_name_one_is_refused(self, folder: Path, name: str) -> None:
        with pytest.raises(SpecificationError, match="is a hook") as error:
            connector_files(self.with_hooks(folder, included(name)))
        assert error.value.hint == "copy what the image needs to another file"


class TestFiles:
    def source(self, place: str, target: str) -> Source:
        return Source(kind="file", places=(place,), target=target, where="w: files")

    def test_anywhere_in_the_image(self, folder: Path) -> None:
        write(folder, {"ca.pem": "c", "run.sh": "r"})
        (folder / "run.sh").chmod(0o700)
        found = connector_files(
            spec(folder, self.source("ca.pem", "/etc/ssl/ca.pem"), self.source("run.sh", "bin/run"))
        )
        assert [(file.path, file.executable) for file in found] == [
            (f"{ROOT}/bin/run", True),
            ("etc/ssl/ca.pem", False),
        ]

    def test_of_the_workspace(self, folder: Path) -> None:
        published = replace(spec(None, self.source("main.py", "/x")), root=folder)
        (found,) = connector_files(published)
        assert (found.path, found.source) == ("x", folder / "main.py")

    @pytest.mark.parametrize(
        ("place", "message"),
        [
            ("no.pem", "the file is missing"),
            ("source_x", "source_x is a folder"),
            (".env", "never enters an image"),
            ("secrets/key", "never enters an image"),
        ],
    )
    def test_what_is_no_file_for_an_image(self, folder: Path, place: str, message: str) -> None:
        write(folder, {".env": "", "secrets/key": ""})
        with pytest.raises(SpecificationError, match=message) as error:
            connector_files(spec(folder, self.source(place, "/x")))
        assert error.value.where == "w: files"
        assert error.value.hint
