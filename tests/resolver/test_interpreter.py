"""Which Python a base image has, found in files of the shapes that real images have."""

import pytest

from reprobuild.errors import LockError
from reprobuild.lockfile import Interpreter, Libc
from reprobuild.oci.types import ImageConfig, Platform
from reprobuild.resolver.interpreter import Python, find_interpreter, is_kept, is_program
from reprobuild.store import Store
from tests.images import AMD64, ARM64
from tests.resolver.base_images import (
    Files,
    alpine,
    debian,
    elf,
    file,
    folder,
    glibc,
    link,
    program,
    python_org,
    tree_of,
)

GLIBC = Libc(family="glibc", major=2, minor=36)
LOADER = "/lib64/ld-linux-x86-64.so.2"


def _find(
    store: Store, *layers: Files, path: str | None = "/usr/local/bin:/usr/bin:/bin", platform: Platform = AMD64
) -> Python:
    env = [f"PATH={path}"] if path is not None else []
    config = ImageConfig(platform=platform, config={"Env": env}, diff_ids=())
    return find_interpreter(tree_of(*layers, store=store), config, platform, where="image")


def _prefix(prefix: str, version: str = "3.12.3") -> Files:
    """Return a Python of one file below *prefix*, as conda's and uv's are."""
    minor = version.rpartition(".")[0]
    return [
        *glibc(),
        program(f"{prefix}/bin/python{minor}", elf(version.encode(), loader=LOADER)),
        link(f"{prefix}/bin/python3", f"python{minor}"),
        file(f"{prefix}/lib/python{minor}/os.py"),
    ]


def test_docker_official_images(store: Store) -> None:
    found = _find(store, python_org("3.11.9"))
    site = "/usr/local/lib/python3.11/site-packages"
    assert (found.version, found.libc, found.stdlib) == ("3.11.9", GLIBC, "/usr/local/lib/python3.11")
    assert found.interpreter == Interpreter(
        executable="/usr/local/bin/python3.11",
        purelib=site,
        platlib=site,
        scripts="/usr/local/bin",
        include="/usr/local/include/python3.11",
        data="/usr/local",
    )


@pytest.mark.parametrize("platform", [AMD64, ARM64])
def test_debians_own(store: Store, platform: Platform) -> None:
    found = _find(store, debian(platform=platform), platform=platform)
    site = "/usr/local/lib/python3.11/dist-packages"
    assert (found.version, found.libc) == ("3.11.2", GLIBC)
    assert found.interpreter == Interpreter(
        executable="/usr/bin/python3.11",
        purelib=site,
        platlib=site,
        scripts="/usr/local/bin",
        include="/usr/local/include/python3.11",
        data="/usr/local",
    )
    assert found.sites == (
        site,
        "/usr/lib/python3/dist-packages",
        "/usr/lib/python3.11/site-packages",
        "/usr/lib64/python3.11/site-packages",
    )


def test_alpines(store: Store) -> None:
    found = _find(store, alpine("3.12.3"))
    assert (found.version, found.libc) == ("3.12.3", Libc(family="musl", major=1, minor=2))
    assert found.interpreter.purelib == "/usr/lib/python3.12/site-packages"
    assert (found.interpreter.scripts, found.interpreter.data) == ("/usr/bin", "/usr")


def test_fedoras_installs_below_usr_local(store: Store) -> None:
    found = _find(
        store,
        glibc(),
        [
            program("usr/bin/python3.11", elf(b"3.11.9", loader=LOADER)),
            link("usr/bin/python3", "python3.11"),
            file("usr/lib64/python3.11/os.py"),
            file("usr/lib64/python3.11/sysconfig.py", b"'rpm_prefix': {"),
        ],
    )
    assert found.interpreter.purelib == "/usr/local/lib/python3.11/site-packages"
    assert found.interpreter.platlib == "/usr/local/lib64/python3.11/site-packages"
    assert found.interpreter.scripts == "/usr/local/bin"


@pytest.mark.parametrize("prefix", ["opt/conda", "root/.local/share/uv/python/cpython-3.12.3-linux-x86_64-gnu"])
def test_other_prefixes(store: Store, prefix: str) -> None:
    found = _find(store, _prefix(prefix), path=f"/{prefix}/bin:/usr/bin")
    assert found.interpreter.executable == f"/{prefix}/bin/python3.12"
    assert found.interpreter.purelib == f"/{prefix}/lib/python3.12/site-packages"


@pytest.mark.parametrize(
    ("copied", "config"), [(False, b"home = /usr/local/bin\n"), (True, b"home = /usr/local/bin\n")]
)
def test_a_virtual_environment_is_its_own_prefix(store: Store, *, copied: bool, config: bytes) -> None:
    executable = (
        program("opt/venv/bin/python3", elf(loader=LOADER))
        if copied
        else link("opt/venv/bin/python3", "/usr/local/bin/python3")
    )
    found = _find(store, python_org("3.11.9"), [file("opt/venv/pyvenv.cfg", config), executable], path="/opt/venv/bin")
    assert found.version == "3.11.9"
    site = "/opt/venv/lib/python3.11/site-packages"
    assert found.interpreter == Interpreter(
        executable="/opt/venv/bin/python3",
        purelib=site,
        platlib=site,
        scripts="/opt/venv/bin",
        include="/opt/venv/include/site/python3.11",
        data="/opt/venv",
    )
    assert found.sites == (site,)


