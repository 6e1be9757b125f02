"""Hooks of real connectors, on Debian's base image, through the command line and the real engine."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from reprobuild.image.index import RootLayer, tree_of
from reprobuild.image.tree import ImageTree
from reprobuild.oci.types import ImageConfig, parse_config, parse_manifest
from reprobuild.store import Store
from tests.cli.project import Done
from tests.endtoend.workspace import REPOSITORY, Workspace

CONNECTORS = REPOSITORY / "tests" / "hooks" / "connectors"
SECRET = "machine example.com login me password s3cr3t-of-this-test"
_SPECIFICATION = """\
[tool.reprobuild]
platforms = ["linux/amd64"]
connectors = ["connectors/*"]

[tool.reprobuild.base."python-3.11"]
image = "oci:{repository}/build/base:python-3.11"
pip = "25.3"
timezone = "UTC"
"""
_SCRIPTED = {
    "hooks/pre-install": """\
#!/bin/sh
set -eu
test ! -e /airbyte/integration_code/main.py
mkdir -p /config && chown 1000:1000 /config && chmod 0750 /config
echo "$SOURCE_DATE_EPOCH" >/etc/built
rm -r /usr/share/zoneinfo/Antarctica
""",
    "hooks/post-install": """\
#!/usr/bin/python3
import os, pathlib, socket
import idna
assert pathlib.Path("/airbyte/integration_code/main.py").is_file()
assert os.getcwd() == "/airbyte/integration_code"
pathlib.Path("/opt/version").write_text(idna.__version__ + "\\n")
pathlib.Path("/opt/input").write_bytes(pathlib.Path(os.environ["REPROBUILD_INPUTS"], "words").read_bytes())
pathlib.Path("/tmp/leftover").write_text("gone")
pathlib.Path("/etc/built").chmod(0o600)
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError as error:
    print(error)
else:
    raise SystemExit("there is a network")
""",
    "words": "hello\n",
    "main.py": "print('main')\n",
    "pyproject.toml": """\
[project]
name = "source-scripted"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["idna==3.10"]

[tool.reprobuild]
packages = []

