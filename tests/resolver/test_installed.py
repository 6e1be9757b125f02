"""What a base image has installed, and the fewest paths that hold it."""

import pytest

from reprobuild.errors import LockError
from reprobuild.lockfile import BaseDistribution
from reprobuild.oci.types import ImageConfig
from reprobuild.resolver.installed import installed_distributions, installed_pip
from reprobuild.resolver.interpreter import find_interpreter
from reprobuild.store import Store
from tests.images import AMD64
from tests.resolver.base_images import Files, alpine, debian, distribution, file, python_org, tree_of

SITE = "usr/local/lib/python3.11/site-packages"
CONFIG = ImageConfig(platform=AMD64, config={}, diff_ids=())


def _installed(store: Store, *layers: Files) -> tuple[str | None, tuple[BaseDistribution, ...]]:
    tree = tree_of(*layers, store=store)
    python = find_interpreter(tree, CONFIG, AMD64, where="image")
    return installed_pip(tree, python, where="image"), installed_distributions(tree, python, where="image")


def _paths(store: Store, *layers: Files) -> dict[str, tuple[str, ...]]:
    distributions = _installed(store, python_org(pip=None), *layers)[1]
    return {item.name: tuple(path.removeprefix(f"/{SITE}/") for path in item.paths) for item in distributions}


def test_a_folder_of_its_own_is_one_path_and_scripts_are_files(store: Store) -> None:
    assert _installed(store, python_org(pip="24.0")) == (
        "24.0",
        (
            BaseDistribution(
                name="pip",
                version="24.0",
                paths=(
                    "/usr/local/bin/pip",
                    "/usr/local/bin/pip3",
                    f"/{SITE}/pip",
                    f"/{SITE}/pip-24.0.dist-info",
                ),
            ),
        ),
    )


def test_a_shared_folder_is_listed_file_by_file(store: Store) -> None:
    files = {"google/one/__init__.py": b"", "google/__init__.py": b""}
    first = distribution(SITE, "Google.One", "1", files=files)
    second = distribution(SITE, "google-two", "2", files={"google/two.py": b""})
    bytecode = [
        file(f"{SITE}/google/__pycache__/two.cpython-311.pyc"),
        file(f"{SITE}/google/__pycache__/twofold.cpython-311.pyc"),
    ]
    found = _paths(store, first, second, bytecode)
    assert found["google-one"] == ("Google.One-1.dist-info", "google/__init__.py", "google/one/__init__.py")
    assert found["google-two"] == ("google/__pycache__/two.cpython-311.pyc", "google/two.py", "google_two-2.dist-info")


def test_a_folder_with_a_strangers_file_is_listed_file_by_file(store: Store) -> None:
    files = distribution(SITE, "a", "1", files={"a/x.py": b"", "a/y.py": b"", "a.py": b""})
    bytecode = [file(f"{SITE}/a/__pycache__/x.cpython-311.pyc"), file(f"{SITE}/__pycache__/a.cpython-311.opt-1.pyc")]
    assert _paths(store, files, bytecode)["a"] == ("__pycache__", "a", "a-1.dist-info", "a.py")
    assert _paths(store, files, bytecode, [file(f"{SITE}/a/config.ini")])["a"] == (
        "__pycache__",
        "a-1.dist-info",
        "a.py",
        "a/__pycache__/x.cpython-311.pyc",
        "a/x.py",
        "a/y.py",
    )


def test_what_record_says_is_believed_only_below_the_prefix_and_where_it_is_there(store: Store) -> None:
    record = ["a.py", "missing.py", "/etc/passwd", "../../../../../etc/passwd", "../../../share/a.txt"]
    files = distribution(SITE, "a", "1", files={"a.py": b"", "../../../share/a.txt": b""}, record=record)
    found = _installed(store, python_org(pip=None), files, [file("etc/passwd")])[1]
    assert found[0].paths == (f"/{SITE}/a-1.dist-info", f"/{SITE}/a.py", "/usr/local/share/a.txt")


@pytest.mark.parametrize("record", [b'"' * 7, b"x" * 200_000, b"\xff\xfe\0", b""])
def test_a_damaged_record_leaves_the_metadata(store: Store, record: bytes) -> None:
    files = [*distribution(SITE, "a", "1", files={"a.py": b""}), file(f"{SITE}/a-1.dist-info/RECORD", record)]
    assert _paths(store, files)["a"] == ("a-1.dist-info",)


def test_eggs_are_known_too(store: Store) -> None:
    egg = [
        file(f"{SITE}/old-1.egg-info/PKG-INFO", b"Name: Old_Thing\r\nVersion: 1.0\r\n\r\nVersion: 2\r\n"),
        file(f"{SITE}/old-1.egg-info/installed-files.txt", b"../old/__init__.py\nPKG-INFO\n"),
        file(f"{SITE}/old/__init__.py"),
        file(f"{SITE}/flat-2.egg-info", b"Name: flat\nVersion: 2\n"),
    ]
    assert _paths(store, egg) == {"old-thing": ("old", "old-1.egg-info"), "flat": ("flat-2.egg-info",)}


def test_metadata_without_a_name_is_refused(store: Store) -> None:
    broken = [file(f"{SITE}/a-1.dist-info/METADATA", b"Metadata-Version: 2.1\n\nName: a\nVersion: 1\n")]
    with pytest.raises(LockError, match=r"a-1\.dist-info names no distribution"):
        _paths(store, broken)


def test_debians_own_packages_give_pip_and_are_left_alone(store: Store) -> None:
    own = distribution("usr/lib/python3/dist-packages", "pip", "23.0.1", files={"pip/__init__.py": b""})
    local = distribution("usr/local/lib/python3.11/dist-packages", "six", "1.16.0", files={"six.py": b""})
    pip, distributions = _installed(store, debian(), own, local)
    assert pip == "23.0.1"
    assert [item.name for item in distributions] == ["six"]
    newer = distribution("usr/local/lib/python3.11/dist-packages", "pip", "25.3", files={"pip/__init__.py": b""})
    assert _installed(store, debian(), own, newer)[0] == "25.3"


def test_alpine_has_no_pip(store: Store) -> None:
    pip, distributions = _installed(store, alpine())
    assert pip is None
    assert [item.paths for item in distributions] == [
        ("/usr/lib/python3.12/site-packages/six-1.16.0.dist-info", "/usr/lib/python3.12/site-packages/six.py")
    ]
