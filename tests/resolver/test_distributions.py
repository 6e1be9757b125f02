"""Resolution through uv, against an index on loopback, for two platforms."""

import os
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from reprobuild.canonical import digest_of
from reprobuild.errors import AuthenticationError, ContentError, LockError, MachineError, NetworkError
from reprobuild.resolver.agreement import Choice
from reprobuild.resolver.distributions import Wanted, resolve
from tests.resolver.loopback_index import LoopbackIndex
from tests.resolver.worlds import AMD64, ARM64, TARGETS, target

pytestmark = pytest.mark.anyio

X86 = "cp311-cp311-manylinux_2_17_x86_64"
ARM = "cp311-cp311-manylinux_2_17_aarch64"


def wanted(*requirements: str, **more: Any) -> Wanted:
    return Wanted(name="source-a", requirements=requirements, **({"targets": TARGETS} | more))


def versions(choices: Sequence[Choice]) -> dict[str, str]:
    return {choice.name: choice.version for choice in choices}


async def test_newest_versions_with_one_wheel_for_each_platform(index: LoopbackIndex, root: Path) -> None:
    index.wheel("alpha", "1.0")
    index.wheel("alpha", "2.0", requires=["Beta"])
    for tag in (X86, ARM, "py3-none-any", "cp312-cp312-manylinux_2_17_x86_64", "cp311-cp311-win_amd64"):
        index.wheel("beta", "1.0", tag=tag)
    alpha, beta = await resolve(wanted("alpha"), root)
    assert (alpha.name, alpha.version, alpha.marker) == ("alpha", "2.0", None)
    assert [offer.file for offer in beta.offers] == [f"beta-1.0-{ARM}.whl", f"beta-1.0-{X86}.whl"]
    file = beta.offers[0].file
    assert (beta.offers[0].size, beta.offers[0].digest) == (len(index.files[file]), digest_of(index.files[file]))


async def test_platforms_agree_on_the_newest_version_that_serves_both(index: LoopbackIndex, root: Path) -> None:
    for tag in (X86, ARM):
        index.wheel("alpha", "1.0", tag=tag, requires=["beta<2"])
    index.wheel("alpha", "2.0", tag=X86, requires=["beta"])
    for version in ("1.0", "2.0"):
        index.wheel("beta", version)
    assert versions(await resolve(wanted("alpha"), root)) == {"alpha": "1.0", "beta": "1.0"}


async def test_platforms_that_cannot_agree_are_an_error_with_both_versions(index: LoopbackIndex, root: Path) -> None:
    index.wheel("alpha", "1.0")
    index.wheel("alpha", "2.0")
    arm = "platform_machine == 'aarch64'"
    with pytest.raises(LockError, match=r"alpha: 2\.0 for linux/amd64, 1\.0 for linux/arm64") as caught:
        await resolve(wanted(f"alpha<2 ; {arm}", f"alpha>=2 ; not {arm}".replace("not ", "").replace("==", "!=")), root)
    assert "alpha==1.0" in str(caught.value.hint)


async def test_what_one_platform_needs_has_its_marker(index: LoopbackIndex, root: Path) -> None:
    index.wheel("alpha", "1.0", requires=["beta ; platform_machine == 'aarch64'", "gamma ; sys_platform == 'win32'"])
    index.wheel("beta", "1.0")
    _, beta = await resolve(wanted("alpha"), root)
    assert beta.marker == target(ARM64).marker


async def test_seeds_stay_where_they_fit(index: LoopbackIndex, root: Path) -> None:
    for version in ("1.0", "1.1", "2.0"):
        index.wheel("alpha", version, requires=["beta"])
        index.wheel("beta", version)
    seeds = {"alpha": "1.0", "beta": "1.1"}
    assert versions(await resolve(wanted("alpha", seeds=seeds), root)) == seeds
    moved = await resolve(wanted("alpha>1.0", seeds=seeds), root)
    assert versions(moved) == {"alpha": "2.0", "beta": "1.1"}


