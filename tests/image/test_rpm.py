"""rpm's database: one that rpm itself has written, and ones that are broken or hostile."""

import contextlib
import sqlite3
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.errors import ContentError
from reprobuild.image.os_packages import OsPackage
from reprobuild.image.rpm import rpm_packages
from tests.conftest import Run

SPECIFICATION = """\
Name: hello
Version: 2.12
Release: 3
Epoch: 1
Summary: greets
License: GPL-3.0-or-later
BuildArch: noarch
%description
Greets.
%files
"""


def header(*, name: str = "hello", version: str = "1", kind: int = 6) -> bytes:
    data = f"{name}\0{version}\0".encode()
    entries = [(1000, kind, 0, 1), (1001, 6, len(name.encode()) + 1, 1)]
    return struct.pack(">II", 2, len(data)) + b"".join(struct.pack(">IIiI", *one) for one in entries) + data


@cache
def table() -> bytes:
    """Return a hash table of Berkeley DB with one package, whose header has two pages of its own."""

    def page(number: int, following: int, kind: int, data: bytes, *starts: int) -> bytes:
        head = struct.pack("<8xIIIHHBB", number, 0, following, len(starts), 0 if starts else len(data), 0, kind)
        head += struct.pack(f"<{len(starts)}H", *starts)
        return head + data.rjust(4096 - len(head), b"\0") if starts else (head + data).ljust(4096, b"\0")

    data = header(name="a" * 5000)
    meta = struct.pack("<8xIIIIIII", 0, 0x61561, 9, 4096, 0x800, 0, 3).ljust(4096, b"\0")
    pair = b"\3\0\0\0" + struct.pack("<II", 2, len(data)) + b"\1" + struct.pack("<I", 1)
    return meta + page(1, 0, 13, pair, 4091, 4079) + page(2, 3, 7, data[:4070]) + page(3, 0, 7, data[4070:])


def database(*headers: object, schema: str = "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)") -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute(schema)
    for one in headers:
        connection.execute("INSERT INTO Packages (blob) VALUES (?)", (one,))
    connection.commit()
    data = connection.serialize()
    connection.close()
    return data


HELLO = OsPackage(
    kind="rpm",
    name="hello",
    version="2.12-3",
    epoch="1",
    architecture="noarch",
    license="GPL-3.0-or-later",
    source="hello-2.12-3.src.rpm",
    database="db",
)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """A package, built by rpm itself."""
    folder = tmp_path_factory.mktemp("package")
    (folder / "hello.spec").write_text(SPECIFICATION)
    run("rpmbuild", "-bb", "--define", f"_topdir {folder}", folder / "hello.spec")
    return next(folder.glob("RPMS/noarch/*.rpm"))


def test_what_rpm_has_installed(package: Path, tmp_path: Path, run: Run) -> None:
    rpm = ("rpm", "--dbpath", tmp_path / "db")
    run(*rpm, "--initdb")
    run(*rpm, "-i", "--nodeps", "--justdb", package)
    assert list(rpm_packages((tmp_path / "db" / "rpmdb.sqlite").read_bytes(), "db")) == [HELLO]


