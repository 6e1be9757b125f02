"""What an sdist says of its build, and what the wheel of it has to be."""

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.builder.sdist import BuildSystem, check_built, is_native, is_pure, read_build_system
from reprobuild.errors import ContentError
from tests.builder.sdists import make_sdist, make_zip_sdist
from tests.builder.wheels import make_wheel
from tests.resolver.worlds import target

FILE = "demo-1.0.tar.gz"


def system(files: dict[str, bytes], make: Callable[..., bytes] = make_sdist, file: str = FILE) -> BuildSystem:
    return read_build_system(io.BytesIO(make(files)), file)


@pytest.mark.parametrize(("make", "file"), [(make_sdist, FILE), (make_zip_sdist, "demo-1.0.zip")])
def test_the_table_says_backend_and_requirements(make: Callable[..., bytes], file: str) -> None:
    text = b'[build-system]\nrequires = ["poetry-core>=1"]\nbuild-backend = "poetry.core.masonry.api"\n'
    assert system({"a.py": b"", "pyproject.toml": text, "sub/pyproject.toml": b"?"}, make, file) == BuildSystem(
        requires=("poetry-core>=1",), backend="poetry.core.masonry.api"
    )


@pytest.mark.parametrize("files", [{"setup.py": b""}, {"pyproject.toml": b"[tool.isort]\n"}])
def test_without_a_table_it_is_setuptools_as_pep_517_prescribes(files: dict[str, bytes]) -> None:
    found = system(files)
    assert found.backend == "setuptools.build_meta:__legacy__"
    assert found.requires == ("setuptools>=40.8.0",)


def test_a_table_without_a_backend_has_the_old_one() -> None:
    found = system({"pyproject.toml": b'[build-system]\nrequires = ["setuptools", "cython"]\nbackend-path = ["x"]\n'})
    assert (found.backend, found.requires) == ("setuptools.build_meta:__legacy__", ("setuptools", "cython"))
    assert found.backend_path == ("x",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[build-system", "not TOML"),
        (b"\xff", "not TOML"),
        (b"[build-system]\nbuild-backend = 'x'\n", "no requires"),
        (b"build-system = 1\n", "no requires"),
        (b"[build-system]\nrequires = 'x'\n", "not a list of strings"),
        (b"[build-system]\nrequires = ['x y z']\n", "is none"),
        (b"[build-system]\nrequires = ['x @ https://example.org/x.whl']\n", "direct reference"),
        (b"[build-system]\nrequires = []\nbuild-backend = 1\n", "not a string"),
        (b" " * (1024 * 1024 + 1), "larger than 1 MiB"),
    ],
)
def test_nonsense_is_refused_by_name(text: bytes, message: str) -> None:
    with pytest.raises(ContentError, match=message) as caught:
        system({"pyproject.toml": text})
    assert caught.value.where is not None


@given(st.binary(max_size=200))
def test_any_bytes_are_an_sdist_or_an_error(data: bytes) -> None:
    for file in (FILE, "demo-1.0.zip"):
        try:
            read_build_system(io.BytesIO(data), file)
        except ContentError as error:
            assert error.where == file


@pytest.mark.parametrize("cut", [100, 150])
def test_a_truncated_sdist_is_refused(cut: int) -> None:
    whole = make_sdist({"pyproject.toml": b"[build-system]\nrequires = []\n"})
    with pytest.raises(ContentError, match="not a readable sdist"):
        read_build_system(io.BytesIO(whole[:-cut]), FILE)


def check(wheel: bytes, file: str, *, name: str = "demo", version: str = "1.0") -> None:
    check_built(io.BytesIO(wheel), file, name=name, version=version, target=target())


@pytest.mark.parametrize("tag", ["py3-none-any", "cp311-cp311-linux_x86_64", "cp39-abi3-linux_x86_64"])
def test_a_wheel_for_the_target_is_right(tag: str) -> None:
    check(make_wheel({}), f"demo-1.0-{tag}.whl")


def test_versions_are_compared_as_versions() -> None:
    check(make_wheel({}, version="1.0"), "demo-1.0-py3-none-any.whl", version="1.0.0".removesuffix(".0"))
    check(make_wheel({}, version="1.0.0"), "demo-1.0.0-py3-none-any.whl", version="1.0.0")


@pytest.mark.parametrize(
    ("file", "wheel", "message"),
    [
        ("demo-1.0-cp311-cp311-linux_aarch64.whl", make_wheel({}), "does not run on linux/amd64"),
        ("demo-1.0-cp312-cp312-linux_x86_64.whl", make_wheel({}), "does not run on linux/amd64"),
        ("demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", make_wheel({}), "claims to be manylinux_2_17"),
        ("other-1.0-py3-none-any.whl", make_wheel({}), "its name is 'other'"),
        ("demo-2.0-py3-none-any.whl", make_wheel({}), "its version is '2.0', that of the sdist is '1.0'"),
        ("demo-1.0-py3-none-any.whl", make_wheel({}, name="other"), "its name is 'other'"),
        ("demo-1.0-py3-none-any.whl", make_wheel({}, version="0.0.0"), "its version is '0.0.0'"),
        ("demo-1.0-py3-none-any.whl", make_wheel({}, version="unknown"), "its version is 'unknown'"),
        ("demo.whl", make_wheel({}), "made no wheel"),
    ],
)
def test_another_wheel_than_that_of_the_sdist_is_refused(file: str, wheel: bytes, message: str) -> None:
    with pytest.raises(ContentError, match=message) as caught:
        check(wheel, file)
    assert caught.value.hint


def test_what_runs_everywhere_and_what_holds_machine_code() -> None:
    assert is_pure("demo-1.0-py2.py3-none-any.whl")
    assert not is_pure("demo-1.0-cp311-cp311-linux_x86_64.whl")
    assert not is_native(io.BytesIO(make_wheel({"demo/x.so": b"text"})), FILE)
    assert is_native(io.BytesIO(make_wheel({"demo/x.so": b"\x7fELF..."})), FILE)
