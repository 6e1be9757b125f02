"""What every engine promises (`Executor`): one suite, and the engine in memory passes it, too."""

from collections.abc import Sequence

import anyio
import pytest

from reprobuild.canonical import digest_of
from reprobuild.engines.execution import ExecutionError, Mount, Secret
from reprobuild.image.tree import Node
from tests.engines.conftest import Engine
from tests.engines.programs import LARGE

pytestmark = pytest.mark.anyio


def file(data: bytes, mode: int = 0o644, **rest: object) -> Node:
    return Node(kind="file", mode=mode, size=len(data), digest=digest_of(data), **rest)  # type: ignore[arg-type]


async def test_nothing(engine: Engine) -> None:
    seen = await engine.run("nothing")
    assert engine.difference(seen) == {}
    assert (seen.stdout, seen.stderr) == ("", "")


async def test_write(engine: Engine) -> None:
    seen = await engine.run("write")
    assert engine.difference(seen) == {
        "data/file": file(b"changed\n"),
        "data/made": Node(kind="directory", mode=0o700),
        "data/made/file": file(b"made\n", 0o600),
        "data/made/link": Node(kind="symlink", mode=0o777, target="/nowhere"),
    }
    assert engine.content("data/made/file", seen) == b"made\n"


async def test_delete(engine: Engine) -> None:
    seen = await engine.run("delete")
    assert seen.changes.removed == ("data/file", "data/folder/deep", "data/link")
    assert engine.difference(seen) == dict.fromkeys(
        ("data/file", "data/folder/deep", "data/folder/deep/file", "data/link")
    )


async def test_replace_a_folder_by_a_file(engine: Engine) -> None:
    seen = await engine.run("replace-folder")
    gone = dict.fromkeys(f"data/folder/{name}" for name in ("inner", "deep", "deep/file", "upper"))
    assert engine.difference(seen) == {"data/folder": file(b"a file\n"), **gone}
    assert seen.changes.removed == ("data/folder",)


async def test_replace_a_file_by_a_folder(engine: Engine) -> None:
    seen = await engine.run("replace-file")
    assert engine.difference(seen) == {"data/file": Node(kind="directory"), "data/file/inner": file(b"inside\n")}
    assert seen.changes.removed == ("data/file",)


async def test_a_folder_made_anew_has_nothing_of_the_old_one(engine: Engine) -> None:
    seen = await engine.run("anew")
    gone = dict.fromkeys(f"data/folder/{name}" for name in ("inner", "deep", "deep/file"))
    new = {"data/folder": Node(kind="directory"), "data/folder/upper": file(b"anew\n")}
    assert engine.difference(seen) == {**gone, **new}
    assert seen.changes.removed == ("data/folder/deep", "data/folder/inner")


async def test_chmod_only(engine: Engine) -> None:
    seen = await engine.run("chmod")
    assert engine.difference(seen) == {"data/file": file(b"file\n", 0o600)}


async def test_owners_are_the_images(engine: Engine) -> None:
    seen = await engine.run("owners")
    assert engine.difference(seen) == {
        "data/file": file(b"file\n", uid=7, gid=65534),
        "data/owned": file(b"still theirs\n", 0o640, uid=1000, gid=1001),
        "data/new": file(b"", 0o4711, uid=1234, gid=5678),
    }


async def test_hard_links(engine: Engine) -> None:
    seen = await engine.run("links")
    assert engine.difference(seen) == {
        "data/a-link": file(b"linked\n"),
        "data/b-made": file(b"linked\n"),
        "data/c-below": file(b"file\n"),
    }
    links = {change.entry.path: change.entry.target for change in seen.changes.present if change.entry.target}
    assert links == {"data/b-made": "data/a-link", "data/file": "data/c-below"}


async def test_extended_attributes(engine: Engine) -> None:
    seen = await engine.run("xattrs")
    assert engine.difference(seen) == {
        "data/file": file(b"file\n", xattrs=(("user.mark", b"1"),)),
        "data/noted": file(b"noted\n", 0o600, xattrs=(("user.note", b"kept"),)),
    }


async def test_what_is_touched_and_stays_as_it_was_is_no_difference(engine: Engine) -> None:
    assert engine.difference(await engine.run("touch")) == {}


async def test_a_large_file(engine: Engine) -> None:
    seen = await engine.run("large")
    (change,) = (change for change in seen.changes.present if change.entry.path == "data/large")
    assert change.entry.size == LARGE + 3
    assert change.digest == digest_of(bytes(LARGE) + b"end")
    assert engine.store.has(change.digest, LARGE + 3)


