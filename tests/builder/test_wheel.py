import csv
import io
import stat
from pathlib import Path
from zipfile import ZIP_BZIP2, ZipFile, ZipInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.builder.site import Site
from reprobuild.builder.wheel import Planned, contents, open_wheel, plan_wheel
from reprobuild.errors import ContentError
from tests.builder.wheels import DEBIAN, SITE, make_wheel, record_row

NAME = "demo-1.0-py3-none-any.whl"


def plan(data: bytes, site: Site | None = None) -> dict[str, Planned]:
    with open_wheel(io.BytesIO(data), NAME) as archive:
        return {planned.entry.path: planned for planned in plan_wheel(archive, NAME, site or Site(interpreter=DEBIAN))}


def read(data: bytes) -> dict[str, bytes]:
    with open_wheel(io.BytesIO(data), NAME) as archive:
        planned = plan_wheel(archive, NAME, Site(interpreter=DEBIAN))
        return {item.entry.path: b"".join(contents(archive, item, NAME)) for item in planned}


def test_files_scripts_and_data_go_where_the_schemes_say() -> None:
    files = read(
        make_wheel(
            {
                "demo/__init__.py": b"x = 1\n",
                "demo-1.0.data/scripts/run": b"#!python\nprint(1)\n",
                "demo-1.0.data/scripts/plain": b"#!/bin/sh\n",
                "demo-1.0.data/data/share/man/man1/demo.1": b"man",
                "demo-1.0.data/headers/demo.h": b"int x;",
                "demo-1.0.data/purelib/extra.py": b"y = 2\n",
                "demo-1.0.dist-info/entry_points.txt": b"[console_scripts]\ndemo = demo:main\n",
            }
        )
    )
    assert files[f"{SITE}/demo/__init__.py"] == b"x = 1\n"
    assert files[f"{SITE}/extra.py"] == b"y = 2\n"
    assert files["usr/local/bin/run"] == b"#!/usr/bin/python3.11\nprint(1)\n"
    assert files["usr/local/bin/plain"] == b"#!/bin/sh\n"
    assert files["usr/local/bin/demo"].startswith(b"#!/usr/bin/python3.11\n")
    assert b"from demo import main" in files["usr/local/bin/demo"]
    assert files["usr/local/share/man/man1/demo.1"] == b"man"
    assert files["usr/local/include/python3.11/demo/demo.h"] == b"int x;"
    assert files[f"{SITE}/demo-1.0.dist-info/INSTALLER"] == b"reprobuild\n"
    assert not {path.rpartition("/")[2] for path in files} & {"direct_url.json", "REQUESTED"}


def test_record_is_sorted_complete_and_true() -> None:
    files = read(make_wheel({"demo/b.py": b"b", "demo/a.py": b"a", "demo-1.0.data/scripts/run": b"#!python\n"}))
    rows = list(csv.reader(files[f"{SITE}/demo-1.0.dist-info/RECORD"].decode().splitlines()))
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert "../../../bin/run" in {row[0] for row in rows}
    for path, hash_, size in rows:
        full = (Path("/") / SITE / path).resolve().as_posix().lstrip("/")
        if path.endswith("RECORD"):
            assert (hash_, size) == ("", "")
        else:
            assert record_row(path, files[full]).strip() == f"{path},{hash_},{size}"


def test_modes_come_from_the_executable_bit_alone() -> None:
    entries = plan(make_wheel({"demo/x.so": b"1", "demo/y": b"2"}, executable=frozenset({"demo/x.so"})))
    assert entries[f"{SITE}/demo/x.so"].entry.mode == 0o755
    assert entries[f"{SITE}/demo/y"].entry.mode == 0o644


def test_the_order_of_the_zip_does_not_show() -> None:
    files = {"demo/b.py": b"b", "demo/a.py": b"a", "aaa.py": b""}
    assert list(plan(make_wheel(files))) == list(plan(make_wheel(files, reverse=True)))
    assert read(make_wheel(files)) == read(make_wheel(files, reverse=True))


def test_links_of_the_base_below_the_schemes_are_followed() -> None:
    site = Site(interpreter=DEBIAN, links={"usr/local/man": "share/man"})
    assert "usr/local/share/man/man1/x" in plan(make_wheel({"demo-1.0.data/data/man/man1/x": b""}), site)


