"""Hooks that are given a real `dagger.Container`, on a real engine, make of it what they make of the one of ours.

What Dagger runs has a network, other variables and a system of its own, and its layers lack extended attributes
(docs/adr/0014): no image is built so. For hooks that do not look at any of that, the files and the config are the same.
"""

import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import anyio
import pytest

from reprobuild.builder.container import Container
from reprobuild.builder.customized import Customized
from reprobuild.builder.executions import Executions
from reprobuild.builder.hook import Hook, Stage
from reprobuild.builder.masked import is_masked
from reprobuild.canonical import Digest, digest_of, parse_json
from reprobuild.derivation import Derivation
from reprobuild.engines.embedded import EmbeddedExecutor
from reprobuild.engines.executor import Executor
from reprobuild.hooks.container import ContainerConfig
from reprobuild.image.index import RootLayer, tree_of
from reprobuild.image.tree import Node
from reprobuild.lockfile import LockedInput
from reprobuild.oci.types import parse_config, parse_manifest
from reprobuild.store import Store
from tests.builder.images import AMD64, put_derivation
from tests.engines.conftest import no_dagger
from tests.engines.root_filesystem import Member, put_layer, tiny_root

CONNECTORS = Path(__file__).parent / "connectors"
STAGES: tuple[Stage, ...] = ("pre-install", "post-install")
ENV = {"PATH": "/bin", "HOME": "/root", "LANG": "C.UTF-8"}
UNMODIFIED = (
    "destination-documents-locked",
    "source-chat",
    "source-config",
    "source-netrc-locked",
    "source-sheet-locked",
)
"""All test connectors with a build_customization.py but for those that are refused, or want a network."""
INPUTS = {
    path.name: path.read_bytes()
    for path in (
        CONNECTORS / "source-sheet-locked" / "install.sh",
        CONNECTORS / "destination-documents-locked" / "global-bundle.pem",
    )
}
SECRET = b"machine example.com login me password s3cr3t-of-this-test"
HOOKS: Mapping[str, str] = {
    **{name: (CONNECTORS / name / "build_customization.py").read_text() for name in UNMODIFIED},
    "programs": """
        async def pre_connector_install(c):
            c = c.with_workdir("/data").with_exec(["sh", "-c", "echo $PWD >where; rm -r folder; chmod 600 file"])
            said = await c.with_exec(["sh", "-c", "cat; echo wrong >&2"], stdin="given").stdout()
            c = c.with_entrypoint(["sh", "-c"]).with_exec(["echo entered >entered"], use_entrypoint=True)
            return c.with_env_variable("SAID", said).with_exec(["ln", "-s", "where", "made"])
    """,
    "settings": """
        async def pre_connector_install(c):
            c = c.with_env_variable("A", "1").with_env_variable("B", "$A-${A}", expand=True)
            c = c.with_env_variable("C", "$A").without_env_variable("LANG").with_label("one", "two")
            c = c.with_label("gone", "x").without_label("gone").with_workdir("/opt").with_workdir("deeper")
            where, named = await c.workdir(), await c.env_variable("B")
            return c.with_label("where", where).with_label("named", named).with_user("nobody")
    """,
    "files": """
        async def pre_connector_install(c):
            c = c.with_new_file("/opt/new", "text\\n", permissions=0o640, owner="nobody")
            c = c.with_new_file("/opt/plain", "plain\\n").with_file("/opt/copied/", c.file("/data/script"))
            c = c.with_file("/opt/named", c.file("/data/owned"), permissions=0o755, owner="7:8")
            c = c.with_directory("/opt/tree", c.directory("/data/folder"), exclude=["deep/*"])
            c = c.with_directory("/opt/some", c.directory("/data"), include=["o*", "folder/inner"])
            c = c.without_file("/data/one").without_directory("/data/closed").without_file("/no/such")
            text = await c.file("/opt/new").contents()
            names = await c.directory("/opt").entries()
            return c.with_new_file("/opt/said", text + " ".join(sorted(names)))
    """,
    "folders": """
        async def pre_connector_install(c):
            c = c.with_exec(["sh", "-c", "mkdir -m 0750 /there; chown 5:6 /there /data/folder"])
            folder = c.directory("/data/folder")
            c = c.with_directory("/there", folder).with_directory("/there/own", folder, owner="nobody")
            c = c.with_directory("/new/deep/er", folder, owner="7:8").with_directory("/there/too/", folder)
            return c.with_directory("/one", folder, include=["deep/file"]).with_file("/a/b/c", c.file("/data/file"))
    """,
    "users": """
        async def pre_connector_install(c):
            c = c.with_exec(["mkdir", "-m", "0777", "/shared"]).with_user("nobody").with_workdir("/shared")
            c = c.with_exec(["sh", "-c", "umask; id -u; id -g; echo mine >own"]).with_new_file("made", "by\\n")
            return c.with_new_file("seen", await c.with_exec(["id", "-un"]).stdout())
    """,
    "a program that fails": """
        async def pre_connector_install(c):
            import dagger
            try:
                await c.with_exec(["sh", "-c", "echo half; echo bad >&2; exit 3"])
            except dagger.ExecError as error:
                return c.with_label("code", str(error.exit_code)).with_label("said", error.stderr[-3:])
    """,
}
"""Hooks by what they are about."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a hook made of the container: files and config."""

    files: Mapping[str, Node]
    config: ContainerConfig