async def test_the_root_itself(engine: Engine) -> None:
    assert engine.difference(await engine.run("root")) == {"": Node(kind="directory", mode=0o700)}


async def test_a_failure_is_told_with_code_and_output(engine: Engine) -> None:
    with pytest.raises(ExecutionError) as caught:
        await engine.run("fail")
    assert caught.value.code == 7
    assert caught.value.output == "about to fail\nit failed\n"
    assert (caught.value.stdout, caught.value.stderr) == ("about to fail\n", "it failed\n")
    assert caught.value.where == "test: program"


async def test_a_time_limit(engine: Engine) -> None:
    heard: list[str] = []
    with pytest.raises(ExecutionError) as caught:
        await engine.run("forever", timeout=0.7, listener=heard.append)
    assert caught.value.code is None
    assert heard == ["waiting"]


async def test_cancelling_ends_it(engine: Engine) -> None:
    with anyio.fail_after(20), anyio.move_on_after(0.7) as scope:
        await engine.run("forever")
    assert scope.cancelled_caught
    assert not [path for path in engine.store.root.glob("sandboxes/*/*") if not await _gone(path)]


async def _gone(path: object) -> bool:
    # Another user's program hears of it a moment later.
    for _ in range(100):
        if not path.exists():  # type: ignore[attr-defined]
            return True
        await anyio.sleep(0.05)
    return False


async def test_the_environment_is_as_given(engine: Engine) -> None:
    env = {"PATH": "/bin", "HOME": "/nowhere", "ODD": "a=b c", "EMPTY": ""}
    seen = await engine.run("environment", env=env)
    assert engine.content("env", seen).decode().splitlines() == [f"{key}={env[key]}" for key in sorted(env)]


async def test_mounts_are_read_only_and_leave_no_trace(engine: Engine) -> None:
    mounts = (
        Mount(target="/inputs/deep/table", digest=engine.store.add(b"a table\n")),
        Mount(target="/data/file", digest=engine.store.add(b"over it\n"), executable=True),
    )
    seen = await engine.run("mounts", mounts=mounts)
    assert seen.stdout == "a table\nover it\n"
    assert engine.difference(seen) == {}


async def test_a_file_beside_a_mount_is_a_change(engine: Engine) -> None:
    mounts = (Mount(target="/inputs/deep/table", digest=engine.store.add(b"a table\n")),)
    seen = await engine.run("beside", mounts=mounts)
    folder = Node(kind="directory")
    assert engine.difference(seen) == {"inputs": folder, "inputs/deep": folder, "inputs/deep/own": file(b"own\n")}


async def test_secrets_are_read_and_masked_and_leave_no_trace(engine: Engine) -> None:
    heard: list[str] = []
    secret = Secret(name="token", target="/run/secrets/token")
    bytes_of = {"token": b"hunter2-s3cret"}
    seen = await engine.run("secret", secrets=(secret,), bytes_of=bytes_of, uid=1000, gid=1001, listener=heard.append)
    assert seen.stdout == "400 1000 1001\nit is *** and hunt\n"
    assert seen.stderr == "***!"
    assert engine.difference(seen) == {}
    assert sorted(heard) == ["***!", "400 1000 1001", "it is *** and hunt"]
    _without(engine, b"hunter2-s3cret")


def _without(engine: Engine, secret: bytes) -> None:
    files = [path for path in engine.store.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if "unpacked" not in path.parts and secret in path.read_bytes()]


async def test_user_folder_and_hostname(engine: Engine) -> None:
    seen = await engine.run("whoami", uid=1000, gid=1001, groups=(5, 20), cwd="/data", hostname="elsewhere")
    assert seen.stdout == "1000 1001 5 20 1001\n/data\nelsewhere\n"


@pytest.mark.parametrize("data", [b"", b"some\n", bytes(300_000)], ids=len)
async def test_standard_input(engine: Engine, data: bytes) -> None:
    seen = await engine.run("stdin", stdin=engine.store.add(data))
    assert engine.content("data/in", seen) == data


async def test_several_at_once(engine: Engine) -> None:
    found: dict[str, int] = {}

    async def run(name: str) -> None:
        found[name] = len(engine.difference(await engine.run(name)))

    async with anyio.create_task_group() as group:
        for name in _NAMES:
            group.start_soon(run, name)
    assert found == {"write": 4, "delete": 4, "chmod": 1, "nothing": 0}


_NAMES: Sequence[str] = ("write", "delete", "chmod", "nothing")


async def test_a_program_that_is_not_there(engine: Engine) -> None:
    execution = engine.execution("nothing", argv=("no-such-program",))
    with pytest.raises(ExecutionError) as caught:
        await engine.executor.run(execution)
    assert caught.value.code == 127
