"""Machines on which the embedded engine cannot work, or is killed: what is said, and what is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprobuild.engines.embedded import EmbeddedExecutor
from reprobuild.engines.runtimes import find_runtime
from reprobuild.engines.variation import Variation
from reprobuild.errors import MachineError
from reprobuild.image.index import RootLayer
from reprobuild.oci.types import Platform
from reprobuild.store import Store
from tests.engines.conftest import Engine
from tests.engines.root_filesystem import Member, folder, put_layer, tiny_root
from tests.engines.unprivileged import ROOT, becoming_user

pytestmark = pytest.mark.anyio
ALONE = (sys.executable, "-m", "tests.engines.alone")
SLEEP = "echo waiting; sleep 86399"


@pytest.fixture(autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make such machines")


@pytest.fixture
def engine_(tmp_path: Path) -> Engine:
    return _engine(Store(tmp_path / "store"))


def _engine(store: Store, **rest: object) -> Engine:
    executor = EmbeddedExecutor(store, **rest)  # type: ignore[arg-type]
    return Engine(executor=executor, store=store, layers=tiny_root(store), runs_programs=True)


def alone(*command: str, words: str = "true", store: Path) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    done = subprocess.run(
        [*command, *ALONE, str(store), words], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_container_without_privileges(tmp_path: Path) -> None:
    told = alone("setpriv", "--bounding-set", "-sys_admin", store=tmp_path / "store")
    assert told.startswith("MachineError: test: alone: a mount namespace cannot be made: Operation not permitted")
    assert "hint: in a container, give it CAP_SYS_ADMIN" in told


def test_a_user_without_subordinate_ids(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    place = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    with becoming_user(place, subordinate=False) as become:
        told = alone(*become, store=place / "store")
    subprocess.run(["rm", "-rf", str(place)], check=True)
    assert "MachineError: " in told
    assert "/etc/subuid gives the user rbtest-" in told
    assert "no subordinate ids, 65536 are needed" in told
    assert "hint: as root: usermod --add-subuids" in told


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "reprobuild-tests", str(path)], check=True)
    yield path
    subprocess.run(["umount", str(path)], check=True)


async def test_a_program_that_fills_the_disk(small_disk: Path) -> None:
    engine = _engine(Store(small_disk / "store"))
    with pytest.raises(MachineError, match="the disk is full") as caught:
        await engine.shell("cat /dev/zero >/data/zeros")
    assert "REPROBUILD_STORE" in str(caught.value.hint)
    assert (await engine.shell("echo still works")).stdout == "still works\n"
    assert not list((small_disk / "store" / "sandboxes" / "root").iterdir())


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "merged"
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def test_a_store_on_an_overlay(overlay: Path) -> None:
    with pytest.raises(MachineError, match="an overlay filesystem cannot be made") as caught:
        await _engine(Store(overlay / "store")).run("nothing")
    assert "point REPROBUILD_STORE to one" in str(caught.value.hint)


async def test_another_platform_without_an_emulator(engine_: Engine) -> None:
    with pytest.raises(MachineError) as caught:
        await engine_.run("nothing", platform=Platform(os="linux", architecture="s390x"))
    assert "has no emulator for programs of linux/s390x" in str(caught.value)
    assert "qemu-user-static" in str(caught.value.hint)


async def test_no_runtime(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="no such program: runx") as caught:
        find_runtime({"PATH": str(tmp_path), "REPROBUILD_RUNTIME": "runx"})
    assert caught.value.where == "REPROBUILD_RUNTIME"


async def test_a_runtime_that_does_not_work(tmp_path: Path) -> None:
    program = tmp_path / "runy"
    program.write_text(
        '#!/bin/sh\nwhile [ "$1" != --log ]; do shift; done\n'
        'echo \'{"level":"error","msg":"no seccomp"}\' >"$2"; exit 1\n'
    )
    program.chmod(0o755)
    engine = _engine(Store(tmp_path / "store"), environ={"REPROBUILD_RUNTIME": str(program)})
    with pytest.raises(MachineError, match="the runtime could not start the program: no seccomp"):
        await engine.run("nothing")


@pytest.mark.parametrize("runtime", ["runc", "crun"])
async def test_every_runtime_sets_up_the_same(runtime: str, tmp_path: Path) -> None:
    engine = _engine(Store(tmp_path / "store"), environ={"REPROBUILD_RUNTIME": runtime, "PATH": os.environ["PATH"]})
    seen = await engine.shell(
        "env | sort; ls /dev | grep -v core; id; umask; cat /proc/self/limits; ip -o addr | wc -l; ls -a /sys; "
        "grep -E 'Cap|NoNew' /proc/self/status; awk '{print $2, $3}' /proc/mounts | grep -v ^/proc/; "
        "cat /proc/self/cgroup | cut -d: -f3",
        env={"PATH": "/bin"},
    )
    _RUNTIMES.setdefault("first", seen.stdout)
    assert seen.stdout == _RUNTIMES["first"]


_RUNTIMES: dict[str, str] = {}


def _named(words: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words in path.read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def _until(answer: object, what: object) -> None:
    end = time.monotonic() + 20
    while what() != answer:  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("whole", [False, True], ids=["sandbox", "reprobuild"])
def test_what_is_killed_leaves_nothing_for_long(*, whole: bool, tmp_path: Path) -> None:
    store = tmp_path / "store"
    folders, words = store / "sandboxes" / "root", f"{SLEEP}.{os.getpid()}{int(whole)}"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    with subprocess.Popen([*ALONE, str(store), words], stdout=subprocess.PIPE, text=True, env=environment) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "waiting\n"
        (child,) = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
        os.kill(started.pid if whole else int(child), signal.SIGKILL)
        if not whole:
            assert "the sandbox ended unexpectedly" in started.stdout.read()
    _until([], lambda: _named(words.split("; ")[1]))
    if whole:
        _until([], lambda: list(folders.iterdir()))
    else:
        assert len(list(folders.iterdir())) == 1
        assert alone(store=store, words="echo again") == "again\n"
        assert not list(folders.iterdir())


async def test_what_is_varied(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    other = _engine(store, variation=Variation(hostname="elsewhere", processors=1, pids=100, reverse=True))
    usual = _engine(store)
    words = "hostname; nproc; sh -c 'echo $$; true'; find /bin | head -30 | tr '\\n' ' '"
    (host, processors, pid, names), seen = (one := await other.shell(words)).stdout.splitlines(), one
    assert (host, processors) == ("elsewhere", "1")
    plain = (await usual.shell(words)).stdout.splitlines()
    assert int(pid) >= 100 > int(plain[2])
    assert names != plain[3]
    assert other.difference(seen) == {}
    assert set(other.executor.unvaried) <= {"processors"}  # type: ignore[attr-defined]
    changed = await other.run("write")
    assert other.difference(changed) == usual.difference(await usual.run("write"))


async def test_as_many_layers_as_there_may_be(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    layers: list[RootLayer] = [*tiny_root(store)]
    layers += [put_layer(store, [folder("data"), Member(f"data/{count}", b"x")]) for count in range(125)]
    engine = Engine(executor=EmbeddedExecutor(store), store=store, layers=tuple(layers), runs_programs=True)
    seen = await engine.shell("ls /data/124 /data/0 /data/file; rm /data/7")
    assert seen.stdout.split() == ["/data/0", "/data/124", "/data/file"]
    assert seen.changes.removed == ("data/7",)
