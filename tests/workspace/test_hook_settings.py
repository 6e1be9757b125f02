"""What a specification says of hooks, inputs, secrets and files, and the place of every fault."""

from pathlib import Path

import pytest

from reprobuild.errors import SpecificationError
from reprobuild.workspace import ConnectorSpec, Source, read_workspace
from reprobuild.workspace.hooks import DEFAULT_TIMEOUT, HookSpec, InputSpec, SecretSpec
from tests.folders import write

HEADER = '[tool.reprobuild]\nconnectors = ["c/*"]\n[tool.reprobuild.base.b]\nimage = "python:3.11"\n'
PROJECT = '[project]\nname = "x"\ndependencies = ["a"]\n'
OWN = "c/x/pyproject.toml: tool.reprobuild"


def in_folder(root: Path, own: str, *, files: tuple[str, ...] = (), over: str = "") -> ConnectorSpec:
    """Return the connector in ``c/x``, which says *own* and has executable *files*; *over* is the workspace's word."""
    text = {"pyproject.toml": HEADER + over, "c/x/pyproject.toml": PROJECT + own}
    write(root, {**text, **{f"c/x/{name}": "#!/bin/sh\n" for name in files}})
    for name in files:
        (root / "c/x" / name).chmod(0o755)
    return read_workspace(root).connectors["x"]


def published(root: Path, text: str, *, files: tuple[str, ...] = ()) -> ConnectorSpec:
    text = text.replace("[y", "[tool.reprobuild.connector.y").replace("[[y", "[[tool.reprobuild.connector.y")
    write(root, {"pyproject.toml": HEADER.replace('"c/*"', "") + text, **dict.fromkeys(files, "#!/bin/sh\n")})
    for name in files:
        (root / name).chmod(0o755)
    return read_workspace(root).connectors["y"]