def test_bytecode_that_a_wheel_brings_is_left_out() -> None:
    assert not any("__pycache__" in path for path in plan(make_wheel({"demo/__pycache__/a.cpython-311.pyc": b"x"})))


def member(path: str, *, mode: int = stat.S_IFREG | 0o644) -> ZipInfo:
    info = ZipInfo(path)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (make_wheel({}, extra=((member("../evil.py"), b"x"),)), "unsafe path"),
        (make_wheel({}, extra=((member("/etc/passwd"), b"x"),)), "unsafe path"),
        (make_wheel({}, extra=((member("a//b"), b"x"),)), "unsafe path"),
        (make_wheel({}, extra=((member("a\\b"), b"x"),)), "unsafe path"),
        (make_wheel({}, extra=((member("link", mode=stat.S_IFLNK | 0o777), b"/etc"),)), "link or a special file"),
        (make_wheel({}, extra=((member("stray.py"), b"x"),)), "has no hash in RECORD"),
        (make_wheel({"a.py": b"x"}, record={"a.py": "a.py,sha256=AAAA,1\n"}), "not a sha256 hash"),
        (make_wheel({"a.py": b"x"}, record={"a.py": "a.py,md5=AAAA,1\n"}), "sha256 or better"),
        (make_wheel({"a.py": b"x"}, record={"a.py": record_row("a.py", b"xy")}), "has 1 bytes, RECORD says 2"),
        (make_wheel({"a.py": b"x"}, record={"b.py": record_row("b.py", b"")}), "RECORD names b.py"),
        (make_wheel({}, name="other"), "belongs to another distribution"),
        (make_wheel({"x-2.0.dist-info/METADATA": b""}), "2 .dist-info folders"),
        (make_wheel({"demo-1.0.data/nowhere/x": b""}), "not an installable wheel"),
        (make_wheel({"demo-1.0.data/scripts/a": b"", "demo-1.0.data/data/bin/a": b""}), "writes usr/local/bin/a twice"),
        (make_wheel({"demo-1.0.dist-info/entry_points.txt": b"[console_scripts]\n../x = a:b\n"}), "a script is called"),
        (b"not a zip", "not a readable zip"),
        (make_wheel({"a.py": b"x" * 5000})[:-30], "not a readable zip"),
    ],
)
def test_a_wheel_that_is_not_what_it_should_be_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ContentError, match=message) as caught:
        plan(data)
    assert caught.value.where == NAME


def test_content_is_held_against_record() -> None:
    data = make_wheel({"a.py": b"x"}, record={"a.py": record_row("a.py", b"y")})
    with pytest.raises(ContentError, match=r"a\.py is not what RECORD says"):
        read(data)


def test_duplicate_names_are_refused() -> None:
    stream = io.BytesIO(make_wheel({"a.py": b"x"}))
    with pytest.warns(UserWarning, match="Duplicate name"), ZipFile(stream, "a") as archive:
        archive.writestr("a.py", b"y")
    with pytest.raises(ContentError, match="stands twice"):
        plan(stream.getvalue())


def test_a_bomb_is_refused_before_it_is_inflated() -> None:
    with pytest.raises(ContentError, match="zip bomb"):
        plan(make_wheel({"zeros": bytes(300 * 1024 * 1024)}))


def test_other_compression_is_refused() -> None:
    info = member("a.py")
    info.compress_type = ZIP_BZIP2
    with pytest.raises(ContentError, match="compressed by method 12"):
        plan(make_wheel({}, extra=((info, b"x"),)))


def test_a_member_that_lies_about_its_content_is_refused() -> None:
    good = make_wheel({"big.bin": b"A" * 100_000})
    place = good.index(b"big.bin") + len("big.bin") + 4
    with pytest.raises(ContentError):
        read(good[:place] + b"\xff\xff" + good[place + 2 :])


@given(st.binary(max_size=300), st.integers(0, 400))
def test_damage_anywhere_gives_our_error_or_the_same_plan(noise: bytes, position: int) -> None:
    good = make_wheel({"a.py": b"print('hello')\n" * 20})
    bad = good[:position] + noise + good[position + len(noise) :]
    try:
        found = read(bad)
    except ContentError:
        return
    assert found == read(good)
