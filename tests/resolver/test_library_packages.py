"""Packages by library, in the words of the base's own distribution."""

import pytest

from reprobuild.resolver.library_packages import package_with

DEBIAN = {"ID": "debian", "VERSION_ID": "12"}
ALPINE = {"ID": "alpine"}


@pytest.mark.parametrize(
    ("library", "release", "said"),
    [
        ("libstdc++.so.6", DEBIAN, "Debian's package libstdc++6"),
        ("libstdc++.so.6", {"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "Debian's package libstdc++6"),
        ("libstdc++.so.6", ALPINE, "Alpine's package libstdc++"),
        ("libgomp.so.1", DEBIAN, "Debian's package libgomp1"),
        ("libm.so.6", DEBIAN, "Debian's package libc6"),
        ("libpython3.12.so.1.0", DEBIAN, "Debian's package libpython3.12"),
        ("libssl.so.1.1", DEBIAN, "Debian 11's package libssl1.1"),
        ("libnowhere.so.7", DEBIAN, "the package that `apt-file search libnowhere.so.7` names"),
        ("libnowhere.so.7", ALPINE, "the package that `apk search so:libnowhere.so.7` names"),
        ("libtinfo.so.6", ALPINE, "the package that `apk search so:libtinfo.so.6` names"),
        (
            "libpq.so.5",
            {"ID": "rocky", "ID_LIKE": "rhel fedora"},
            "the package that `dnf provides '*/libpq.so.5'` names",
        ),
        ("libpq.so.5", {}, "the package that has it (as Debian's package libpq5 or Alpine's package libpq does)"),
        ("libnowhere.so.7", {"ID": "arch"}, "the package that has it"),
    ],
)
def test_the_package_or_how_to_find_it(library: str, release: dict[str, str], said: str) -> None:
    assert package_with(library, release) == said
