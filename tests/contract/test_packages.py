"""dpkg's and apk's databases, whole, broken and hostile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.contract.packages import installed_packages
from tests.contract.bases import check, facts, outcomes
from tests.resolver.base_images import file, folder, link

DPKG = b"""Package: libstdc++6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 12.2.0-14+deb12u1
Description: GNU Standard C++ Library v3
 Version: 99
 .
 more

Package: old
Status: deinstall ok config-files
Version: 1.0

Package: libc6
Status: install ok installed
Version: 2.36-9
\t
Package: libc6
Architecture: i386
Status: install ok installed
Version: 2.36-8
"""
APK = b"""C:Q1abc=
P:musl
V:1.2.4-r2
A:x86_64
F:lib
R:ld-musl-x86_64.so.1

P:libstdc++
V:12.2.1_git20220924-r10

"""


def test_dpkg() -> None:
    found = facts([file("var/lib/dpkg/status", DPKG)])
    assert installed_packages(found) == {"libstdc++6": {"12.2.0-14+deb12u1"}, "libc6": {"2.36-9", "2.36-8"}}
    assert outcomes(
        found, os_packages={"libstdc++6": "12.2.0-14+deb12u1", "libc6": "2.36-8", "old": "*", "gone": "*"}
    ) == {
        "os-package libstdc++6 12.2.0-14+deb12u1": "",
        "os-package libc6 2.36-8": "",
        "os-package old": "it is not installed",
        "os-package gone": "it is not installed",
    }
    assert check(found, os_packages={"libstdc++6": "12.2.0-14"}).found == "it is 12.2.0-14+deb12u1"
    assert check(found, os_packages={"libstdc++6": "12.2.*"}).outcome == "passed"
    assert check(found, os_packages={"libc6": "2.37*"}).found == "it is 2.36-8 and 2.36-9"


def test_a_folder_of_packages_as_images_without_dpkg_have_it() -> None:
    files = [
        file("var/lib/dpkg/status.d/base-files", b"Package: base-files\nVersion: 12.4\n"),
        file("var/lib/dpkg/status.d/base-files.md5sums", b"d41d8  etc/debian_version\n"),
        folder("var/lib/dpkg/status.d/folder"),
    ]
    assert installed_packages(facts(files)) == {"base-files": {"12.4"}}


@pytest.mark.parametrize("place", ["lib/apk/db/installed", "usr/lib/apk/db/installed"])
def test_apk(place: str) -> None:
    files = [file(place, APK), *([link("lib", "usr/lib")] if place.startswith("usr") else [])]
    found = facts(files)
    assert installed_packages(found) == {"musl": {"1.2.4-r2"}, "libstdc++": {"12.2.1_git20220924-r10"}}
    assert check(found, os_packages={"musl": "1.2.*"}).outcome == "passed"


def test_no_database() -> None:
    assert check(facts(), os_packages={"bash": "*"}).found == "neither dpkg nor apk has a database in it"
    assert check(facts([file("var/lib/dpkg/status")]), os_packages={"bash": "*"}).found == "it is not installed"


@given(st.binary())
def test_whatever_stands_there_is_read(content: bytes) -> None:
    for place in ("var/lib/dpkg/status", "lib/apk/db/installed"):
        assert installed_packages(facts([file(place, content)])) is not None