async def test_better_wheels_of_a_kept_version_are_left_alone(index: LoopbackIndex, root: Path) -> None:
    old = index.wheel("alpha", "1.0")
    index.wheel("alpha", "1.0", tag=X86)
    kept = {old: digest_of(index.files[old])}
    (choice,) = await resolve(wanted("alpha", kept=kept), root)
    assert [offer.file for offer in choice.offers] == [old]
    with pytest.raises(ContentError, match="the lock as") as caught:
        await resolve(wanted("alpha", kept={old: digest_of(b"")}), root)
    assert caught.value.where == old


async def test_pins_hold_and_say_whose_they_are(index: LoopbackIndex, root: Path) -> None:
    for version in ("1.0", "2.0"):
        index.wheel("alpha", version)
    pinned = {"pins": {"alpha": "1.0"}, "pinned_by": "connectors/a/poetry.lock"}
    assert versions(await resolve(wanted("alpha", **pinned), root)) == {"alpha": "1.0"}
    with pytest.raises(LockError, match=r"pinned in connectors/a/poetry\.lock") as caught:
        await resolve(wanted("alpha>1", **pinned), root)
    assert "connectors/a/poetry.lock" in str(caught.value.hint)


async def test_a_distribution_with_sdists_only_is_named(index: LoopbackIndex, root: Path) -> None:
    index.sdist("pendulum", "2.1.2")
    index.wheel("alpha", "1.0", requires=["pendulum==2.1.2"])
    with pytest.raises(LockError, match=r"^source-a: pendulum 2\.1\.2 has no wheel for .* only source dist") as caught:
        await resolve(wanted("alpha"), root)
    assert "pin a version of pendulum that has wheels" in str(caught.value.hint)


@pytest.mark.parametrize("sdist", [False, True])
async def test_a_wheel_missing_for_one_platform_is_named(index: LoopbackIndex, root: Path, sdist: bool) -> None:
    index.wheel("alpha", "2.0", tag=X86)
    if sdist:
        index.sdist("alpha", "2.0")
    with pytest.raises(LockError, match=r"alpha .* has no wheel for linux/arm64; .*2\.0 for linux/amd64") as caught:
        await resolve(wanted("alpha"), root)
    assert "leave linux/arm64 out" in str(caught.value.hint)


async def test_a_wheel_for_a_newer_c_library_is_none(index: LoopbackIndex, root: Path) -> None:
    index.wheel("alpha", "1.0", tag="cp311-cp311-manylinux_2_39_x86_64")
    with pytest.raises(LockError, match=r"alpha 1\.0 has no wheel with a platform tag for linux/amd64"):
        await resolve(wanted("alpha", targets=(target(AMD64),)), root)


async def test_unsatisfiable_requirements_are_explained(index: LoopbackIndex, root: Path) -> None:
    index.wheel("alpha", "1.0", requires=["beta<2"])
    index.wheel("beta", "1.0")
    index.wheel("beta", "2.0")
    with pytest.raises(LockError, match="cannot be satisfied") as caught:
        await resolve(wanted("alpha", "beta>=2"), root)
    assert "alpha depend on beta<2" in caught.value.message
    assert len(caught.value.message.splitlines()) <= 13


async def test_a_python_that_is_too_old_is_explained(index: LoopbackIndex, root: Path) -> None:
    index.wheel("alpha", "1.0", python=">=3.12")
    with pytest.raises(LockError, match=r"requires Python >=3\.12"):
        await resolve(wanted("alpha"), root)


async def test_the_base_python_counts_to_its_last_digit(index: LoopbackIndex, root: Path) -> None:
    index.wheel("alpha", "1.0", python=">=3.11")
    index.wheel("alpha", "2.0", python=">=3.11.4")
    assert versions(await resolve(wanted("alpha"), root)) == {"alpha": "1.0"}


async def test_direct_references_are_refused(index: LoopbackIndex, root: Path) -> None:
    file = index.wheel("alpha", "1.0")
    with pytest.raises(LockError, match="alpha does not come from an index"):
        await resolve(wanted(f"alpha @ {index.url}/files/{file}"), root)