def ndb(headers: Mapping[int, bytes], *, pages: int = 1) -> bytes:
    """Return a database of ndb with *headers* by number, the last first; Debian's rpm writes none."""
    slots, blobs, start = [], [], pages * 256
    for number, data in reversed(headers.items()):
        blob = struct.pack("<4sIII", b"BlbS", number, 1, len(data)) + data
        blob += bytes(-(len(blob) + 12) % 16) + struct.pack("<II4s", 0, len(data), b"BlbE")
        slots.append(struct.pack("<4sIII", b"Slot", number, start, len(blob) // 16))
        blobs.append(blob)
        start += len(blob) // 16
    head = struct.pack("<4sIIII12x", b"RpmP", 0, 1, pages, len(headers) + 1)
    free = struct.pack("<4sIII", b"Slot", 0, 0, 0)
    return b"".join([head, free, *slots]).ljust(pages * 4096, b"\0") + b"".join(blobs)


def test_ndb() -> None:
    headers = {number: header(name=f"{'a' * number}{number}") for number in range(1, 400)}
    found = rpm_packages(ndb(headers, pages=2), "db")
    assert [one.name for one in found] == [f"{'a' * number}{number}" for number in headers]


def berkeley(folder: Path, headers: Mapping[int, bytes], run: Run, *, order: str = "<", page: int = 4096) -> bytes:
    """Return a hash table as rpm's, which Berkeley DB itself writes: headers by number, and the next number."""
    dump = ["VERSION=3", "format=bytevalue", "type=hash", f"db_lorder={1234 if order == '<' else 4321}"]
    dump += [f"db_pagesize={page}", "HEADER=END"]
    for number, data in {0: struct.pack(f"{order}I", len(headers) + 1), **headers}.items():
        dump += [" " + struct.pack(f"{order}I", number).hex(), " " + data.hex()]
    (folder / "dump").write_text("\n".join([*dump, "DATA=END", ""]))
    run("db5.3_load", "-f", folder / "dump", folder / "Packages")
    return (folder / "Packages").read_bytes()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("page", [512, 4096, 65536])
def test_berkeley_db(order: str, page: int, tmp_path: Path, run: Run) -> None:
    """With headers of few bytes, which stand beside their keys, and of many, which stand on pages of their own."""
    names = ["a" * length for length in (1, 200, 3000, 9000, 70_000)] * 40
    headers = {number: header(name=f"{name}{number}") for number, name in enumerate(names, 1)}
    found = rpm_packages(berkeley(tmp_path, headers, run, order=order, page=page), "db")
    assert [one.name for one in found] == [f"{name}{number}" for number, name in enumerate(names, 1)]


@pytest.mark.parametrize("form", ["ndb", "Berkeley DB"])
def test_a_database_that_was_cut_short(form: str) -> None:
    whole = ndb({1: header(name="a" * 9000), 2: header(name="b")}) if form == "ndb" else table()
    list(rpm_packages(whole, "db"))
    for size in {16, 600, *range(0, len(whole), 97)}:
        with pytest.raises(ContentError, match="not a readable rpm database"):
            list(rpm_packages(whole[:size], "db"))


@given(st.sampled_from([table(), ndb({1: header(), 2: header()})]), st.integers(0, 65535), st.binary(max_size=8))
def test_damage_is_told_if_it_is_told_at_all(whole: bytes, place: int, instead: bytes) -> None:
    place %= len(whole)
    with contextlib.suppress(ContentError):
        list(rpm_packages(whole[:place] + instead + whole[place + len(instead) :], "db"))


def test_keys_and_rows_without_a_name_are_no_packages() -> None:
    found = rpm_packages(database(header(), header(name="gpg-pubkey"), header(kind=1), "text", None), "db")
    assert [(one.name, one.version) for one in found] == [("hello", "1")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a readable rpm database"),
        (b"SQLite format 3\0" + bytes(100), "not a readable rpm database"),
        (database(header())[:5000], "not a readable rpm database"),
        (database(schema="CREATE TABLE Other (x)"), "no such table"),
        (database(b"\0\0\0\1"), "damaged header"),
        (database(struct.pack(">II", 2**31, 0)), "tags"),
        (database(header()[:-1]), "damaged header"),
    ],
)
def test_what_is_no_database(data: bytes, message: str) -> None:
    with pytest.raises(ContentError, match=message):
        list(rpm_packages(data, "db"))


def test_a_view_that_computes_for_ever_is_stopped() -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) AS hnum, '' AS blob FROM n"
    with pytest.raises(ContentError, match="interrupted"):
        list(rpm_packages(database(schema=f"CREATE VIEW Packages AS {endless}"), "db"))


@given(st.binary(max_size=200))
def test_any_header(data: bytes) -> None:
    with contextlib.suppress(ContentError):
        list(rpm_packages(database(data), "db"))
