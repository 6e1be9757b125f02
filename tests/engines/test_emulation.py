"""Programs of other platforms: emulators as the kernel knows them, and a program that runs under one."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprobuild.engines.embedded import EmbeddedExecutor
from reprobuild.engines.emulation import check_platform, emulates
from reprobuild.engines.execution import Execution
from reprobuild.errors import MachineError
from reprobuild.image.index import RootLayer
from reprobuild.oci.types import Descriptor, Platform
from reprobuild.store import Store

BASE = Path(__file__).parent.parent.parent / "build" / "base"
REGISTER = Path("/proc/sys/fs/binfmt_misc/register")
ENTRY = """enabled
interpreter /usr/bin/qemu-aarch64-static
flags: {flags}
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""


def registered(folder: Path, *, flags: str = "OCF", status: str = "enabled") -> Path:
    (folder / "status").write_text(f"{status}\n")
    (folder / "register").write_text("")
    (folder / "anything").write_text(ENTRY.format(flags=flags))
    (folder / "python").write_text("enabled\ninterpreter /x\nflags: \noffset 0\nmagic cb0d0d0a\n")
    return folder


def test_an_emulator_that_is_registered(tmp_path: Path) -> None:
    assert emulates("arm64", registered(tmp_path))
    assert not emulates("riscv64", tmp_path)
    assert not emulates("nonsense", tmp_path)


@pytest.mark.parametrize("rest", [{"flags": ""}, {"status": "disabled"}], ids=str)
def test_an_emulator_that_a_sandbox_does_not_have(rest: dict[str, str], tmp_path: Path) -> None:
    assert not emulates("arm64", registered(tmp_path, **rest))


def test_nothing_is_registered(tmp_path: Path) -> None:
    assert not emulates("arm64", tmp_path / "nowhere")


def test_other_systems() -> None:
    with pytest.raises(MachineError, match="programs for windows/amd64 cannot be run"):
        check_platform(Platform(os="windows", architecture="amd64"), where="test")


@pytest.fixture
def aarch64() -> Iterator[None]:
    """Have the kernel know of an emulator for arm64, if it does not yet."""
    if emulates("arm64"):
        yield
        return
    line = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
    assert line.exists(), "qemu-user-static is not installed; scripts/test installs what the tests need"
    if not REGISTER.exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "none", str(REGISTER.parent)], check=False, capture_output=True)
    if os.geteuid() != 0 or not REGISTER.exists():
        pytest.skip("an emulator for arm64 can be registered by root only, where the kernel has binfmt_misc")
    text = re.sub(r"^:[^:]*", ":reprobuild-test", line.read_text().strip())
    REGISTER.write_bytes(text.encode())
    yield
    (REGISTER.parent / "reprobuild-test").write_text("-1")


@pytest.mark.anyio
async def test_a_program_for_arm64(aarch64: None, store: Store) -> None:
    assert (BASE / "index.json").exists(), "there is no base image; scripts/base-image makes it"
    execution = Execution(
        what="test: arm64",
        platform=Platform(os="linux", architecture="arm64", variant="v8"),
        layers=_layers("arm64", store),
        argv=("sh", "-c", "uname -m | tee /made"),
        env={"PATH": "/usr/bin:/bin", "HOME": "/"},
    )
    seen = await EmbeddedExecutor(store).run(execution)
    assert seen.stdout == "aarch64\n"
    (digest,) = (change.digest for change in seen.changes.present if change.entry.path == "made")
    assert digest is not None
    assert store.read(digest) == b"aarch64\n"


def _layers(architecture: str, store: Store) -> tuple[RootLayer, ...]:
    def blob(digest: str) -> bytes:
        return (BASE / "blobs" / digest.replace(":", "/")).read_bytes()

    index = json.loads((BASE / "index.json").read_text())
    index = json.loads(blob(index["manifests"][0]["digest"]))
    (found,) = (one for one in index["manifests"] if one["platform"]["architecture"] == architecture)
    manifest = json.loads(blob(found["digest"]))
    diff_ids = json.loads(blob(manifest["config"]["digest"]))["rootfs"]["diff_ids"]
    layers = []
    for one, diff_id in zip(manifest["layers"], diff_ids, strict=True):
        store.add(blob(one["digest"]))
        descriptor = Descriptor(media_type=one["mediaType"], digest=one["digest"], size=one["size"])
        layers.append(RootLayer(descriptor=descriptor, diff_id=diff_id))
    return tuple(layers)