@pytest.mark.parametrize("name", HOOKS)
def test_a_real_container_comes_out_as_ours(name: str, tmp_path: Path) -> None:
    if reason := no_dagger(os.environ):
        pytest.skip(reason)
    from reprobuild.engines.dagger_executor import DaggerExecutor

    hook = tmp_path / "build_customization.py"
    hook.write_text(dedent(HOOKS[name]))
    store = Store(tmp_path / "store")
    # Where Dagger mounts something and finds no folder, it makes one.
    folders = ("airbyte", "run", "sys", "usr", "usr/local", "usr/local/share")
    more = [Member("etc/group", b"root:x:0:\nnobody:x:65534:\n")]
    more += [Member(folder, kind=tarfile.DIRTYPE) for folder in folders]
    layers = (*tiny_root(store), put_layer(store, more))
    inputs = tuple(LockedInput(name=name, size=len(data), digest=store.add(data)) for name, data in INPUTS.items())
    text = hook.read_text()

    async def both() -> list[Made]:
        engines: list[Executor] = [EmbeddedExecutor(store), DaggerExecutor(store)]
        derivation = replace(put_derivation(store, tmp_path), hooks=(hook_of(hook),), inputs=inputs, secrets=("netrc",))
        made = [await ours(derivation, engine, layers, store) for engine in engines]
        return [await native(text, layers, store, tmp_path), *made]

    real, embedded, dagger = anyio.run(both)
    assert embedded == dagger
    assert real.config == embedded.config
    assert real.files == embedded.files


def hook_of(path: Path) -> Hook:
    return Hook(kind="customization", source=path, digest=digest_of(path.read_bytes()))


async def ours(derivation: Derivation, engine: Executor, layers: tuple[RootLayer, ...], store: Store) -> Made:
    """Return what reprobuild makes of the container: nothing that another engine did is remembered."""
    run = Customized(
        derivation=derivation,
        store=store,
        executions=Executions(store=store, open=lambda: engine, fresh=True),
        secrets=lambda: {"netrc": SECRET},
        start=Container(layers=layers, config=ContainerConfig(env=ENV)),
    )
    (hook,) = derivation.hooks
    for stage in STAGES:
        run = replace(run, start=await run.after(hook, stage), _states={})
    return Made(files=files(run.start.layers, store), config=run.start.config)


async def native(text: str, layers: tuple[RootLayer, ...], store: Store, folder: Path) -> Made:
    """Return what Dagger makes of the container."""
    import dagger

    from reprobuild.engines.dagger_root import _write
    from reprobuild.engines.dagger_session import DaggerSession

    client = await DaggerSession.here().client()
    _write(folder / "start.tar", layers, layers, AMD64, store)
    start = client.container(platform=dagger.Platform(str(AMD64))).import_(
        client.host().file(str(folder / "start.tar"))
    )
    for name, value in ENV.items():
        start = start.with_env_variable(name, value)
    for name, data in INPUTS.items():
        start = start.with_mounted_file(f"/run/reprobuild/inputs/{name}", client.file(name, data.decode()))
    start = start.with_mounted_secret("/run/secrets/netrc", client.set_secret("netrc", SECRET.decode()))
    scope: dict[str, Any] = {}
    exec(compile(text, "build_customization.py", "exec"), scope)
    made = start
    for call in filter(None, (scope.get("pre_connector_install"), scope.get("post_connector_install"))):
        made = await call(made)
    assert isinstance(made, dagger.Container)
    plain = dagger.ImageLayerCompression.Uncompressed
    await made.as_tarball(forced_compression=plain).export(str(folder / "made.tar"))
    return read_layout(folder / "made.tar", store)


def read_layout(path: Path, store: Store) -> Made:
    """Return what the one image of an archived layout is."""
    with tarfile.open(path) as archive:

        def take(digest: Digest) -> bytes:
            file = archive.extractfile("blobs/" + digest.replace(":", "/"))
            assert file is not None
            data = file.read()
            assert store.add(data) == digest
            return data

        index = archive.extractfile("index.json")
        assert index is not None
        (one,) = parse_json(index.read(), where="index.json")["manifests"]
        manifest = parse_manifest(take(one["digest"]))
        config = parse_config(take(manifest.config.digest))
        for layer in manifest.layers:
            take(layer.digest)
    layers = [
        RootLayer(descriptor=layer, diff_id=diff_id)
        for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
    ]
    found = ContainerConfig(
        env=config.env,
        workdir=str(config.config.get("WorkingDir") or "/"),
        user=str(config.config.get("User") or ""),
        labels=dict(config.config.get("Labels") or {}),
        entrypoint=tuple(config.config.get("Entrypoint") or ()),
    )
    return Made(files=files(layers, store), config=found)


def files(layers: Any, store: Store) -> dict[str, Node]:
    """Return what is in an image, without what no image keeps, times, extended attributes and modes of links."""
    found = {}
    for path, node in tree_of(layers, store, where="test").walk():
        if not is_masked(path):
            mode = 0o777 if node.kind == "symlink" else node.mode
            found[path] = node._replace(mode=mode, mtime=0, layer=0, xattrs=())
    return found
