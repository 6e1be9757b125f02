"""The registry client against the real Distribution registry: who may read what."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reprobuild.errors import AuthenticationError, ReprobuildError, SpecificationError
from reprobuild.oci.layout import write_layout
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.registry import Registry
from reprobuild.oci.source import read
from reprobuild.oci.types import Descriptor, Index, parse_index
from reprobuild.store import Store
from tests.images import add_image, add_index
from tests.servers import Exchange, RunningRegistry, TokenService, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def layout(tmp_path: Path, store: Store) -> Path:
    """An image layout with ``index``, for two platforms."""
    write_layout(tmp_path / "layout", entries=[(add_index(store), "index")], store=store)
    return tmp_path / "layout"


@pytest.fixture
def push(layout: Path, push_layout: Callable[..., None]) -> Callable[[RunningRegistry, str], None]:
    def push_(registry: RunningRegistry, name: str) -> None:
        push_layout(f"{layout}:index", f"{registry.host}/{name}", user=registry.user, password=registry.password)

    return push_


async def _resolve(text: str, environ: dict[str, str]) -> Descriptor:
    reference = parse_reference(text)
    assert isinstance(reference, RegistryReference)
    source = Registry(reference, environ=environ)
    try:
        return await source.resolve()
    finally:
        await source.close()


async def _index(source: Registry) -> Index:
    return parse_index(await read(source, await source.resolve()))


async def test_an_index_and_its_manifests(registry: RunningRegistry, push: Callable[..., None]) -> None:
    push(registry, "two:1")
    source = Registry(RegistryReference(host=registry.host, repository="two", tag="1"), environ={})
    index = await _index(source)
    assert [str(item.platform) for item in index.manifests] == ["linux/amd64", "linux/arm64"]
    assert all([len(await read(source, item)) == item.size for item in index.manifests])
    await source.close()


async def test_a_tag_that_moves(
    registry: RunningRegistry,
    push: Callable[..., None],
    layout: Path,
    store: Store,
    push_layout: Callable[..., None],
) -> None:
    push(registry, "moving:1")
    before = await _resolve(f"{registry.host}/moving:1", {})
    write_layout(layout, entries=[(add_image(store), "other")], store=store)
    push_layout(f"{layout}:other", f"{registry.host}/moving:1")
    after = await _resolve(f"{registry.host}/moving:1", {})
    assert after.digest != before.digest
    assert (await _resolve(f"{registry.host}/moving:1@{before.digest}", {})).digest == before.digest


async def _refused(reference: str, environ: dict[str, str]) -> str:
    with pytest.raises(AuthenticationError) as caught:
        await _resolve(reference, environ)
    host = reference.partition("/")[0]
    assert f"`docker login {host}`" in (caught.value.hint or "")
    return str(caught.value)


async def test_a_password_is_needed(registry_basic: RunningRegistry, push: Callable[..., None], tmp_path: Path) -> None:
    push(registry_basic, "private:1")
    reference = f"{registry_basic.host}/private:1"
    assert "anonymous" in await _refused(reference, {})
    wrong = RunningRegistry(host=registry_basic.host, user="fred", password="not-this")
    said = await _refused(reference, wrong.login(tmp_path / "wrong"))
    assert "'fred'" in said
    assert "not-this" not in said
    assert (await _resolve(reference, registry_basic.login(tmp_path / "right"))).size > 0


async def test_a_credential_helper_gives_the_password(
    registry_basic: RunningRegistry, push: Callable[..., None], tmp_path: Path
) -> None:
    push(registry_basic, "private:1")
    helper = tmp_path / "docker-credential-tests"
    answer = json.dumps({"Username": registry_basic.user, "Secret": registry_basic.password})
    helper.write_text(f"#!/bin/sh\necho '{answer}'\n")
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {registry_basic.host: "tests"}}))
    environ = {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert (await _resolve(f"{registry_basic.host}/private:1", environ)).size > 0


async def test_tokens_for_everybody_and_for_some(
    registry_token: RunningRegistry, push: Callable[..., None], tmp_path: Path
) -> None:
    push(registry_token, "public/image:1")
    push(registry_token, "private/image:1")
    assert (await _resolve(f"{registry_token.host}/public/image:1", {})).size > 0
    assert "anonymous access, with a token" in await _refused(f"{registry_token.host}/private/image:1", {})
    environ = registry_token.login(tmp_path / "docker")
    assert (await _resolve(f"{registry_token.host}/private/image:1", environ)).size > 0
    wrong = RunningRegistry(host=registry_token.host, user="fred", password="not-this")
    said = await _refused(f"{registry_token.host}/private/image:1", wrong.login(tmp_path / "wrong"))
    assert "answered 401" in said
    assert "not-this" not in said


async def test_one_token_serves_many_requests(
    registry_with_tokens: tuple[RunningRegistry, TokenService], push: Callable[..., None], tmp_path: Path
) -> None:
    registry, service = registry_with_tokens
    push(registry, "private/many:1")
    before = service.given
    reference = RegistryReference(host=registry.host, repository="private/many", tag="1")
    source = Registry(reference, environ=registry.login(tmp_path / "docker"))
    for item in (await _index(source)).manifests:
        await read(source, item)
    await source.close()
    assert service.given == before + 1


async def test_an_identity_token_is_exchanged(
    registry_token: RunningRegistry, push: Callable[..., None], tmp_path: Path
) -> None:
    push(registry_token, "private/image:1")
    entry = {"auth": "ZnJlZDo=", "identitytoken": TokenService.identity_token}
    (tmp_path / "config.json").write_text(json.dumps({"auths": {registry_token.host: entry}}))
    found = await _resolve(f"{registry_token.host}/private/image:1", {"DOCKER_CONFIG": str(tmp_path)})
    assert found.size > 0


async def test_an_image_that_is_not_there(registry: RunningRegistry) -> None:
    with pytest.raises(ReprobuildError, match="there is no such image") as caught:
        await _resolve(f"{registry.host}/nobody/has:this", {})
    assert caught.value.exit_code == 2
    assert caught.value.where == f"{registry.host}/nobody/has:this"


async def test_a_configuration_in_the_environment(registry_basic: RunningRegistry, push: Callable[..., None]) -> None:
    push(registry_basic, "private:1")
    auth = base64.b64encode(f"{registry_basic.user}:{registry_basic.password}".encode()).decode()
    environ = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {registry_basic.host: {"auth": auth}}})}
    assert (await _resolve(f"{registry_basic.host}/private:1", environ)).size > 0


async def test_a_registry_token_is_sent_without_asking_for_another() -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.headers.get("authorization") == "Bearer given":
            exchange.send(404)
        else:
            exchange.send(401, WWW_Authenticate='Bearer realm="http://127.0.0.1:1/token"')

    with serve(answer) as server:
        environ = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {server.host: {"registrytoken": "given"}}})}
        with pytest.raises(SpecificationError, match="there is no such image"):
            await _resolve(f"{server.host}/x:1", environ)
