"""Every check of a contract, kept and broken."""

import pytest

from reprobuild.contract.check import check_base, check_image
from reprobuild.contract.facts import Facts
from reprobuild.workspace.expect import Expectations, ExpectedUser, read_expectations
from reprobuild.workspace.toml_table import Table
from tests.contract.bases import AIRBYTE_ENV, PASSWD, airbyte, check, facts, outcomes
from tests.resolver.base_images import Files, file, folder, link, program

PATH = "/usr/local/bin:/usr/bin:/bin"


def airbyte_facts(env: tuple[str, ...] = AIRBYTE_ENV, **changes: Files) -> Facts:
    pairs = dict(item.split("=", 1) for item in env)
    return facts(airbyte(**changes), pairs, user="airbyte", python="3.11.9", pip="24.0")


def profile() -> Expectations:
    return read_expectations(Table({"profile": "airbyte", "python": "3.11.9", "pip": "24.0"}, "x"))


class TestAirbyte:
    def test_a_base_that_keeps_it(self) -> None:
        findings = check_base(profile(), airbyte_facts())
        assert [one for one in findings if one.outcome != "passed"] == []
        assert [one.check for one in findings] == [
            "timezone UTC",
            "python 3.11.9",
            "pip 24.0",
            "user airbyte",
            *(f"env {name}" for name in ("GPG_KEY", "HOME", "LANG", "PATH", "PYTHON_VERSION")),
            *("readable /airbyte", "readable /custom_cache", "writable /airbyte", "not-writable /custom_cache"),
            *(f"command {name}" for name in ("bash", "pip", "python", "socat")),
        ]

    @pytest.mark.parametrize(
        ("changes", "broken"),
        [
            (
                {"airbyte": [folder("airbyte")]},
                {"writable /airbyte": "/airbyte belongs to 0:0 with mode 0755: 1000:1000 may not write it"},
            ),
            (
                {"airbyte": []},
                {"readable /airbyte": "there is no /airbyte", "writable /airbyte": "there is no /airbyte"},
            ),
            (
                {"cache": [folder("custom_cache", mode=0o777)]},
                {
                    "not-writable /custom_cache": "/custom_cache belongs to 0:0 with mode 0777: "
                    "1000:1000 may write to it"
                },
            ),
            (
                {"cache": []},
                {
                    "readable /custom_cache": "there is no /custom_cache",
                    "not-writable /custom_cache": "there is no /custom_cache",
                },
            ),
            (
                {"commands": [program("usr/bin/bash", b"")]},
                {"command socat": f"is in none of {PATH}"},
            ),
            (
                {"timezone": [link("etc/localtime", "/usr/share/zoneinfo/Europe/Paris")]},
                {"timezone UTC": "/etc/localtime leads to /usr/share/zoneinfo/Europe/Paris, which is missing"},
            ),
        ],
    )  # fmt: skip
    def test_what_is_broken_is_told(self, changes: dict[str, Files], broken: dict[str, str]) -> None:
        findings = check_base(profile(), airbyte_facts(**changes))
        assert {one.check: one.found for one in findings if one.outcome == "failed"} == broken

    def test_without_its_user_nothing_is_passed_over(self) -> None:
        findings = check_base(profile(), airbyte_facts(users=[file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")]))
        failed = {one.check: one.found for one in findings if one.outcome == "failed"}
        assert failed.pop("user airbyte") == "/etc/passwd has no such user"
        assert failed.pop("env HOME") == "it is not set"
        assert set(failed.values()) == {"there is no user airbyte"}
        assert len(failed) == 8


class TestVersions:
    def test_python_and_pip(self) -> None:
        found = facts(python="3.11.9", pip="24.0")
        assert outcomes(found, python="3.11.9", pip="24.0") == {"python 3.11.9": "", "pip 24.0": ""}
        assert outcomes(found, python="3.11.2", pip="25.3") == {
            "python 3.11.2": "it has 3.11.9",
            "pip 25.3": "it has 24.0",
        }
        assert check(facts(python="3.11.9"), pip="24.0").found == "it has none"


class TestUsers:
    user = ExpectedUser(name="airbyte", uid=1000, gid=1000)

    def test_ids(self) -> None:
        found = facts([file("etc/passwd", b"airbyte:x:1001:1002::/:\n")])
        assert check(found, user=self.user).found == "its uid is 1001, not 1000, its gid is 1002, not 1000"
        assert check(found, user=ExpectedUser(name="airbyte")).outcome == "passed"
        assert check(found, user=ExpectedUser(name="airbyte", uid=1001)).outcome == "passed"

    def test_root_is_known_by_its_zeros(self) -> None:
        found = facts([file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")])
        assert check(found, user=ExpectedUser(name="root", uid=0, gid=0)).outcome == "passed"
        assert check(found, user=ExpectedUser(name="root", uid=1, gid=0)).outcome == "failed"

    @pytest.mark.parametrize(
        ("files", "found"),
        [
            ([], "/etc/passwd is missing, empty or no file"),
            ([file("etc/passwd")], "/etc/passwd is missing, empty or no file"),
            ([folder("etc/passwd")], "/etc/passwd is missing, empty or no file"),
            ([link("etc/passwd", "nowhere")], "/etc/passwd is missing, empty or no file"),
            ([link("etc/passwd", "passwd")], "/etc/passwd is missing, empty or no file"),
            ([file("etc/passwd", b"\xff\x00\xfe" * 99)], "/etc/passwd has no such user"),
            ([file("etc/passwd", b"airbyte:x:1000\n")], "/etc/passwd has no such user"),
            ([file("etc/passwd", b"airbyte:x:one:1000::/:\n")], "/etc/passwd has no such user"),
            ([file("etc/passwd", "airbyte:x:²:1000::/:\n".encode())], "/etc/passwd has no such user"),
            ([file("etc/passwd", b"airbyte:x:-1:1000::/:\n")], "/etc/passwd has no such user"),
            ([file("etc/passwd", b"#airbyte:x:1000:1000::/:\n")], "/etc/passwd has no such user"),
        ],
    )
    def test_a_broken_passwd(self, files: Files, found: str) -> None:
        finding = check(facts(files), user=self.user)
        assert (finding.outcome, finding.found) == ("failed", found)

    def test_whom_paths_are_checked_for(self) -> None:
        files = [
            file("etc/passwd", PASSWD),
            file("etc/group", b"shared:x:50:airbyte\n"),
            folder("d", mode=0o770, gid=50),
        ]
        assert check(facts(files, user="airbyte"), writable=("/d",)).outcome == "passed"
        assert check(facts(files), writable=("/d",), run_as="airbyte").outcome == "passed"
        assert check(facts(files), writable=("/d",), run_as="7:50").outcome == "passed"
        assert check(facts(files), writable=("/d",), run_as="7").outcome == "failed"
        assert check(facts(files), writable=("/d",), run_as="7:shared").outcome == "passed"
        assert check(facts(files), writable=("/d",), run_as="7:nobody").found == "there is no user 7:nobody"
        # A group that is named takes the place of the user's others.
        assert check(facts(files), writable=("/d",), run_as="airbyte:9").outcome == "failed"
        assert check(facts(files), not_writable=("/d",)).found.endswith("root may write to everything")


class TestConfig:
    def test_env(self) -> None:
        found = facts(env={"A": "1=2", "EMPTY": ""})
        assert outcomes(found, env={"A": "1=2", "EMPTY": "", "B": ""}) == {
            "env A": "",
            "env EMPTY": "",
            "env B": "it is not set",
        }
        assert outcomes(found, env={"A": "1"}) == {"env A": "it is '1=2', not '1'"}
        assert outcomes(found, env_present=("A", "EMPTY", "B")) == {
            "env A": "",
            "env EMPTY": "",
            "env B": "it is not set",
        }
        assert outcomes(found, env={"A": "1"}, env_present=("A",)) == {"env A": "it is '1=2', not '1'"}

    def test_labels_and_entrypoint(self) -> None:
        found = facts(labels={"io.airbyte.name": "airbyte/x"}, entrypoint=("python", "main.py"))
        assert outcomes(found, labels={"io.airbyte.name": "airbyte/x", "b": "1"}, entrypoint=("python", "main.py")) == {
            "label io.airbyte.name": "",
            "label b": "it is not there",
            "entrypoint": "",
        }
        assert check(found, labels={"io.airbyte.name": "y"}).found == "it is 'airbyte/x', not 'y'"
        assert check(found, entrypoint=()).found == "it is 'python main.py'"
        assert check(facts(), entrypoint=("x",)).found == "it has none"
        assert check(facts(), entrypoint=()).outcome == "passed"

    def test_the_entrypoint_of_a_connector_is_its_own(self) -> None:
        assert check_image(Expectations(where="x", entrypoint=("bash",)), facts(entrypoint=("python",))) == ()

    def test_without_files_only_the_config_is_asked(self) -> None:
        expectations = Expectations(
            where="x",
            timezone="UTC",
            user=ExpectedUser(name="airbyte"),
            readable=("/airbyte",),
            env={"LANG": "C"},
            env_present=("HOME",),
            commands={"bash": "*"},
            os_packages={"bash": "*"},
        )
        assert [one.check for one in check_image(expectations, Facts(env={"LANG": "C"}))] == ["env LANG"]


class TestCommands:
    def test_the_first_on_path_that_may_be_executed(self) -> None:
        files = [file("usr/local/bin/x"), program("usr/bin/x", b""), folder("bin/y"), link("bin/z", "../usr/bin/x")]
        found = facts(files)
        assert check(found, commands={"x": "*"}).found == "/usr/bin/x"
        assert check(found, commands={"z": "*"}).found == "/bin/z"
        assert check(found, commands={"y": "*"}).found == "/bin/y is no file"
        assert check(facts(files, {"PATH": "bin:./usr/bin:"}), commands={"x": "*"}).found == "is in none of "
        assert check(facts(files, {}), commands={"x": "*"}).outcome == "passed"

    def test_what_the_user_may_not_execute_is_not_there(self) -> None:
        files = [folder("root", mode=0o700), program("root/x", b""), file("bin/w", mode=0o750)]
        found = facts(files, {"PATH": "/root:/bin"})
        assert check(found, commands={"x": "*"}, run_as="1000").found == (
            "/root belongs to 0:0 with mode 0700: 1000:0 may not enter it"
        )
        assert check(found, commands={"w": "*"}, run_as="1000:0").outcome == "passed"
        assert check(found, commands={"w": "*"}, run_as="1000:7").outcome == "failed"