class TestHooks:
    def test_none(self, tmp_path: Path) -> None:
        spec = in_folder(tmp_path, "")
        assert not spec.hooks
        assert spec.hooks == HookSpec()
        assert (spec.inputs, spec.secrets, spec.missing_libraries, spec.hooks.impure) == ((), (), (), ())

    def test_those_that_a_folder_has(self, tmp_path: Path) -> None:
        files = ("hooks/pre-install", "hooks/post-install", "build_customization.py", "hooks/other")
        spec = in_folder(tmp_path, "", files=files)
        folder = tmp_path / "c/x"
        assert spec.hooks == HookSpec(
            pre_install=folder / "hooks/pre-install",
            post_install=folder / "hooks/post-install",
            customization=folder / "build_customization.py",
            network=False,
            timeout=DEFAULT_TIMEOUT,
        )

    def test_those_that_are_named(self, tmp_path: Path) -> None:
        own = """
            [tool.reprobuild.hooks]
            pre-install = "build/first"
            customization = "build/custom.py"
            network = true
            timeout = 2.5
        """
        files = ("build/first", "build/custom.py", "hooks/post-install")
        hooks = in_folder(tmp_path, own, files=files).hooks
        folder = tmp_path / "c/x"
        assert (hooks.pre_install, hooks.customization) == (folder / "build/first", folder / "build/custom.py")
        assert hooks.post_install == folder / "hooks/post-install"
        assert (hooks.network, hooks.timeout, hooks.impure) == (True, 2.5, ("hooks: network",))

    def test_the_workspaces_word_holds_key_by_key(self, tmp_path: Path) -> None:
        own = '[tool.reprobuild.hooks]\npre-install = "one"\nnetwork = true\ntimeout = 7\n'
        over = '[tool.reprobuild.connector.x.hooks]\npre-install = "two"\nnetwork = false\n'
        hooks = in_folder(tmp_path, own, files=("one", "two"), over=over).hooks
        assert hooks.pre_install == tmp_path / "c/x/two"
        assert (hooks.network, hooks.timeout) == (False, 7.0)

    def test_of_a_published_connector_they_are_in_the_workspace(self, tmp_path: Path) -> None:
        text = '[y]\nrequirements = ["a"]\n[y.hooks]\npost-install = "shared/after"\n'
        spec = published(tmp_path, text, files=("shared/after", "hooks/pre-install"))
        assert spec.hooks == HookSpec(post_install=tmp_path / "shared/after")

    @pytest.mark.parametrize(
        ("own", "where", "why"),
        [
            ('pre_install = "x"', "hooks.pre_install", "unknown key"),
            ('pre-install = "../x"', "hooks.pre-install", "must be a clean path below the folder"),
            ('pre-install = "/x"', "hooks.pre-install", "must be a clean path below the folder"),
            ("pre-install = false", "hooks.pre-install", "must be a string, not a boolean"),
            ('pre-install = "gone"', "hooks.pre-install", "there is no file 'gone'"),
            ('pre-install = "folder"', "hooks.pre-install", "folder is not a file"),
            ('post-install = "plain"', "hooks.post-install", "plain is not executable"),
            ('customization = "gone.py"', "hooks.customization", "there is no file 'gone.py'"),
            ('pre-install = "out"', "hooks.pre-install", "leads out of it"),
            ('network = "yes"', "hooks.network", "must be true or false, not a string"),
            ("timeout = 0", "hooks.timeout", "not a positive number of seconds: 0"),
            ("timeout = -1.5", "hooks.timeout", "not a positive number"),
            ("timeout = inf", "hooks.timeout", "not a positive number"),
            ("timeout = nan", "hooks.timeout", "not a positive number"),
            ("timeout = true", "hooks.timeout", "must be a number, not a boolean"),
            ("timeout = '5m'", "hooks.timeout", "must be a number, not a string"),
            ("timeout = 5", "hooks", "there is no hook that this could be for"),
        ],
    )
    def test_faults(self, tmp_path: Path, own: str, where: str, why: str) -> None:
        write(tmp_path, {"c/x/folder/y": "", "c/x/plain": "#!/bin/sh\n", "outside": "#!/bin/sh\n"})
        (tmp_path / "outside").chmod(0o755)
        (tmp_path / "c/x/out").symlink_to("../../outside")
        with pytest.raises(SpecificationError) as error:
            in_folder(tmp_path, f"[tool.reprobuild.hooks]\n{own}\n")
        assert error.value.where == f"{OWN}.{where}"
        assert why in error.value.message

    def test_a_script_of_the_folder_that_git_does_not_know_as_executable(self, tmp_path: Path) -> None:
        write(tmp_path, {"c/x/hooks/pre-install": "#!/bin/sh\n"})
        (tmp_path / "c/x/hooks/pre-install").chmod(0o654)
        with pytest.raises(SpecificationError, match="is not executable") as error:
            in_folder(tmp_path, "")
        assert error.value.where == "c/x/hooks/pre-install"
        assert error.value.hint == "run `chmod +x hooks/pre-install`, and commit that"

    def test_a_customization_is_not_executed_by_name(self, tmp_path: Path) -> None:
        write(tmp_path, {"c/x/build_customization.py": ""})
        assert in_folder(tmp_path, "").hooks.customization == tmp_path / "c/x/build_customization.py"


