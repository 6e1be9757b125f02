"""The contract of a base image as a specification writes it."""

from pathlib import Path

import pytest

from reprobuild.errors import SpecificationError
from reprobuild.workspace import read_workspace
from reprobuild.workspace.expect import Expectations, ExpectedUser
from tests.folders import write

BASE = '[base.b]\nimage = "python:3.11"\n[base.b.expect]\n'


def expect(root: Path, text: str) -> Expectations:
    found = read_workspace(write(root, {"reprobuild.toml": f"connectors = []\n{BASE}{text}"})).bases["b"].expect
    assert found is not None
    return found


def fault(root: Path, text: str) -> SpecificationError:
    with pytest.raises(SpecificationError) as error:
        expect(root, text)
    assert error.value.where is not None
    assert error.value.where.startswith("reprobuild.toml: base.b.expect")
    return error.value


def test_a_base_without_a_contract(tmp_path: Path) -> None:
    write(tmp_path, {"reprobuild.toml": 'connectors = []\n[base.b]\nimage = "python:3.11"\n'})
    assert read_workspace(tmp_path).bases["b"].expect is None


def test_every_key(tmp_path: Path) -> None:
    text = """
    timezone = "Europe/Paris"
    python = "3.12.0rc1"
    pip = "25.3"
    user = { name = "airbyte", uid = 1000, gid = 0 }
    as = "1000:1000"
    readable = ["/"]
    writable = ["/airbyte", "/tmp"]
    not-writable = ["/usr"]
    env = { LANG = "C.UTF-8", EMPTY = "" }
    env-present = ["HOME"]
    labels = { "io.airbyte.name" = "airbyte/x" }
    entrypoint = []
    commands = { bash = "5.2.*", "[" = "*", python3 = ">=3.11,<4" }
    os-packages = { "libstdc++6" = "12.2.0-14", bash = "5.*", "g++" = "4:12.2.0-3" }
    """
    assert expect(tmp_path, text) == Expectations(
        where="reprobuild.toml: base.b.expect",
        timezone="Europe/Paris",
        python="3.12.0rc1",
        pip="25.3",
        user=ExpectedUser(name="airbyte", uid=1000, gid=0),
        run_as="1000:1000",
        readable=("/",),
        writable=("/airbyte", "/tmp"),
        not_writable=("/usr",),
        env={"LANG": "C.UTF-8", "EMPTY": ""},
        env_present=("HOME",),
        labels={"io.airbyte.name": "airbyte/x"},
        entrypoint=(),
        commands={"bash": "5.2.*", "[": "*", "python3": ">=3.11,<4"},
        os_packages={"libstdc++6": "12.2.0-14", "bash": "5.*", "g++": "4:12.2.0-3"},
    )


def test_names_alone_are_any_version(tmp_path: Path) -> None:
    found = expect(tmp_path, 'commands = ["bash", "socat"]\nos-packages = ["tzdata"]')
    assert found.commands == {"bash": "*", "socat": "*"}
    assert found.os_packages == {"tzdata": "*"}


