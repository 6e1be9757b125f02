"""The hooks that real connectors have, each as a test connector: what they ask for, and what is refused."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from reprobuild.errors import SpecificationError
from reprobuild.hooks.container import Answer, Question
from reprobuild.hooks.customization import HookFunction, customize
from reprobuild.hooks.operations import CopyFile, Exec, NewFile, Operation, SetUser, SetVariable, Source

CONNECTORS = Path(__file__).parent / "connectors"
FUNCTIONS: tuple[HookFunction, ...] = ("pre_connector_install", "post_connector_install")

pytestmark = pytest.mark.anyio


def variables(**values: str) -> list[Operation]:
    return [SetVariable(name=name, value=value) for name, value in values.items()]


BUNDLE = "/airbyte/global-bundle.pem"
EXPECTED: Mapping[str, tuple[list[Operation], list[Operation]]] = {
    "source-chat": (
        [],
        variables(CODE_PATH="source_chat", AIRBYTE_IMPL_MODULE="source_chat", AIRBYTE_IMPL_PATH="SourceChat"),
    ),
    "destination-vectors": (
        [
            Exec(
                args=(
                    "sh",
                    "-c",
                    "apt-get update && apt-get install --yes --no-install-recommends build-essential gcc",
                )
            )
        ],
        [],
    ),
    "source-sheet": (
        [
            Exec(
                args=(
                    "sh",
                    "-c",
                    "curl --silent --show-error --fail https://example.com/reader/install.sh | sh -s -- --yes",
                ),
                use_entrypoint=True,
            )
        ],
        [],
    ),
    "destination-documents": (
        [],
        [
            Exec(args=("curl", "-fsSL", "https://example.com/truststore/global-bundle.pem", "-o", BUNDLE)),
            *variables(SSL_CERT_FILE=BUNDLE),
        ],
    ),
    "source-config": (
        [
            SetUser(name="root"),
            Exec(args=("mkdir", "-p", "/config")),
            Exec(args=("chown", "airbyte:airbyte", "/config")),
            SetUser(name="airbyte"),
        ],
        [],
    ),
    "source-sheet-locked": ([Exec(args=("sh", "/run/reprobuild/inputs/install.sh", "--yes"))], []),
    "destination-documents-locked": (
        [],
        [
            CopyFile(
                path=BUNDLE,
                source=Source(operations=(), path="/run/reprobuild/inputs/global-bundle.pem"),
                permissions=0o644,
                owner="0:0",
            ),
            *variables(SSL_CERT_FILE=BUNDLE),
        ],
    ),
}


class Asked:
    """Answers as the image of a connector would, and remembers what it was asked."""

    def __init__(self) -> None:
        self.questions: list[tuple[tuple[Operation, ...], Question]] = []

    async def __call__(self, operations: tuple[Operation, ...], question: Question) -> Answer:
        self.questions.append((operations, question))
        return "airbyte\n" if question.kind == "stdout" else None


async def run(name: str, function: HookFunction, asked: Asked, heard: list[str]) -> tuple[Operation, ...]:
    script = CONNECTORS / name / "build_customization.py"
    return await customize(script, function, asked, what=name, timeout=30, listener=heard.append)


@pytest.mark.parametrize("name", EXPECTED)
async def test_hooks_become_operations(name: str) -> None:
    for function, expected in zip(FUNCTIONS, EXPECTED[name], strict=True):
        assert await run(name, function, Asked(), []) == tuple(expected)


async def test_a_hook_that_waits_is_told_what_a_program_wrote() -> None:
    asked = Asked()
    await run("source-config", "pre_connector_install", asked, [])
    assert asked.questions == [((Exec(args=("whoami",)),), Question(kind="stdout"))]


async def test_a_script_that_does_not_stay_is_written_run_and_removed() -> None:
    written, executed, removed, installed = await run("source-bucket", "post_connector_install", Asked(), [])
    assert isinstance(written, NewFile)
    assert (written.path, written.permissions) == ("/tmp/fetch_corpora.py", 0o755)
    assert "urlretrieve" in written.contents
    assert executed == Exec(args=("python", written.path))
    assert removed == Exec(args=("rm", written.path))
    assert isinstance(installed, Exec)


async def test_the_proxies_of_this_machine_do_not_get_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://leak")
    heard: list[str] = []
    with pytest.raises(SpecificationError, match="asks the environment for HTTP_PROXY") as error:
        await run("source-proxied", "pre_connector_install", Asked(), heard)
    assert str(error.value.where).endswith("build_customization.py:13")
    assert "`env` in [tool.reprobuild]" in str(error.value.hint)
    assert heard == ["build_customization.py asked for HTTP_PROXY: hooks do not see the environment of this machine"]


async def test_a_login_is_to_be_declared_as_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", "leak")
    with pytest.raises(SpecificationError, match=r"does not support dag\.set_secret") as error:
        await run("source-netrc", "pre_connector_install", Asked(), [])
    assert str(error.value.where).endswith("build_customization.py:15")
    assert "[[tool.reprobuild.secret]]" in str(error.value.hint)


async def test_a_declared_secret_is_read_by_a_program() -> None:
    (step,) = await run("source-netrc-locked", "pre_connector_install", Asked(), [])
    assert isinstance(step, Exec)
    assert "/run/secrets/netrc" in step.args[-1]


def test_every_hook_has_a_test() -> None:
    with_hook = {path.parent.name for path in CONNECTORS.glob("*/build_customization.py")}
    assert with_hook == {*EXPECTED, "source-bucket", "source-proxied", "source-netrc", "source-netrc-locked"}