class TestInputs:
    def test_every_way(self, tmp_path: Path) -> None:
        own = """
            [[tool.reprobuild.input]]
            name = "nltk-data.zip"
            url = "https://example.org/data.zip?version=2"
            [[tool.reprobuild.input]]
            name = "ca"
            path = "build/ca.pem"
        """
        over = '[[tool.reprobuild.connector.x.input]]\nname = "ca"\nurl = "http://ca.example:8080/ca.pem"\n'
        alone = in_folder(tmp_path, own, files=("hooks/pre-install",))
        assert alone.inputs == (
            InputSpec(name="ca", where=f"{OWN}.input.ca", path=tmp_path / "c/x/build/ca.pem"),
            InputSpec(
                name="nltk-data.zip",
                where=f'{OWN}.input."nltk-data.zip"',
                url="https://example.org/data.zip?version=2",
            ),
        )
        both = in_folder(tmp_path, own, over=over)
        assert [(one.name, one.url is None) for one in both.inputs] == [("ca", False), ("nltk-data.zip", False)]

    @pytest.mark.parametrize(
        ("item", "where", "why"),
        [
            ('url = "https://x"', "input.1.name", "is missing"),
            ('name = "a"', "input.a", "needs either url or path"),
            ('name = "a"\nurl = "https://x"\npath = "x"', "input.a", "needs either url or path"),
            ('name = "../a"\npath = "x"', 'input."../a".name', "not a name for a file"),
            ('name = ".."\npath = "x"', 'input."..".name', "not a name for a file"),
            ('name = "a"\npath = "../x"', "input.a.path", "must be a clean path"),
            ('name = "a"\nurl = "ftp://x/y"', "input.a.url", "not an address that can be fetched"),
            ('name = "a"\nurl = "x/y"', "input.a.url", "not an address"),
            ('name = "a"\nurl = "https://[x"', "input.a.url", "not an address"),
            ('name = "a"\nurl = "https://x:y/"', "input.a.url", "not an address"),
            ('name = "a"\nurl = "https://me:word@x/"', "input.a.url", "holds credentials"),
            ('name = "a"\nsha256 = "0"', "input.a.sha256", "unknown key"),
            ('name = "b"\npath = "x"', "input.b.name", "two are called b"),
        ],
    )
    def test_faults(self, tmp_path: Path, item: str, where: str, why: str) -> None:
        own = f'[[tool.reprobuild.input]]\n{item}\n[[tool.reprobuild.input]]\nname = "b"\npath = "b"\n'
        with pytest.raises(SpecificationError) as error:
            in_folder(tmp_path, own, files=("hooks/pre-install",))
        assert error.value.where == f"{OWN}.{where}"
        assert why in error.value.message
        assert "word" not in str(error.value)

    def test_nobody_to_read_it(self, tmp_path: Path) -> None:
        with pytest.raises(SpecificationError, match="no hook that would read it") as error:
            in_folder(tmp_path, '[[tool.reprobuild.input]]\nname = "a"\npath = "x"\n')
        assert error.value.where == f"{OWN}.input.a"

    def test_it_is_an_array(self, tmp_path: Path) -> None:
        for own, why in (("input = ['a']", "must be tables, but holds a string"), ("input = {}", "must be a list")):
            with pytest.raises(SpecificationError, match=why) as error:
                in_folder(tmp_path, f"[tool.reprobuild]\n{own}\n")
            assert error.value.where == f"{OWN}.input"


