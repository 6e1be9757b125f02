"""Real clients accept what is built, and see the digests that we tell."""

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.endtoend.workspace import ARCHITECTURES, CONNECTOR, REPOSITORY, Built, Workspace, core
from tests.servers import RunningRegistry

HOST = {machine: platform for platform, machine in ARCHITECTURES.items()}.get(platform.machine(), "none")
NAME = f"{CONNECTOR}:0.3.0"
SITE = "usr/local/lib/python3.11/dist-packages"
ARGUMENTS = ["read", "--config", "c.json"]
DATA = ["a.json", "grüße.txt", "run.sh", "z.json"]
SAID = {
    "greeting": "good day",
    "arguments": ARGUMENTS,
    "files": DATA,
    "machine": True,
    "workdir": "/airbyte/integration_code",
}
"""What the connector's main.py prints when it is started with ARGUMENTS."""


@pytest.fixture(scope="module")
def written(workspace: Workspace, built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the images as layouts and as archives."""
    folder = tmp_path_factory.mktemp("images")
    assert workspace.build("--output", f"oci:{folder}/layout") == built
    assert workspace.build("--output", f"oci-archive:{folder}/oci.tar") == built
    workspace.build("--output", f"docker-archive:{folder}/docker.tar", "--platform", HOST)
    for one in ARCHITECTURES:
        workspace.build("--output", f"oci:{folder}/{one}", "--platform", one)
    return folder


@pytest.fixture(params=["oci:{}/layout:" + CONNECTOR, "oci-archive:{}/oci.tar:" + NAME], ids=["layout", "archive"])
def image(request: pytest.FixtureRequest, written: Path) -> str:
    """The image for all platforms, as skopeo calls it."""
    return str(request.param.format(written))


def test_skopeo_sees_the_digests_that_we_tell(image: str, built: Built, run: Run) -> None:
    assert run("skopeo", "inspect", "--format", "{{.Digest}}", image).strip() == built.index
    for one, manifest in built.manifests.items():
        architecture = one.partition("/")[2]
        config = run("skopeo", f"--override-arch={architecture}", "inspect", "--config", "--raw", image)
        assert json.loads(config)["architecture"] == architecture
        assert manifest in run("skopeo", "inspect", "--raw", image)


def test_a_copy_by_skopeo_has_the_digest(image: str, built: Built, run: Run, tmp_path: Path) -> None:
    run("skopeo", "copy", "--quiet", "--all", image, f"oci:{tmp_path}/copy:copied")
    assert run("skopeo", "inspect", "--format", "{{.Digest}}", f"oci:{tmp_path}/copy:copied").strip() == built.index
    (listed,) = json.loads((tmp_path / "copy" / "index.json").read_text())["manifests"]
    assert listed["digest"] == built.index


def test_skopeo_reads_the_docker_archive(written: Path, workspace: Workspace, built: Built, run: Run) -> None:
    config = run("skopeo", "inspect", "--config", "--raw", f"docker-archive:{written}/docker.tar:{NAME}")
    assert f"sha256:{hashlib.sha256(config.encode()).hexdigest()}" == workspace.config(built.manifests[HOST])


@pytest.mark.parametrize("one", ARCHITECTURES)
def test_umoci_unpacks_the_image_of_each_platform(one: str, written: Path, run: Run, tmp_path: Path) -> None:
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    run("umoci", "unpack", *rootless, "--image", f"{written}/{one}:{CONNECTOR}", tmp_path / "bundle")
    rootfs = tmp_path / "bundle" / "rootfs"
    assert (rootfs / SITE / "speed" / "_core.so").read_bytes() == core(ARCHITECTURES[one])
    script = rootfs / "usr/local/bin/greet"
    assert script.read_text().startswith("#!/usr/bin/python3.11\n")
    code = rootfs / "airbyte/integration_code"
    found = {str(path.relative_to(code)): path.stat() for path in code.rglob("*") if path.is_file()}
    package = ["__init__.py", "data/__init__.py", *(f"data/{name}" for name in DATA)]
    assert sorted(found) == ["main.py", *(f"source_greeting/{name}" for name in package)]
    assert {status.st_mtime for status in (*found.values(), script.stat())} == {315532800}
    modes = {name: status.st_mode & 0o7777 for name, status in found.items()}
    assert {name for name, mode in modes.items() if mode != 0o644} == {"source_greeting/data/run.sh"}
    assert modes["source_greeting/data/run.sh"] == script.stat().st_mode & 0o7777 == 0o755


def test_the_script_runs_an_image(root: None, written: Path, run: Run) -> None:
    script = REPOSITORY / "scripts" / "run-image"
    assert json.loads(run(script, f"{written}/layout:{CONNECTOR}", *ARGUMENTS)) == SAID


def test_docker_loads_and_runs_the_image(
    docker: Callable[..., str], written: Path, workspace: Workspace, built: Built
) -> None:
    assert docker("load", "--input", written / "docker.tar") == f"Loaded image: {NAME}\n"
    found = docker("image", "inspect", "--format", "{{.Id}} {{.Created}} {{.Os}}/{{.Architecture}}", NAME)
    assert found.split() == [workspace.config(built.manifests[HOST]), "1980-01-01T00:00:00Z", HOST]
    assert json.loads(docker("run", "--rm", "--network=none", NAME, *ARGUMENTS)) == SAID
    script = docker("run", "--rm", "--network=none", "--entrypoint=greet", NAME)
    assert script == "good day\n"


@pytest.fixture(scope="module")
def pushed(workspace: Workspace, registry: RunningRegistry) -> str:
    """The image in a registry, where reprobuild has pushed it."""
    done = workspace.must("push", CONNECTOR, f"{registry.host}/clients/greeting", "--latest")
    assert done.out.count("\n") == 2
    return f"{registry.host}/clients/greeting:0.3.0"


def test_skopeo_pulls_what_was_pushed(pushed: str, built: Built, run: Run, tmp_path: Path) -> None:
    source = f"docker://{pushed}"
    run("skopeo", "copy", "--quiet", "--all", "--src-tls-verify=false", source, f"oci:{tmp_path}/copy:copied")
    assert run("skopeo", "inspect", "--format", "{{.Digest}}", f"oci:{tmp_path}/copy:copied").strip() == built.index
    latest = f"docker://{pushed.rpartition(':')[0]}:latest"
    assert run("skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", latest).strip() == built.index


def test_docker_pulls_and_runs_what_was_pushed(
    docker: Callable[..., str], pushed: str, workspace: Workspace, built: Built
) -> None:
    assert f"Digest: {built.index}" in docker("pull", pushed)
    found = docker("image", "inspect", "--format", "{{.Id}} {{.RepoDigests}}", pushed)
    assert found.split()[0] == workspace.config(built.manifests[HOST])
    assert f"@{built.index}" in found
    assert json.loads(docker("run", "--rm", "--network=none", pushed, *ARGUMENTS)) == SAID


@pytest.fixture(scope="module")
def podman(root: None, tmp_path_factory: pytest.TempPathFactory, run: Run) -> Iterator[Callable[..., str]]:
    """podman with a storage of its own."""
    folder = tmp_path_factory.mktemp("podman")
    options = [f"--root={folder}/root", f"--runroot={folder}/run", f"--tmpdir={folder}/tmp"]
    options += ["--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=file"]
    yield lambda *command: run("podman", *options, *command)
    if (folder / "root" / "overlay").is_mount():
        run("umount", folder / "root" / "overlay")


def test_podman_loads_and_runs_the_image(
    podman: Callable[..., str], written: Path, workspace: Workspace, built: Built
) -> None:
    podman("load", "--quiet", "--input", written / "oci.tar")
    found = podman("image", "inspect", "--format", "{{.Digest}} {{.Id}} {{.RepoDigests}}", NAME)
    digest, image_id = found.split()[:2]
    assert (digest, f"sha256:{image_id}") == (built.index, workspace.config(built.manifests[HOST]))
    assert set(re.findall(r"@(sha256:\w+)", found)) == {built.index, built.manifests[HOST]}
    # Its defaults are above the limits of a root that lacks CAP_SYS_RESOURCE, as in most containers.
    limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
    said = podman("run", "--rm", "--network=none", *limits, f"localhost/{NAME}", *ARGUMENTS)
    assert json.loads(said) == SAID
