"""Locks: written and read back without loss, and refused when they are not what reprobuild wrote."""

from dataclasses import replace
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock

from reprobuild.canonical import Digest, digest_of
from reprobuild.errors import LockError
from reprobuild.lock_reader import ours, parse_base_lock, parse_connector_lock
from reprobuild.lock_writer import write_base_lock, write_connector_lock
from reprobuild.lockfile import (
    BaseDirectory,
    BaseDistribution,
    BaseImage,
    BasePlatform,
    ConnectorLock,
    Interpreter,
    Libc,
    LockedInput,
    Output,
    Package,
    Sdist,
    Wheel,
)
from reprobuild.oci.types import Platform

AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64", variant="v8")
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,5}){0,2}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)
INPUTS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,9}", fullmatch=True)
DIGESTS = st.binary(min_size=1, max_size=4).map(digest_of)
PATHS = TEXTS.map(lambda text: f"/{text}")


def ordered(items: st.SearchStrategy[Any], key: str) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return tuples of up to three *items*, sorted by their attribute *key*, which no two share."""
    name = attrgetter(key)
    return st.lists(items, max_size=3, unique_by=name).map(lambda some: tuple(sorted(some, key=name)))


def sdists(name: str) -> st.SearchStrategy[Sdist]:
    sizes = st.integers(0, 2**40)
    file = NAMES.map(lambda name: f"{name.replace('-', '_')}-1.0-py3-none-any.whl")
    return st.builds(
        Sdist,
        file=st.sampled_from([f"{name}-1.0.tar.gz", f"{name.replace('-', '_').upper()}-1.0.zip"]),
        size=sizes,
        digest=DIGESTS,
        builder=TEXTS,
        requires=ordered(st.builds(Wheel, file=file, size=sizes, digest=DIGESTS), "file"),
    )


@st.composite
def packages(draw: st.DrawFn, name: str) -> Package:
    version = draw(st.sampled_from(["1.0", "2!1.0", "3.1.4rc1", "1.0+local.7"]))
    file = f"{name.replace('-', '_')}-{version}-py3-none-{{}}.whl"
    tags = draw(st.sets(st.sampled_from(["any", "linux_x86_64", "linux_aarch64"]), min_size=1))
    wheels = tuple(
        Wheel(file=file.format(tag), size=draw(st.integers(0, 2**40)), digest=draw(DIGESTS)) for tag in sorted(tags)
    )
    marker = draw(st.none() | st.just("platform_machine == 'x86_64'"))
    return Package(name=name, version=version, wheels=wheels, marker=marker, sdist=draw(st.none() | sdists(name)))


@st.composite
def connector_locks(draw: st.DrawFn) -> ConnectorLock:
    names = sorted(draw(st.sets(NAMES, max_size=4)))
    output = st.builds(Output, derivation=DIGESTS, manifest=DIGESTS)
    inputs = st.builds(LockedInput, name=INPUTS, size=st.integers(0, 2**40), digest=DIGESTS)
    return ConnectorLock(
        name="source-x",
        base=draw(TEXTS),
        python="==3.11.*",
        requirements=tuple(sorted(draw(st.sets(TEXTS, max_size=3)))),
        environments=("sys_platform == 'linux'",),
        packages=tuple(draw(packages(name)) for name in names),
        outputs=draw(st.dictionaries(st.sampled_from([AMD64, ARM64]), output)),
        inputs=draw(ordered(inputs, "name")),
        impure=draw(st.sampled_from([(), ("hooks: network",)])),
    )


@st.composite
def base_images(draw: st.DrawFn) -> BaseImage:
    platform = st.builds(
        BasePlatform,
        manifest=DIGESTS,
        config=DIGESTS,
        size=st.integers(0, 2**20),
        links=st.dictionaries(PATHS, TEXTS, max_size=3),
        directories=st.lists(
            st.builds(BaseDirectory, path=PATHS, mode=st.integers(0o100, 0o7777), uid=st.just(0), gid=st.just(5)),
            max_size=3,
            unique_by=lambda item: item.path,
        ).map(lambda items: tuple(sorted(items, key=lambda item: item.path))),
        distributions=st.lists(
            st.builds(BaseDistribution, name=NAMES, version=TEXTS, paths=st.lists(PATHS, max_size=2).map(tuple)),
            max_size=3,
            unique_by=lambda item: item.name,
        ).map(lambda items: tuple(sorted(items, key=lambda item: item.name))),
    )
    pip = Wheel(file="pip-25.3-py3-none-any.whl", size=1, digest=digest_of(b"pip"))
    return BaseImage(
        name=draw(NAMES),
        image=draw(TEXTS),
        index=draw(DIGESTS),
        python="3.11.2",
        pip=draw(st.none() | st.just("25.3")),
        libc=Libc(family=draw(st.sampled_from(["glibc", "musl"])), major=2, minor=36),
        interpreter=Interpreter(**{key: draw(PATHS) for key in Interpreter.__slots__}),
        platforms=draw(st.dictionaries(st.sampled_from([AMD64, ARM64]), platform)),
        pip_wheel=draw(st.none() | st.just(pip)),
    )


@given(connector_locks())
def test_a_connector_lock_reads_back_as_written(lock: ConnectorLock) -> None:
    text = write_connector_lock(lock)
    assert parse_connector_lock(text, "source-x", where="lock") == lock
    assert write_connector_lock(parse_connector_lock(text, "source-x", where="lock")) == text


@given(st.lists(base_images(), max_size=2, unique_by=lambda base: base.name))
def test_a_base_lock_reads_back_as_written(bases: list[BaseImage]) -> None:
    text = write_base_lock({base.name: base for base in bases})
    assert parse_base_lock(text, where="lock") == {base.name: base for base in bases}


WHEELS = tuple(
    Wheel(file=f"charset_normalizer-3.5.2-cp311-cp311-{tag}.whl", size=259280, digest=digest_of(tag.encode()))
    for tag in ("manylinux2014_aarch64", "manylinux2014_x86_64")
)
LOCK = ConnectorLock(
    name="source-x",
    base="python-3.11",
    python="==3.11.*",
    requirements=("httpx>=0.27",),
    environments=("sys_platform == 'linux' and platform_machine == 'aarch64'",),
    packages=(Package(name="charset-normalizer", version="3.5.2", wheels=WHEELS),),
    outputs={AMD64: Output(derivation=digest_of(b"d"), manifest=digest_of(b"m"))},
)
TEXT = write_connector_lock(LOCK)


def test_it_is_a_standard_pylock_without_hosts_and_a_wheel_per_line() -> None:
    import tomllib

    pylock = Pylock.from_dict(tomllib.loads(TEXT))
    assert [package.name for package in pylock.packages] == ["charset-normalizer"]
    assert "://" not in TEXT
    assert sum("charset_normalizer-3.5.2" in line for line in TEXT.splitlines()) == 2
    assert "sdist" not in TEXT


def test_the_order_in_which_things_were_found_does_not_show() -> None:
    package = replace(LOCK.packages[0], wheels=WHEELS[::-1])
    assert write_connector_lock(replace(LOCK, packages=(package,))) == TEXT


def other(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT[: len(TEXT) // 2], "cut short"),
        (TEXT[:-200], "not TOML|missing|not a sha256"),
        ("", "tool: missing"),
        (other("format = 3", "format = 4"), "format 4 is newer"),
        (other("format = 3", "format = 0"), "there is no format 0"),
        (other("format = 3", "format = true"), "not a int"),
        (other("format = 3", "formatt = 2"), "format: missing"),
        (other('"1.0"', '"2.0"'), "unsupported: '2.0'"),
        (other('version = "3.5.2"', 'version = "3.5.3"'), "is not a wheel of charset-normalizer 3.5.3"),
        (other('name = "charset-normalizer"', 'name = "charset"'), "is not a wheel of charset"),
        (other("path = ", "url = "), "url: a key that reprobuild does not write"),
        (other("wheels/charset", "../charset"), "is not wheels/"),
        (other("sha256 = ", "md5 = "), "sha256: missing"),
        (other('{sha256 = "', '{sha256 = "X'), "not a sha256 digest"),
        (other("size = 259280", 'size = "259280"'), "size: not a int"),
        (other('derivation = "sha256:', 'derivation = "md5:'), "derivation: not a sha256 digest"),
        (other('outputs."linux/amd64"', 'outputs."linux amd64"'), "not a platform"),
        (TEXT + "\n<<<<<<< HEAD\n", "a merge conflict is in it, at line"),
        (TEXT + TEXT[TEXT.index("[[packages]]") : TEXT.index("[tool")], "stands twice"),
    ],
)
def test_a_lock_that_is_not_what_was_written_is_refused(text: str, message: str) -> None:
    with pytest.raises(Exception, match=message) as caught:
        parse_connector_lock(text, "source-x", where="lock/pylock.source-x.toml")
    assert caught.type.__name__ in {"LockError", "SpecificationError"}
    assert "lock/pylock.source-x.toml" in str(caught.value)


SDIST = Sdist(
    file="charset-normalizer-3.5.2.tar.gz",
    size=7,
    digest=digest_of(b"s"),
    builder="compilers",
    requires=(Wheel(file="setuptools-80.9.0-py3-none-any.whl", size=8, digest=digest_of(b"r")),),
)
FULL = write_connector_lock(
    replace(
        LOCK,
        packages=(replace(LOCK.packages[0], sdist=SDIST),),
        inputs=(LockedInput(name="ca-bundle", size=9, digest=digest_of(b"i")),),
        impure=("hooks: network",),
    )
)


def test_what_is_built_and_read_is_told_in_a_standard_pylock_a_line_each() -> None:
    import tomllib

    lines = FULL.splitlines()
    assert [line for line in lines if line not in TEXT.splitlines()] == [
        "[packages.tool.reprobuild]",
        f'sdist = {{name = "{SDIST.file}", size = 7, hashes = {{sha256 = "{SDIST.digest[7:]}"}}}}',
        'builder = "compilers"',
        "requires = [",
        (
            f'    {{path = "wheels/setuptools-80.9.0-py3-none-any.whl", size = 8, '
            f'hashes = {{sha256 = "{SDIST.requires[0].digest[7:]}"}}}},'
        ),
        "inputs = [",
        f'    {{name = "ca-bundle", size = 9, hashes = {{sha256 = "{digest_of(b"i")[7:]}"}}}},',
        "impure = [",
        '    "hooks: network",',
    ]
    (package,) = Pylock.from_dict(tomllib.loads(FULL)).packages
    assert package.sdist is None, "an installer must never fall back to it"
    assert package.wheels is not None
    assert len(package.wheels) == 2


def changed(old: str, new: str) -> str:
    assert old in FULL
    return FULL.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed('name = "ca-bundle"', 'name = "../ca"'), "'../ca' is not a name for a file"),
        (changed('name = "ca-bundle", size', 'name = "ca-bundle", url = "x", size'), "url: a key that"),
        (
            changed("inputs = [", f'inputs = [{{name = "ca-bundle", size = 1, hashes = {{sha256 = "{"0" * 64}"}}}},'),
            "twi",
        ),
        (changed(SDIST.file, "charset-1.tar.gz"), "is not a source distribution of charset-normalizer"),
        (changed(SDIST.file, "charset-normalizer/3.tar.gz"), "is not a source distribution"),
        (changed("builder = ", "build = "), "build: a key that"),
        (changed("packages.tool.reprobuild", "packages.tool.other"), "other: a key that"),
        (changed('    "hooks: network"', "    1"), "impure: not a list of strings"),
    ],
)
def test_what_nobody_wrote_is_refused(text: str, message: str) -> None:
    with pytest.raises(LockError, match=message):
        parse_connector_lock(text, "source-x", where="lock")


@given(st.integers(0, len(FULL)), TEXTS)
def test_damage_anywhere_is_an_error_of_ours_or_none(position: int, noise: str) -> None:
    try:
        parse_connector_lock(FULL[:position] + noise + FULL[position + len(noise) :], "source-x", where="lock")
    except Exception as error:
        assert type(error).__name__ in {"LockError", "SpecificationError"}, repr(error)


def test_the_first_side_of_a_conflict_is_kept() -> None:
    mine, theirs = TEXT, TEXT.replace("3.5.2", "3.5.9")
    merged = f"<<<<<<< HEAD\n{mine}||||||| base\nold\n=======\n{theirs}>>>>>>> branch\n"
    with pytest.raises(LockError, match="merge conflict"):
        parse_connector_lock(merged, "source-x", where="lock")
    assert ours(merged) == mine
    assert ours(TEXT) == TEXT


def test_two_bases_of_one_name_are_refused() -> None:
    base = Digest("sha256:" + "0" * 64)
    text = (
        f'format = 1\n[[base]]\nname = "a"\nimage = "x"\nindex = "{base}"\npython = "3"\nlibc = "glibc 2.36"\n'
        "[base.interpreter]\n" + "".join(f'{key} = "/x"\n' for key in Interpreter.__slots__)
    )
    assert list(parse_base_lock(text, where="b")) == ["a"]
    with pytest.raises(LockError, match="a name stands twice"):
        parse_base_lock(text + text.removeprefix("format = 1\n"), where="b")
    with pytest.raises(LockError, match="not like 'glibc"):
        parse_base_lock(text.replace("glibc 2.36", "uclibc 1"), where="b")