class TestSecrets:
    def test_every_way(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/fred")
        items = {
            "token": 'env = "API_TOKEN"',
            "netrc": 'file = "~/.netrc"',
            "key": 'file = "../key"',
            "a": 'file = "/a"',
        }
        own = "".join(f'[[tool.reprobuild.secret]]\nname = "{name}"\n{item}\n' for name, item in items.items())
        spec = in_folder(tmp_path, own, files=("hooks/pre-install",))
        assert [(one.name, one.env, one.file) for one in spec.secrets] == [
            ("a", None, Path("/a")),
            ("key", None, tmp_path / "c/x/../key"),
            ("netrc", None, Path("/home/fred/.netrc")),
            ("token", "API_TOKEN", None),
        ]
        assert spec.secrets[3] == SecretSpec(name="token", where=f"{OWN}.secret.token", env="API_TOKEN")

    @pytest.mark.parametrize(
        ("item", "where", "why"),
        [
            ('name = "a"', "secret.a", "needs either env or file"),
            ('name = "a"\nenv = "A"\nfile = "x"', "secret.a", "needs either env or file"),
            ('name = "a/b"\nenv = "A"', 'secret."a/b".name', "not a name for a file"),
            ('name = "a"\nenv = "hunter2!"', "secret.a.env", "not the name of a variable"),
            ('name = "a"\nvalue = "hunter2"', "secret.a.value", "unknown key"),
            ('name = "a"\nfile = "~nobody-of-that-name/x"', "secret.a", "there is no home of that name"),
        ],
    )
    def test_faults(self, tmp_path: Path, item: str, where: str, why: str) -> None:
        with pytest.raises(SpecificationError) as error:
            in_folder(tmp_path, f"[[tool.reprobuild.secret]]\n{item}\n", files=("hooks/pre-install",))
        assert error.value.where == f"{OWN}.{where}"
        assert why in error.value.message
        assert "hunter2" not in f"{error.value} {error.value.hint}"


class TestFiles:
    def test_every_way(self, tmp_path: Path) -> None:
        own = '[tool.reprobuild]\nfiles = { "/etc/ssl/ca.pem" = "ca.pem", "data/x" = "build/x", "/b" = "b" }\n'
        over = '[tool.reprobuild.connector.x.files]\n"/b" = "other"\n'
        spec = in_folder(tmp_path, own, over=over)
        files = [source for source in spec.sources if source.kind == "file"]
        assert [(one.target, one.places) for one in files] == [
            ("/b", ("other",)),
            ("/etc/ssl/ca.pem", ("ca.pem",)),
            ("data/x", ("build/x",)),
        ]
        assert {one.where for one in files} == {"pyproject.toml: tool.reprobuild.connector.x.files"}

    def test_of_a_published_connector_they_are_in_the_workspace(self, tmp_path: Path) -> None:
        spec = published(tmp_path, '[y]\nrequirements = ["a"]\nfiles = { "/x" = "shared/x" }\n')
        where = "pyproject.toml: tool.reprobuild.connector.y.files"
        assert spec.sources == (Source(kind="file", places=("shared/x",), target="/x", where=where),)
        assert (spec.folder, spec.root) == (None, tmp_path)

    @pytest.mark.parametrize(
        ("text", "key", "why"),
        [
            ('"/" = "x"', '"/"', "not a clean path"),
            ('"" = "x"', '""', "not a clean path"),
            ('"." = "x"', '"."', "not a clean path"),
            ('"../x" = "x"', '"../x"', "not a clean path"),
            ('"/a/../b" = "x"', '"/a/../b"', "not a clean path"),
            ('"//a" = "x"', '"//a"', "not a clean path"),
            ('"a/" = "x"', '"a/"', "not a clean path"),
            ('"a\\nb" = "x"', '"a\\nb"', "not a clean path"),
            ('"/proc/x" = "x"', '"/proc/x"', "covers that folder"),
            ('"/dev" = "x"', '"/dev"', "covers that folder"),
            ('"/a" = "../x"', '"/a"', "must be a clean path below the folder"),
            ('"/a" = "/x"', '"/a"', "must be a clean path below the folder"),
            ('"/a" = ["x"]', '"/a"', "must be a string, not a list"),
        ],
    )
    def test_faults(self, tmp_path: Path, text: str, key: str, why: str) -> None:
        with pytest.raises(SpecificationError) as error:
            in_folder(tmp_path, f"[tool.reprobuild]\nfiles = {{ {text} }}\n")
        assert error.value.where == f"{OWN}.files.{key}"
        assert why in error.value.message


class TestOtherKeys:
    def test_missing_libraries(self, tmp_path: Path) -> None:
        own = '[tool.reprobuild]\nmissing-libraries = ["libGL.so.1", "libX11.so", "libGL.so.1"]\n'
        assert in_folder(tmp_path, own).missing_libraries == ("libGL.so.1", "libX11.so")
        with pytest.raises(SpecificationError, match=r"not the name of a shared library: '/usr/lib/libGL\.so'"):
            in_folder(tmp_path, '[tool.reprobuild]\nmissing-libraries = ["/usr/lib/libGL.so"]\n')

    def test_a_builder(self, tmp_path: Path) -> None:
        text = HEADER.replace('"c/*"', "") + 'builder = "big"\n[tool.reprobuild.base.big]\nimage = "python:3.11"\n'
        found = read_workspace(write(tmp_path, {"pyproject.toml": text}))
        assert (found.bases["b"].builder, found.bases["big"].builder) == ("big", None)
        write(tmp_path, {"pyproject.toml": text.replace("base.big", "base.bigger")})
        with pytest.raises(SpecificationError, match="there is no base 'big'") as error:
            read_workspace(tmp_path)
        assert error.value.where == "pyproject.toml: tool.reprobuild.base.b.builder"
        assert error.value.hint == 'did you mean "bigger"?'

    def test_bytecode(self, tmp_path: Path) -> None:
        for text, expected in (("", "none"), ('"none"', "none"), ('"unchecked-hash"', "unchecked-hash")):
            line = f"bytecode = {text}\n" if text else ""
            write(tmp_path, {"pyproject.toml": f"[tool.reprobuild]\nconnectors = []\n{line}"})
            assert read_workspace(tmp_path).bytecode == expected
        write(tmp_path, {"pyproject.toml": '[tool.reprobuild]\nbytecode = "checked-hash"\n'})
        with pytest.raises(SpecificationError, match="there is no 'checked-hash'"):
            read_workspace(tmp_path)
