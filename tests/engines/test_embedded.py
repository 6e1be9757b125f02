"""What a sandbox of the embedded engine keeps from programs, and what it does with those that misbehave."""

import os
import socket
from dataclasses import replace

import anyio
import pytest

from reprobuild.engines.execution import ExecutionError, Mount, Secret
from reprobuild.errors import ContentError, SpecificationError
from tests.engines.conftest import Engine

pytestmark = pytest.mark.anyio


async def test_there_is_no_network(embedded: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = f"nc -w 20 127.0.0.1 {server.getsockname()[1]} -e /bin/true && echo reached || echo not"
        seen = await embedded.shell(f"{script}; cat /etc/resolv.conf")
        assert seen.stdout == "not\n"
        shared = await embedded.shell(script, network=True)
        assert shared.stdout == "reached\n"


async def test_nothing_of_the_machine_is_seen(embedded: Engine) -> None:
    seen = await embedded.shell(
        "hostname; ls /; ls -A /sys; cat /etc/hostname /etc/hosts; cat /proc/mounts; ps | wc -l; cat /proc/self/cgroup"
    )
    assert os.uname().nodename not in seen.stdout.split()
    assert str(embedded.store.root) not in seen.stdout
    names = seen.stdout.split("reprobuild\n", 1)[1].split("\n")
    assert names[:10] == ["bin", "data", "dev", "etc", "lib", "lib64", "proc", "root", "sys", "tmp"]
    assert embedded.difference(seen) == {}


async def test_privileges_are_few(embedded: Engine) -> None:
    seen = await embedded.shell(
        "grep -E 'CapEff|NoNewPrivs' /proc/self/status; mount -t tmpfs x /tmp || mknod /tmp/disk b 8 0 || "
        "echo 1 >/proc/sys/kernel/printk || chroot / true && umask && ulimit -n"
    )
    assert "CapEff:\t00000000800405fb" in seen.stdout
    assert "NoNewPrivs:\t1" in seen.stdout
    assert seen.stdout.endswith("0022\n1024\n")
    assert seen.stderr.count("ermitted") + seen.stderr.count("denied") + seen.stderr.count("Read-only") == 3


async def test_users_have_no_privileges(embedded: Engine) -> None:
    script = "grep CapEff /proc/self/status; cat /data/closed/file || echo closed"
    seen = await embedded.shell(script, uid=1000, gid=1000)
    assert seen.stdout == "CapEff:\t0000000000000000\nclosed\n"


async def test_what_is_forked_ends_with_the_program(embedded: Engine) -> None:
    with anyio.fail_after(30):
        seen = await embedded.shell("(setsid sleep 1000 >/dev/null 2>&1; touch /late) & sleep 1000 & echo $! >/pid")
    assert [path for path in embedded.difference(seen) if path != "pid"] == []


async def test_fifos_devices_and_setuid_files(embedded: Engine) -> None:
    seen = await embedded.shell("mkfifo -m 600 /pipe; cp /bin/busybox /su; chmod 4755 /su; ! mknod /null c 1 3")
    found = embedded.difference(seen)
    assert {path: (node.kind, node.mode) for path, node in found.items() if node} == {
        "pipe": ("fifo", 0o600),
        "su": ("file", 0o4755),
    }


async def test_capabilities_of_files(embedded: Engine) -> None:
    capability = "0x0100000200040000000000000000000000000000"
    seen = await embedded.shell(f"setfattr -n security.capability -v {capability} data/file")
    node = embedded.difference(seen)["data/file"]
    assert node is not None
    assert node.xattrs == (("security.capability", bytes.fromhex(capability[2:])),)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("syslogd -n & while [ ! -S /dev/log ]; do :; done; cp -a /dev/log /", "a socket"),
        ("touch \"$(printf 'odd-\\377')\"", "a name that is not UTF-8 cannot be in an image: 'odd-\\xff'"),
        ("ln -s \"$(printf '\\377')\" /link", "not UTF-8"),
        ("for i in $(seq 250); do mkdir d; cd d; done", "more than 200 folders deep"),
        ("touch /data/.wh.file", "a removed file in an image: /data/.wh.file"),
    ],
    ids=["socket", "name", "link", "deep", "whiteout"],
)
async def test_what_no_layer_can_hold_is_refused(embedded: Engine, script: str, words: str) -> None:
    with pytest.raises(ContentError) as caught:
        await embedded.shell(script)
    assert words in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "script",
    [
        "cp /run/token /data/kept",
        "ln -s $(cat /run/token) /data/kept",
        "setfattr -n user.kept -v $(cat /run/token) data/file",
        "(head -c 2000000 /dev/zero; cat /run/token) >/data/kept",
    ],
    ids=["file", "link", "xattr", "large"],
)
async def test_a_secret_that_is_left_is_refused(embedded: Engine, script: str) -> None:
    execution = replace(
        embedded.execution("nothing", secrets=(Secret(name="token", target="/run/token"),)), argv=("sh", "-ec", script)
    )
    with pytest.raises(ContentError, match="it left the secret token in /data/") as caught:
        await embedded.executor.run(execution, secrets={"token": b"hunter2-s3cret"})
    assert "hunter2" not in str(caught.value)


async def test_a_secret_that_was_not_given(embedded: Engine) -> None:
    with pytest.raises(SpecificationError, match="the secret token was not given"):
        await embedded.run("nothing", secrets=(Secret(name="token", target="/run/token"),))


async def test_a_folder_that_is_not_there_to_start_in(embedded: Engine) -> None:
    with pytest.raises(ExecutionError, match="there is no folder /nowhere to start in") as caught:
        await embedded.run("nothing", cwd="/nowhere")
    assert caught.value.code == 126


@pytest.mark.parametrize(("program", "code"), [("data/file", 126), ("/data/none", 127), ("/data/script", 0)])
async def test_programs_by_path(embedded: Engine, program: str, code: int) -> None:
    execution = embedded.execution("nothing", argv=(program,))
    if code == 0:
        assert (await embedded.executor.run(execution)).stdout == "ran\n"
        return
    with pytest.raises(ExecutionError) as caught:
        await embedded.executor.run(execution)
    assert caught.value.code == code


async def test_a_script_whose_interpreter_is_not_there(embedded: Engine) -> None:
    mount = Mount(target="/hook", digest=embedded.store.add(b"#!/nowhere/python\n"), executable=True)
    with pytest.raises(ExecutionError, match="it could not be started") as caught:
        await embedded.executor.run(embedded.execution("nothing", argv=("/hook",), mounts=(mount,)))
    assert caught.value.code == 127


async def test_a_mounted_script_is_run(embedded: Engine) -> None:
    mount = Mount(target="/hooks/one/run", digest=embedded.store.add(b"#!/bin/sh\npwd; rm $0\n"), executable=True)
    with pytest.raises(ExecutionError) as caught:
        await embedded.executor.run(embedded.execution("nothing", argv=("/hooks/one/run",), mounts=(mount,)))
    assert "busy" in caught.value.output


async def test_without_a_home_there_is_one(embedded: Engine) -> None:
    assert (await embedded.shell("echo $HOME", env={"PATH": "/bin"})).stdout == "/root\n"
    assert (await embedded.shell("echo $HOME", env={"PATH": "/bin"}, uid=5, gid=5)).stdout == "/\n"