def test_the_first_on_path_wins_through_links_to_folders(store: Store) -> None:
    layers = (debian("3.11.2"), python_org("3.12.1"))
    assert _find(store, *layers).version == "3.12.1"
    assert _find(store, *layers, path=None).version == "3.12.1"
    assert (
        _find(store, *layers, path="relative::/nowhere:/bin:/usr/local/bin").interpreter.executable
        == "/usr/bin/python3.11"
    )


def test_what_may_not_be_executed_is_passed_over(store: Store) -> None:
    hidden = [file("usr/local/bin/python3", elf(b"3.9.1")), folder("usr/local/sbin/python3")]
    assert _find(store, debian(), hidden, path="/usr/local/sbin:/usr/local/bin:/usr/bin").version == "3.11.2"


def test_python_alone_will_do_and_two_of_them_are_remarked(store: Store) -> None:
    alone = [*_prefix("opt/py")[:-2], link("opt/py/bin/python", "python3.12"), file("opt/py/lib/python3.12/os.py")]
    assert _find(store, alone, path="/opt/py/bin").version == "3.12.3"
    found = _find(store, debian(), alone, path="/opt/py/bin:/usr/bin")
    assert found.version == "3.11.2"
    assert found.remarks == (
        "image: python is /opt/py/bin/python3.12, python3 is /usr/bin/python3.11; the latter is used",
    )


def test_a_python_that_a_higher_layer_hides_is_gone(store: Store) -> None:
    assert _find(store, debian("3.11.2"), python_org("3.12.1"), [file("usr/local/.wh.bin")]).version == "3.11.2"
    with pytest.raises(LockError, match="no python3 on its PATH, /usr/local/bin") as error:
        _find(store, python_org(), [file("usr/local/bin/.wh..wh..opq")])
    assert error.value.hint is not None


def test_a_script_in_its_place_is_named(store: Store) -> None:
    shim = [program("opt/shims/python3", b"#!/bin/sh\nexec pyenv exec python3\n")]
    with pytest.raises(LockError, match="/opt/shims/python3 is not a program"):
        _find(store, debian(), shim, path="/opt/shims:/usr/bin")


def test_another_machines_python_is_refused(store: Store) -> None:
    with pytest.raises(LockError, match="for another machine"):
        _find(store, debian(platform=AMD64), platform=ARM64)
    with pytest.raises(LockError, match="the architecture vax"):
        _find(store, debian(), platform=Platform(os="linux", architecture="vax"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ([program("usr/bin/python3.11", elf(b"3.12.1", loader=LOADER))], "its bytes say 3.12.1"),
        ([program("usr/bin/python3.11", elf(b"3.11.1", b"3.11.2", loader=LOADER))], "3.11.1 and 3.11.2"),
        ([program("usr/bin/python3.11", elf(loader=LOADER))], "neither in it nor in a libpython"),
        ([file("usr/lib/python3.11/.wh.os.py")], "its standard library is not below /usr/lib"),
        ([file("usr/include/python3.11/patchlevel.h", b'#define PY_VERSION "3.11.7"')], "patchlevel.h says 3.11.7"),
        ([program("usr/bin/python3.11", elf(b"3.11.2"))], "linked statically"),
        ([program("usr/bin/python3.11", elf(b"3.11.2", loader="/lib/ld.so"))], "there is no /lib/ld.so"),
        ([file("usr/lib/x86_64-linux-gnu/.wh.libc.so.6")], "the version of glibc"),
        ([program("usr/lib/x86_64-linux-gnu/libc.so.6", elf(b"nothing"))], "the version of glibc"),
    ],
)
def test_what_the_files_leave_open_is_refused(store: Store, changes: Files, why: str) -> None:
    with pytest.raises(LockError, match=why) as error:
        _find(store, debian(), changes)
    assert error.value.where == "image"
    assert error.value.hint is not None


def test_a_header_decides_between_two_texts(store: Store) -> None:
    found = _find(
        store,
        debian(),
        [
            program("usr/bin/python3.11", elf(b"3.11.1", b"3.11.2", loader=LOADER)),
            file("usr/include/python3.11/patchlevel.h", b'/* */\n#define PY_VERSION             "3.11.2+"\n'),
        ],
    )
    assert found.version == "3.11.2"


@pytest.mark.parametrize(
    "path",
    ["usr/bin/python3.11", "usr/libexec/platform-python3.9", "bin/python", "lib/libpython3.12.so.1.0", "libc.so.6"],
)
def test_programs_are_known_by_name(path: str) -> None:
    assert is_program(path)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("usr/local/lib/python3.11/site-packages/pip-24.0.dist-info/RECORD", True),
        ("usr/lib/python3/dist-packages/x.egg-info", True),
        ("usr/include/python3.11/patchlevel.h", True),
        ("usr/lib/python3.13/sysconfig/__init__.py", True),
        ("usr/local/lib/python3.11/site-packages/pip/_vendor/x.dist-info/METADATA", False),
        ("usr/lib/python3.11/os.py", False),
    ],
)
def test_few_texts_are_kept(path: str, *, kept: bool) -> None:
    assert is_kept(path) is kept
