"""`reprobuild doctor`: what works on a machine that is well, and on one that is not."""

import json
import stat
from pathlib import Path
from typing import Any

from tests.cli.conftest import Command
from tests.cli.project import SPECIFICATION, Done, Project
from tests.servers import Exchange, RunningRegistry, serve


def _checks(done: Done, name: str) -> list[dict[str, Any]]:
    return [check for check in done.json["checks"] if check["name"] == name]


def test_a_machine_that_is_well(built: Project) -> None:
    done = built.run("doctor")
    assert done.code == 0
    marks = {line.split()[1]: line.split()[0] for line in done.out.splitlines() if not line.startswith(" ")}
    assert {name: marks[name] for name in ("python", "uv", "store", "libraries", "workspace", "locks", "base")} == {
        "python": "ok",
        "uv": "ok",
        "store": "ok",
        "libraries": "ok",
        "workspace": "ok",
        "locks": "ok",
        "base": "ok",
    }
    assert "zstd 1." in done.out


def test_what_runs_programs(command: Command) -> None:
    (check,) = _checks(command("doctor", "--json"), "sandbox")
    assert check["mark"] == "ok"
    assert "runc" in check["message"]


def test_without_a_runtime_most_builds_work(command: Command) -> None:
    done = command("doctor", "--json", REPROBUILD_RUNTIME="runx")
    (check,) = _checks(done, "sandbox")
    assert (done.code, check["mark"]) == (0, "warn")
    assert check["hint"] == "name runc or crun, or unset it"


def test_json_names_every_check(built: Project) -> None:
    value = built.run("doctor", "--json").json
    assert value["schema"] == 1
    assert all(set(check) == {"name", "mark", "message", "hint"} for check in value["checks"])
    assert {check["mark"] for check in value["checks"]} <= {"ok", "warn", "fail"}


def test_without_a_workspace_the_machine_is_told(command: Command) -> None:
    done = command("doctor")
    assert done.code == 0
    assert "warn  workspace" in done.out


def test_secrets_stay_where_they_are(command: Command, tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    config = {"auths": {"ghcr.io": {"auth": "aHVzaDpodXNo"}}, "credHelpers": {"quay.io": "not-there"}}
    (tmp_path / "docker" / "config.json").write_text(json.dumps(config))
    done = command(
        "doctor",
        "--json",
        UV_DEFAULT_INDEX="https://user:hush@index.example/simple",
        HTTPS_PROXY="http://user:hush@proxy.example",
        DOCKER_CONFIG=str(tmp_path / "docker"),
    )
    assert "UV_DEFAULT_INDEX" in _checks(done, "indexes")[0]["message"]
    assert "HTTPS_PROXY" in _checks(done, "network")[0]["message"]
    file, helper = _checks(done, "credentials")
    assert file["message"].endswith("ghcr.io, quay.io")
    assert (helper["mark"], helper["message"]) == ("warn", "docker-credential-not-there is not on PATH")
    assert "hush" not in done.out + done.err
    assert "aHVz" not in done.out + done.err


def test_a_damaged_docker_configuration_fails(command: Command, tmp_path: Path) -> None:
    (tmp_path / "home" / ".docker").mkdir()
    (tmp_path / "home" / ".docker" / "config.json").write_text("{")
    done = command("doctor", "--json")
    assert done.code == 1
    (check,) = _checks(done, "credentials")
    assert check["mark"] == "fail"
    assert check["hint"]


def test_a_credential_helper_is_found(command: Command, tmp_path: Path) -> None:
    helper = tmp_path / "bin" / "docker-credential-mine"
    helper.parent.mkdir()
    helper.write_text("#!/bin/sh\nexit 1\n")
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "home" / ".docker").mkdir()
    (tmp_path / "home" / ".docker" / "config.json").write_text('{"credsStore": "mine"}')
    done = command("doctor", "--json", PATH=f"{helper.parent}:/usr/bin:/bin")
    assert _checks(done, "credentials")[1]["message"] == str(helper)


def test_what_pip_alone_is_told_is_warned_of(command: Command) -> None:
    done = command("doctor", "--json", PIP_INDEX_URL="https://user:hush@index.example/simple")
    assert [check["mark"] for check in _checks(done, "indexes")] == ["ok", "warn"]
    assert "hush" not in done.out


def test_files_that_configure_uv_are_named(fresh: Project) -> None:
    (fresh.root / "uv.toml").write_text("")
    (Path(fresh.environ["HOME"]) / ".netrc").write_text("machine example password hush")
    message = _checks(fresh.run("doctor", "--json"), "indexes")[0]["message"]
    assert str(fresh.root / "uv.toml") in message
    assert ".netrc" in message


def test_a_store_that_cannot_be_written_fails(command: Command, tmp_path: Path) -> None:
    done = command("doctor", "--json", REPROBUILD_STORE="/proc/store")
    assert done.code == 1
    (check,) = _checks(done, "store")
    assert (check["mark"], "REPROBUILD_STORE" in check["hint"]) == ("fail", True)


def test_stale_locks_fail_with_their_reasons(locked: Project) -> None:
    locked.specify(SPECIFICATION.replace('["alpha"]', '["alpha<1.1"]'))
    done = locked.run("doctor")
    assert done.code == 1
    assert "fail  locks         source-one: the requirement alpha was changed to alpha<1.1" in done.out


def test_a_base_that_is_gone_is_needed_until_it_is_in_the_store(locked: Project) -> None:
    (locked.root / "base").rename(locked.root / "elsewhere")
    done = locked.run("doctor", "--json")
    assert (done.code, _checks(done, "base")[0]["mark"]) == (1, "fail")
    (locked.root / "elsewhere").rename(locked.root / "base")
    assert locked.run("fetch").code == 0
    (locked.root / "base").rename(locked.root / "elsewhere")
    done = locked.run("doctor", "--json")
    assert (done.code, _checks(done, "base")[0]["mark"]) == (0, "warn")


