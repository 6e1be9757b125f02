import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprobuild.errors import AuthenticationError
from reprobuild.oci.auth import Credential, config_path, find_credential

HOST = "registry.example:5000"
Write = Callable[[Any], dict[str, str]]


@pytest.fixture
def docker_config(tmp_path: Path) -> Write:
    """Write Docker's configuration; return an environment that leads to it, and to the helpers in ``bin``."""

    def write(config: object) -> dict[str, str]:
        text = config if isinstance(config, str) else json.dumps(config)
        (tmp_path / "config.json").write_text(text)
        return {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}

    return write


@pytest.fixture
def helper(tmp_path: Path) -> Callable[[str, str], None]:
    def write(name: str, script: str) -> None:
        (tmp_path / "bin").mkdir(exist_ok=True)
        program = tmp_path / "bin" / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return write


def _auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def test_anonymous_without_a_configuration(tmp_path: Path) -> None:
    assert find_credential(HOST, {}) is None
    assert find_credential(HOST, {"HOME": str(tmp_path)}) is None


def test_the_configuration_is_in_home_or_where_the_variable_says() -> None:
    assert config_path({"HOME": "/h"}) == Path("/h/.docker/config.json")
    assert config_path({"HOME": "/h", "DOCKER_CONFIG": "/c"}) == Path("/c/config.json")


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}", f"https://{HOST}/v1/", f"http://{HOST}/v2/"])
def test_auths(docker_config: Write, key: str) -> None:
    found = find_credential(HOST, docker_config({"auths": {key: _auth("fred:pass:word")}}))
    assert found == Credential(username="fred", password="pass:word")


def test_the_credentials_of_a_namespace_are_not_the_registrys(docker_config: Write) -> None:
    assert find_credential(HOST, docker_config({"auths": {f"{HOST}/team": _auth("a:b")}})) is None


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io"])
def test_docker_io_has_an_old_name(docker_config: Write, key: str) -> None:
    environ = docker_config({"auths": {key: _auth("fred:secret")}})
    assert find_credential("docker.io", environ) == Credential(username="fred", password="secret")


def test_identity_tokens_and_plain_entries(docker_config: Write) -> None:
    entry = _auth("fred:") | {"identitytoken": "tok"}
    found = find_credential(HOST, docker_config({"auths": {HOST: entry}}))
    assert found == Credential(username="fred", identity_token="tok")
    found = find_credential(HOST, docker_config({"auths": {HOST: {"username": "fred", "password": "p"}}}))
    assert found == Credential(username="fred", password="p")
    assert find_credential(HOST, docker_config({"auths": {HOST: {}}})) is None


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "[]",
        {"auths": ["secret"]},
        {"auths": {HOST: "secret"}},
        {"auths": {HOST: {"auth": ["secret"]}}},
        {"auths": {HOST: {"auth": "secret secret"}}},
        {"auths": {HOST: {"auth": base64.b64encode(b"secret").decode()}}},
        {"credsStore": "../secret"},
        {"credHelpers": {HOST: 5}},
    ],
)
def test_a_configuration_that_cannot_be_read_is_an_error_without_secrets(docker_config: Write, config: object) -> None:
    with pytest.raises(AuthenticationError) as caught:
        find_credential(HOST, docker_config(config))
    assert "secret" not in str(caught.value)
    assert "docker login" in (caught.value.hint or "")
    assert "config.json" in (caught.value.where or "")


def test_a_helper_for_the_host_is_asked_over_stdin(docker_config: Write, helper: Callable[[str, str], None]) -> None:
    helper("mine", """test "$1" = get && printf '{"Username":"fred","Secret":"%s"}' "$(cat)" """)
    environ = docker_config({"credHelpers": {HOST: "mine"}, "credsStore": "absent"})
    assert find_credential(HOST, environ) == Credential(username="fred", password=HOST)