async def test_an_index_that_refuses_us(index: LoopbackIndex, root: Path) -> None:
    index.password = "secret"
    with pytest.raises(AuthenticationError, match="refused us"):
        await resolve(wanted("alpha"), root)


async def test_an_index_that_fails(index: LoopbackIndex, root: Path) -> None:
    index.pages["alpha"] = lambda handler, _: handler.answer(500, b"")  # type: ignore[attr-defined]
    with pytest.raises(NetworkError, match="did not answer"):
        await resolve(wanted("alpha"), root)


async def test_an_index_that_is_away(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(NetworkError):
        await resolve(wanted("alpha"), root)


async def test_cancelling_ends_uv(index: LoopbackIndex, root: Path) -> None:
    asked, enough = threading.Event(), threading.Event()

    def wait(handler: BaseHTTPRequestHandler, _: bytes) -> bool:
        asked.set()
        enough.wait(30)
        handler.close_connection = True
        return True

    index.pages["alpha"] = wait
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(resolve, wanted("alpha"), root)
            await anyio.to_thread.run_sync(asked.wait, 30)
            assert uv_children()
            group.cancel_scope.cancel()
        assert uv_children() == []
    finally:
        enough.set()


def uv_children() -> list[int]:
    """Return the ids of the uv processes that this process has started and that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, rest = stat.read_text().split(" (", 1)
        except OSError:
            continue
        name, _, fields = rest.rpartition(") ")
        state, parent = fields.split()[:2]
        if name == "uv" and int(parent) == os.getpid() and state != "Z":
            found.append(int(number))
    return found


async def test_the_configuration_of_the_workspace_holds(
    index: LoopbackIndex, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.wheel("alpha", "1.0")
    index.wheel("alpha", "2.0")
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    index_table = f'[[tool.uv.index]]\nurl = "{index.url}/simple"\ndefault = true\n'
    (root / "pyproject.toml").write_text('[tool.uv]\nconstraint-dependencies = ["alpha<2"]\n' + index_table)
    assert versions(await resolve(wanted("alpha"), root)) == {"alpha": "1.0"}


async def test_a_configuration_that_hides_packages_is_refused(index: LoopbackIndex, root: Path) -> None:
    index.wheel("alpha", "1.0")
    (root / "pyproject.toml").write_text('[tool.uv.pip]\nno-emit-package = ["alpha"]\n')
    with pytest.raises(LockError, match="resolved 1 packages but told of 0"):
        await resolve(wanted("alpha"), root)


async def test_constraints_of_the_environment_hold_next_to_pins(
    index: LoopbackIndex, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("alpha", "beta"):
        index.wheel(name, "1.0")
        index.wheel(name, "2.0")
    (root / "limits.txt").write_text("beta<2\n")
    monkeypatch.setenv("UV_CONSTRAINT", str(root / "limits.txt"))
    found = versions(await resolve(wanted("alpha", "beta", pins={"alpha": "1.0"}, pinned_by="x"), root))
    assert found == {"alpha": "1.0", "beta": "1.0"}


async def test_a_uv_that_cannot_run(index: LoopbackIndex, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import uv

    monkeypatch.setattr(uv, "find_uv_bin", lambda: str(root / "nothing"))
    with pytest.raises(MachineError, match="cannot be run") as caught:
        await resolve(wanted("alpha"), root)
    assert caught.value.hint


async def test_an_index_without_sizes_and_hashes(index: LoopbackIndex, root: Path) -> None:
    file = index.wheel("alpha", "1.0")
    index.sizes = False
    index.announced[file] = {"hashes": {}}
    (choice,) = await resolve(wanted("alpha"), root)
    assert (choice.offers[0].size, choice.offers[0].digest) == (None, digest_of(index.files[file]))


async def test_real_distributions_from_the_users_index(root: Path) -> None:
    found = {one.name: one for one in await resolve(wanted("charset-normalizer>=3.3", "httpx"), root)}
    assert {"anyio", "certifi", "charset-normalizer", "h11", "httpcore", "httpx", "idna"} <= found.keys()
    assert len(found["charset-normalizer"].offers) == 2
    assert all(offer.size and offer.digest for one in found.values() for offer in one.offers)
