"""Versions that commands tell of themselves, asked through an executor."""

import pytest

from reprobuild.canonical import digest_of
from reprobuild.contract.finding import Finding
from reprobuild.contract.probe import Probe, probe, probes
from reprobuild.engines.execution import ExecutionError
from reprobuild.errors import MachineError
from reprobuild.image.index import RootLayer
from reprobuild.oci.types import LAYER_GZIP, Descriptor
from reprobuild.workspace.expect import Expectations
from tests.contract.bases import PASSWD, Programs, facts
from tests.images import ARM64
from tests.resolver.base_images import file, folder, program

pytestmark = pytest.mark.anyio

LAYERS = (
    RootLayer(
        descriptor=Descriptor(media_type=LAYER_GZIP, digest=digest_of(b"layer"), size=1), diff_id=digest_of(b"plain")
    ),
)


def asked(commands: dict[str, str], **more: str) -> tuple[Probe, ...]:
    files = [
        file("etc/passwd", PASSWD),
        folder("home/airbyte", uid=1000),
        program("bin/bash", b""),
        program("usr/bin/socat", b""),
    ]
    expectations = Expectations(where="x", commands=commands, **more)  # type: ignore[arg-type]
    return probes(expectations, facts(files, {"PATH": "/usr/bin:/bin"}), LAYERS, ARM64, what="base x")


async def found(command: str, wanted: str, output: str | Exception) -> Finding:
    (finding,) = await probe(asked({command: wanted}), Programs({"/bin/bash": output, "/usr/bin/socat": output}))
    return finding


async def test_how_commands_are_asked() -> None:
    programs = Programs({"/bin/bash": "GNU bash, version 5.2.15(1)-release"})
    (finding,) = await probe(asked({"bash": "5.2.*", "socat": "*", "gone": "1.0"}, run_as="airbyte"), programs)
    assert finding == Finding(check="command bash 5.2.*", outcome="passed", found="/bin/bash is 5.2.15")
    (execution,) = programs.ran
    assert execution.argv == ("/bin/bash", "--version")
    assert execution.env == {"PATH": "/usr/bin:/bin", "HOME": "/home/airbyte"}
    assert (execution.uid, execution.gid, execution.cwd) == (1000, 1000, "/")
    assert (execution.platform, execution.layers, execution.network) == (ARM64, LAYERS, False)
    assert execution.what == "base x: bash --version"


async def test_nobody_to_ask_as() -> None:
    assert asked({"bash": "5.2.*"}, run_as="nobody") == ()


@pytest.mark.parametrize(
    ("output", "outcome", "told"),
    [
        ("GNU bash, version 5.1.4(1)-release", "failed", "/bin/bash is 5.1.4"),
        ("bash", "failed", "/bin/bash --version tells no version"),
        ("", "failed", "/bin/bash --version tells no version"),
        (MachineError("no binfmt", hint="install it"), "unchecked", "no binfmt; install it"),
        (
            ExecutionError("failed", where="x", hint=None, output="usage:\nbash: no such option\n", code=2),
            "failed",
            "/bin/bash --version ended with exit code 2: bash: no such option",
        ),
        (
            ExecutionError("hangs", where="x", hint=None, output="", code=None),
            "failed",
            "/bin/bash --version did not end in 60 s",
        ),
    ],
)
async def test_what_comes_back(output: str | Exception, outcome: str, told: str) -> None:
    finding = await found("bash", "5.2.*", output)
    assert (finding.outcome, finding.found) == (outcome, told)


async def test_without_an_executor_nothing_counts_as_passed() -> None:
    findings = await probe(asked({"bash": "5.2.*", "socat": "1.7.*"}), None)
    assert [one.outcome for one in findings] == ["unchecked", "unchecked"]
