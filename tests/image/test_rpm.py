"""rpm's database: one that rpm itself has written, and ones that are broken or hostile."""

import contextlib
import shutil
import sqlite3
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.errors import ContentError
from reprobuild.image.os_packages import OsPackage
from reprobuild.image.rpm import rpm_packages

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


def database(*headers: object, schema: str = "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)") -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute(schema)
    for one in headers:
        connection.execute("INSERT INTO Packages (blob) VALUES (?)", (one,))
    connection.commit()
    data = connection.serialize()
    connection.close()
    return data


def test_what_rpm_has_installed(tmp_path: Path) -> None:
    if shutil.which("rpmbuild") is None:
        pytest.fail("rpmbuild is missing: apt-get install rpm")
    (tmp_path / "hello.spec").write_text(SPECIFICATION)
    folder = str(tmp_path / "db")

    def run(*command: str) -> None:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    run("rpmbuild", "-bb", "--define", f"_topdir {tmp_path}", "hello.spec")
    run("rpm", "--dbpath", folder, "--initdb")
    run("rpm", "--dbpath", folder, "-i", "--nodeps", "--justdb", str(next(tmp_path.glob("RPMS/noarch/*.rpm"))))
    found = list(rpm_packages((tmp_path / "db" / "rpmdb.sqlite").read_bytes(), "var/lib/rpm/rpmdb.sqlite"))
    assert found == [
        OsPackage(
            kind="rpm",
            name="hello",
            version="2.12-3",
            epoch="1",
            architecture="noarch",
            license="GPL-3.0-or-later",
            source="hello-2.12-3.src.rpm",
            database="var/lib/rpm/rpmdb.sqlite",
        )
    ]


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