def test_a_store_is_asked_for_docker_io_by_its_old_name(
    docker_config: Write, helper: Callable[[str, str], None]
) -> None:
    helper("all", """printf '{"Username":"<token>","Secret":"%s"}' "$(cat)" """)
    found = find_credential("docker.io", docker_config({"credsStore": "all"}))
    assert found == Credential(identity_token="https://index.docker.io/v1/")


def test_a_store_that_knows_nothing_leaves_auths(docker_config: Write, helper: Callable[[str, str], None]) -> None:
    helper("all", "echo credentials not found in native keychain; exit 1")
    environ = docker_config({"credsStore": "all", "auths": {HOST: _auth("a:b")}})
    assert find_credential(HOST, environ) == Credential(username="a", password="b")
    assert find_credential("other.example", environ) is None


def test_a_missing_helper_is_named(docker_config: Write) -> None:
    with pytest.raises(AuthenticationError, match=r"docker-credential-gone for .* is not on PATH") as caught:
        find_credential(HOST, docker_config({"credsStore": "gone"}))
    assert "'gone'" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo the keychain is locked; exit 1", "exit code 1, 'the keychain is locked'"),
        ("exit 3", "exit code 3"),
        ("echo secret", "not a JSON object"),
        ("""echo '{"Username":"secret"}'""", "lacks Username or Secret"),
    ],
)
def test_a_failing_helper_is_an_error(
    docker_config: Write, helper: Callable[[str, str], None], script: str, reason: str
) -> None:
    helper("bad", script)
    with pytest.raises(AuthenticationError, match=reason) as caught:
        find_credential(HOST, docker_config({"credsStore": "bad"}))
    assert "secret" not in str(caught.value)


def test_no_secret_in_a_repr() -> None:
    assert "secret" not in repr(Credential(username="fred", password="secret", identity_token="secret"))


def test_the_environment_holds_a_configuration(docker_config: Write) -> None:
    environ = docker_config({"auths": {HOST: _auth("file:secret"), "other.example": _auth("other:secret")}})
    environ["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {HOST: _auth("variable:secret")}})
    found = find_credential(HOST, environ)
    assert found is not None
    assert (found.username, found.place) == ("variable", "DOCKER_AUTH_CONFIG")
    other = find_credential("other.example", environ)
    assert other is not None
    assert other.username == "other"


def test_a_variable_that_cannot_be_read_is_an_error_without_secrets() -> None:
    with pytest.raises(AuthenticationError) as caught:
        find_credential(HOST, {"DOCKER_AUTH_CONFIG": '{"auths": {"secret'})
    assert caught.value.where == "DOCKER_AUTH_CONFIG"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "file"),
    [
        ("REGISTRY_AUTH_FILE", "auth.json"),
        ("XDG_RUNTIME_DIR", "containers/auth.json"),
        ("XDG_CONFIG_HOME", "containers/auth.json"),
        ("HOME", ".config/containers/auth.json"),
    ],
)
def test_what_podman_and_skopeo_have_logged_in_to(tmp_path: Path, variable: str, file: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": {HOST: _auth("fred:secret")}}))
    value = str(path if variable == "REGISTRY_AUTH_FILE" else tmp_path)
    environ = {"HOME": "/nowhere", variable: value}
    assert find_credential(HOST, environ) == Credential(username="fred", password="secret")


def test_a_namespace_of_its_own_comes_before_the_registry(docker_config: Write) -> None:
    keys = {HOST: "all", f"{HOST}/acme": "acme", f"{HOST}/acme/x/y": "deep"}
    environ = docker_config({"auths": {key: _auth(f"{name}:secret") for key, name in keys.items()}})
    expected = {"acme/x": "acme", "acme/x/y": "deep", "acme/x/yy": "acme", "acmee/x": "all", "": "all"}
    for repository, name in expected.items():
        found = find_credential(HOST, environ, repository)
        assert found is not None
        assert found.username == name


def test_a_registry_token_is_taken_as_it_is(docker_config: Write) -> None:
    found = find_credential(HOST, docker_config({"auths": {HOST: {"registrytoken": "secret"}}}))
    assert found == Credential(registry_token="secret")
    assert "secret" not in repr(found)