class TestProfile:
    def test_alone(self, tmp_path: Path) -> None:
        found = expect(tmp_path, 'profile = "airbyte"')
        assert found.profile == "airbyte"
        assert found.where == "reprobuild.toml: base.b.expect"
        assert (found.timezone, found.python, found.run_as) == ("UTC", None, "airbyte")
        assert found.user == ExpectedUser(name="airbyte", uid=1000, gid=1000)
        assert found.writable == ("/airbyte",)
        assert found.not_writable == ("/custom_cache",)

    def test_own_keys_go_over_it(self, tmp_path: Path) -> None:
        text = """
        profile = "airbyte"
        timezone = "Europe/Paris"
        python = "3.11.9"
        user = { name = "me", uid = 7 }
        writable = ["/custom_cache", "/tmp"]
        env-present = ["HOME", "MORE"]
        env = { LANG = "C.UTF-8" }
        commands = { bash = "5.2.*", tesseract = "*" }
        """
        found = expect(tmp_path, text)
        assert (found.timezone, found.python) == ("Europe/Paris", "3.11.9")
        assert (found.user, found.run_as) == (ExpectedUser(name="me", uid=7), "me")
        assert found.writable == ("/airbyte", "/custom_cache", "/tmp")
        assert found.not_writable == ()
        assert found.env_present == ("GPG_KEY", "HOME", "LANG", "PATH", "PYTHON_VERSION", "MORE")
        assert found.env == {"LANG": "C.UTF-8"}
        assert found.commands == {"bash": "5.2.*", "pip": "*", "python": "*", "socat": "*", "tesseract": "*"}

    def test_the_other_way_round(self, tmp_path: Path) -> None:
        found = expect(tmp_path, 'profile = "airbyte"\nnot-writable = ["/airbyte"]\nas = "root"')
        assert (found.writable, found.not_writable) == ((), ("/custom_cache", "/airbyte"))
        assert found.run_as == "root"

    def test_unknown(self, tmp_path: Path) -> None:
        error = fault(tmp_path, 'profile = "airbite"')
        assert error.message == "there is no profile 'airbite'"
        assert error.hint == 'did you mean "airbyte"?'
        assert fault(tmp_path, 'profile = "zzz"').hint == "there is airbyte"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "expects nothing", "profile"),
        ('profil = "airbyte"', "unknown key", 'did you mean "profile"?'),
        ('not_writable = ["/usr"]', "unknown key", 'did you mean "not-writable"?'),
        ("profile = 1", "must be a string, not an integer", None),
        ('timezone = "../UTC"', "not a timezone: '../UTC'", "UTC"),
        ('python = "3"', "not one version: '3'", "3.11.9"),
        ('python = ">=3.11"', "not one version: '>=3.11'", "3.11.9"),
        ("python = 3.11", "must be a string, not a number", None),
        ('pip = "25.*"', "not one version: '25.*'", "25.3"),
        ('user = "airbyte"', "must be a table, not a string", None),
        ("user = { uid = 1 }", "is missing", "airbyte"),
        ('user = { name = "1000" }', "must be a name", "airbyte"),
        ('user = { name = "a:b" }', "must be a name", "airbyte"),
        ('user = { name = "a b" }', "not a user's name: 'a b'", "airbyte"),
        ('user = { name = "a", home = "/" }', "unknown key", "known here: gid, name, uid"),
        ('user = { name = "a", uid = "1" }', "must be an integer, not a string", None),
        ('user = { name = "a", uid = true }', "must be an integer, not a boolean", None),
        ('user = { name = "a", uid = -1 }', "not a numeric id: -1", "1000"),
        ('user = { name = "a", gid = 4294967295 }', "not a numeric id: 4294967295", "1000"),
        ('as = "a b"', "not a user: 'a b'", "airbyte"),
        ('readable = "/x"', "must be a list, not a string", None),
        ("readable = [1]", "must be a list of strings, but holds an integer", None),
        ('readable = ["x"]', "must be absolute and clean: 'x'", "/airbyte"),
        ('readable = ["/x/../y"]', "must be absolute and clean: '/x/../y'", "/airbyte"),
        ('readable = ["//x"]', "must be absolute and clean: '//x'", "/airbyte"),
        ('writable = ["/dev/shm"]', "/dev/shm is not the image's: whatever runs it mounts that", "remove it"),
        ('writable = ["/proc"]', "/proc is not the image's: whatever runs it mounts that", "remove it"),
        ('writable = ["/a"]\nnot-writable = ["/a"]', "/a is in writable, too", "take it out of one of them"),
        ('env = ["HOME"]', "must be a table, not a list", "env-present"),
        ('env = { "A=B" = "c" }', "'A=B' cannot be a variable's name: it holds =", "env = {"),
        ("env = { A = 1 }", "must be a string, not an integer", None),
        ('env-present = ["A=b"]', "'A=b' cannot be a variable's name: it holds =", "env = {"),
        ('env-present = { A = "b" }', "must be a list, not a table", None),
        ('labels = ["a"]', "must be a table, not a list", None),
        ('entrypoint = "bash"', "must be a list, not a string", None),
        ('commands = "bash"', "must be a list of strings, or a table of versions", "commands = {"),
        ('commands = ["/bin/bash"]', "not a name: '/bin/bash'", "without a path"),
        ('commands = { bash = "" }', "not a version for bash: ''", '"*" for any'),
        ('commands = { bash = "five" }', "not a version for bash: 'five'", '"5.2.*"'),
        ('commands = { bash = ">=five" }', "not a version for bash: '>=five'", '"5.2.*"'),
        ("commands = { bash = 5 }", "must be a string, not an integer", None),
        ("commands = [[]]", "must be a list of strings, but holds a list", None),
        ('os-packages = ["a b"]', "not a name: 'a b'", None),
        ('os-packages = { a = "" }', "not a version for a: ''", '"*" for any'),
        ('os-packages = { a = "1 2" }', "not a version for a: '1 2'", '"*" for any'),
        ("os-packages = 1", "must be a list of strings, or a table of versions", "os-packages = {"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str, hint: str | None) -> None:
    error = fault(tmp_path, text)
    assert error.message == message
    assert hint is None or hint in (error.hint or "")


def test_an_expectation_is_a_table(tmp_path: Path) -> None:
    write(tmp_path, {"reprobuild.toml": 'connectors = []\n[base.b]\nimage = "x"\nexpect = "airbyte"\n'})
    with pytest.raises(SpecificationError, match="must be a table, not a string"):
        read_workspace(tmp_path)