[[tool.reprobuild.input]]
name = "words"
path = "words"
""",
}


_IMPURE = {
    "source-random": ("head -c 8 /dev/urandom >/opt/random", "/opt/random", "contents"),
    "source-hostname": ("cat /proc/sys/kernel/hostname >/opt/host", "/opt/host", "text"),
    "source-order": ("ls -U /usr/lib/python3.11 >/opt/order", "/opt/order", "line order"),
    "source-pid": ("sh -c 'echo $$ >/opt/pid'; true", "/opt/pid", "text"),
}
"""What a hook does, where that shows, and what it is called."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """All connectors with hooks, locked."""
    folder = tmp_path_factory.mktemp("hooks")
    root = folder / "workspace"
    shutil.copytree(CONNECTORS, root / "connectors")
    write_connector(root / "connectors" / "source-scripted", _SCRIPTED)
    for name, (line, _, _) in _IMPURE.items():
        project = _SCRIPTED["pyproject.toml"].partition("[[")[0].replace("source-scripted", name)
        hook = f"#!/bin/sh\n{line}\n"
        files = {"pyproject.toml": project, "main.py": "", "hooks/post-install": hook}
        write_connector(root / "connectors" / name, files)
    (root / "pyproject.toml").write_text(_SPECIFICATION.format(repository=REPOSITORY))
    found = Workspace(
        folder=folder,
        environ={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "REPROBUILD_STORE": str(folder / "store"),
            "NETRC": SECRET,
        },
    )
    found.must("lock", "update")
    return found


def write_connector(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if name.startswith("hooks/") else 0o644)


def built(workspace: Workspace, name: str) -> tuple[ImageTree, ImageConfig]:
    """Build the connector *name* and return what is in its image, and how it is started."""
    done = workspace.must("build", name, "--json")
    store = Store(workspace.store)
    manifest = parse_manifest(store.read(done.json["connectors"][0]["images"][0]["manifest"]["digest"]))
    config = parse_config(store.read(manifest.config.digest))
    layers = [
        RootLayer(descriptor=layer, diff_id=diff_id)
        for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
    ]
    return tree_of(layers, store, where=name), config


def content(workspace: Workspace, tree: ImageTree, path: str) -> bytes:
    found = tree.find(path)
    assert found is not None
    assert found.node.digest is not None
    return Store(workspace.store).read(found.node.digest)


def refused(workspace: Workspace, name: str) -> Done:
    done = workspace.run("build", name)
    assert done.code in {1, 2}, done.err
    assert not done.out
    return done


def test_programs_before_and_after_the_installation(workspace: Workspace) -> None:
    tree, config = built(workspace, "source-scripted")
    config_folder = tree.get("config")
    assert config_folder is not None
    assert (config_folder.uid, config_folder.gid, config_folder.mode) == (1000, 1000, 0o750)
    assert content(workspace, tree, "/etc/built") == b"315532800\n"
    assert tree.get("etc/built").mode == 0o600  # type: ignore[union-attr]
    assert content(workspace, tree, "/opt/version") == b"3.10\n"
    assert content(workspace, tree, "/opt/input") == b"hello\n"
    assert tree.find("/usr/share/zoneinfo/Antarctica") is None
    assert tree.find("/tmp/leftover") is None
    assert tree.find("/run/reprobuild") is None
    words = [str(entry.get("created_by")) for entry in config.history]
    assert [word for word in words if "hook" in word] == ["reprobuild hook pre-install", "reprobuild hook post-install"]


def test_a_hook_runs_once_and_never_again(workspace: Workspace) -> None:
    workspace.must("build", "source-scripted")
    shutil.rmtree(workspace.store / "records" / "output")
    again = workspace.must("build", "source-scripted")
    assert "post-install" not in again.err


def test_another_main_file_and_variables(workspace: Workspace) -> None:
    tree, config = built(workspace, "source-chat")
    assert config.env["AIRBYTE_IMPL_PATH"] == "SourceChat"
    assert config.config["Entrypoint"] == ["python", "/airbyte/integration_code/main_dev.py"]
    assert tree.find("/airbyte/integration_code/main_dev.py") is not None


def test_a_hook_that_waits_for_a_program(workspace: Workspace) -> None:
    tree, config = built(workspace, "source-config")
    folder = tree.get("config")
    assert folder is not None
    assert (folder.uid, folder.gid) == (0, 0)
    assert config.config["User"] == "root"


def test_an_input_in_place_of_a_download(workspace: Workspace) -> None:
    tree, _ = built(workspace, "destination-documents-locked")
    bundle = (CONNECTORS / "destination-documents-locked" / "global-bundle.pem").read_bytes()
    assert content(workspace, tree, "/airbyte/global-bundle.pem") == bundle
    built(workspace, "source-sheet-locked")
    built(workspace, "source-proxied-locked")


def test_a_secret_is_there_and_nowhere_else(workspace: Workspace) -> None:
    tree, _ = built(workspace, "source-netrc-locked")
    assert tree.find("/usr/local/share/reader") is not None
    assert tree.find("/run/secrets") is None
    password = SECRET.rsplit(maxsplit=1)[-1].encode()
    files = [path for path in workspace.folder.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert not [path for path in files if password in path.read_bytes()]
    layers = [path for path in (workspace.store / "blobs").rglob("*") if path.is_file()]
    for path in layers:
        with path.open("rb") as file:
            if file.read(2) == b"\x1f\x8b":
                plain = subprocess.run(["gzip", "-dc", path], capture_output=True, check=False).stdout
                assert password not in plain


def test_a_secret_that_gets_into_a_file_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    folder = workspace.root / "connectors" / "source-netrc-locked"
    script = folder / "build_customization.py"
    before = script.read_text()
    script.write_text(before.replace("echo reader 1.0", "cat /run/secrets/netrc"))
    try:
        done = refused(workspace, "source-netrc-locked")
    finally:
        script.write_text(before)
    assert "it left the secret netrc in /usr/local/share/reader" in done.err
    assert "s3cr3t" not in done.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("destination-documents", "tool.reprobuild.input"),
        ("destination-vectors", "put packages into the base"),
        ("source-bucket", "tool.reprobuild.input"),
        ("source-netrc", "tool.reprobuild.secret"),
        ("source-proxied", "HTTP_PROXY"),
    ],
)
def test_hooks_that_cannot_be_reproducible_are_refused_with_the_way_out(
    workspace: Workspace, name: str, words: str
) -> None:
    assert words in refused(workspace, name).err


def test_a_hook_that_moves_what_wheels_go_into_is_refused(workspace: Workspace) -> None:
    hook = workspace.root / "connectors" / "source-scripted" / "hooks" / "pre-install"
    before = hook.read_text()
    hook.write_text("#!/bin/sh\nset -e\nmv /usr/local /opt/local\nln -s /opt/local /usr/local\n")
    try:
        done = refused(workspace, "source-scripted")
    finally:
        hook.write_text(before)
    assert "a hook made /usr/local a symlink" in done.err


def test_a_pipe_that_swallows_a_failure_is_told(workspace: Workspace) -> None:
    assert "it ended well, but wrote" in workspace.must("build", "source-sheet").err


def test_hooks_are_run_on_two_machines_and_what_they_depend_on_is_named(workspace: Workspace) -> None:
    workspace.must("build", "source-scripted", "--record")
    names = ["source-scripted", *_IMPURE]
    done = workspace.run("check", *names, "--json", "--vary", "umask")
    assert done.code == 1
    found = {hook["connector"]: hook for hook in done.json["hooks"]}
    assert (found["source-scripted"]["answer"], found["source-scripted"]["executions"]) == ("pure", 2)
    for name, (_, place, cause) in _IMPURE.items():
        impurity = found[name]["impurity"]
        assert (found[name]["answer"], impurity["place"], impurity["cause"]) == ("impure", place, cause)


def test_a_network_is_impure(workspace: Workspace) -> None:
    project = workspace.root / "connectors" / "source-scripted" / "pyproject.toml"
    before = project.read_text()
    project.write_text(before + "\n[tool.reprobuild.hooks]\nnetwork = true\n")
    try:
        stale = workspace.run("build", "source-scripted")
        assert stale.code == 2
        assert "network" in stale.err
        workspace.must("lock", "update", "source-scripted")
        lock = workspace.root / "lock" / "pylock.source-scripted.toml"
        assert "hooks: network" in lock.read_text()
    finally:
        project.write_text(before)
        workspace.must("lock", "update", "source-scripted")