def test_a_registry_is_asked_once_and_its_answer_told(fresh: Project, registry: RunningRegistry) -> None:
    fresh.specify(SPECIFICATION.replace("oci:base:python-3.11", f"{registry.host}/python:3.11"))
    (check,) = _checks(fresh.run("doctor", "--json"), "base")
    assert check["mark"] == "ok"
    assert check["message"] == f"python-3.11: {registry.host} answered 200 to anonymous access"


def test_a_registry_that_wants_to_know_who_we_are(
    fresh: Project, registry_basic: RunningRegistry, tmp_path: Path
) -> None:
    fresh.specify(SPECIFICATION.replace("oci:base:python-3.11", f"{registry_basic.host}/python:3.11"))
    (check,) = _checks(fresh.run("doctor", "--json"), "base")
    assert check["mark"] == "fail"
    assert "answered 401 to anonymous access" in check["message"]
    assert check["hint"] == f"run `docker login {registry_basic.host}`"
    (check,) = _checks(fresh.run("doctor", "--json", **registry_basic.login(tmp_path / "login")), "base")
    assert check["mark"] == "ok"


def test_a_registry_that_is_gone(fresh: Project) -> None:
    fresh.specify(SPECIFICATION.replace("oci:base:python-3.11", "127.0.0.1:1/python:3.11"))
    (check,) = _checks(fresh.run("doctor", "--json"), "base")
    assert check["mark"] == "fail"
    assert check["hint"]


def _said(done: Done) -> dict[str, tuple[str, str]]:
    return {check["name"]: (check["mark"], check["message"]) for check in done.json["checks"]}


def test_a_registry_is_told_with_all_that_was_tried(
    command: Command, registry_token: RunningRegistry, tmp_path: Path
) -> None:
    host = registry_token.host
    login = registry_token.login(tmp_path / "login")
    done = command("doctor", f"{host}/private/doctor", "--json", **login)
    said = _said(done)
    assert (done.code, [mark for mark, _ in said.values()]) == (0, ["ok"] * 5)
    assert said["credentials"][1] == f"{host}: a password of 'fred', from {tmp_path}/login/config.json"
    assert f"GET http://{host}/v2/: 401; GET http://" in said["registry"][1]
    assert said["registry"][1].endswith("/v2/: 200 (the credentials of 'fred', with a token)")
    assert f"POST http://{host}/v2/private/doctor/blobs/uploads/: 202; DELETE " in said["write"][1]
    assert registry_token.password not in done.out
    # What was begun there is gone.
    assert registry_token.asked("DELETE", "/private/doctor/blobs/uploads/")


def test_a_registry_where_we_may_read_and_not_write(command: Command, registry_token: RunningRegistry) -> None:
    done = command("doctor", f"{registry_token.host}/public/doctor", "--json")
    said = _said(done)
    assert done.code == 1
    assert "none, so we are anonymous; looked in" in said["credentials"][1]
    assert said["read"][0] == "ok"
    assert said["write"][0] == "fail"


def test_several_registries(command: Command, registry: RunningRegistry, registry_basic: RunningRegistry) -> None:
    done = command("doctor", registry.host, registry_basic.host)
    assert done.code == 1
    assert f"ok    registry      {registry.host}: GET http://{registry.host}/v2/: 200 (anonymous access)" in done.out
    assert f"fail  registry      {registry_basic.host}: GET" in done.out
    assert f"hint: check the name; run `docker login {registry_basic.host}`" in done.out


def test_a_registry_that_is_not_there(command: Command) -> None:
    done = command("doctor", "127.0.0.1:1")
    assert done.code == 1
    assert "ConnectError" in done.out


def test_credentials_that_cannot_be_read_end_it(command: Command, registry: RunningRegistry) -> None:
    done = command("doctor", registry.host, "--json", DOCKER_AUTH_CONFIG='{"auths": "hush"}')
    assert (done.code, _said(done)["credentials"][0]) == (1, "fail")
    assert "hush" not in done.out


def test_a_registry_that_wants_tls_where_plain_http_is_spoken(command: Command) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.send(400, b"Client sent an HTTP request to an HTTPS server.")

    with serve(answer) as server:
        done = command("doctor", f"{server.host}/x")
        assert done.code == 1
        assert f"hint: if it wants TLS, set ca-file of registry '{server.host}'" in done.out
        done = command("pull", f"{server.host}/x:1", "oci:there")
        assert (done.code, "if it wants TLS, set ca-file of registry" in done.err) == (3, True)


def test_a_ca_file_that_is_none_is_told_of_its_registry_alone(fresh: Project, registry: RunningRegistry) -> None:
    fresh.specify(SPECIFICATION + '\n[tool.reprobuild.registry."localhost:1"]\nca-file = "missing.pem"\n')
    done = fresh.run("doctor", "localhost:1", registry.host, "--json")
    marks = [(check["name"], check["mark"]) for check in done.json["checks"]]
    assert done.code == 1
    assert marks.count(("registry", "fail")) == marks.count(("registry", "ok")) == 1


def test_what_is_no_registry(command: Command) -> None:
    assert "not a registry: 'python'" in command("doctor", "python").err


def test_settings_of_a_registry_are_told(fresh: Project, registry: RunningRegistry) -> None:
    table = f'\n[tool.reprobuild.registry."{registry.host}"]\nmirrors = ["mirror.example/hub"]\ninsecure = true\n'
    fresh.specify(SPECIFICATION + table)
    said = _said(fresh.run("doctor", registry.host, "--json"))
    assert said["settings"][1] == f"{registry.host}: mirrors mirror.example/hub; insecure"
