"""What an image takes for local time."""

import pytest

from reprobuild.contract.timezone import timezone_fault
from tests.contract.bases import facts
from tests.resolver.base_images import Files, file, link

UTC_FILE = b"TZif2" + bytes(39) + b"TZif2" + bytes(60) + b"\nUTC0\n"
PARIS = b"TZif2" + bytes(120) + b"\nCET-1CEST,M3.5.0,M10.5.0/3\n"
ZONES: Files = [
    file("usr/share/zoneinfo/Etc/UTC", UTC_FILE),
    link("usr/share/zoneinfo/UTC", "Etc/UTC"),
    file("usr/share/zoneinfo/Europe/Paris", PARIS),
    link("usr/share/zoneinfo/Europe/Monaco", "Paris"),
]


@pytest.mark.parametrize(
    "localtime",
    [
        [],
        [link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")],
        [link("etc/localtime", "/usr/share/zoneinfo/UTC")],
        [link("etc/localtime", "../usr/share/zoneinfo/Zulu")],
        [file("etc/localtime", UTC_FILE)],
        [file("etc/localtime", UTC_FILE[:-6] + b"\n<UTC>0\n")],
    ],
    ids=str,
)
@pytest.mark.parametrize("zones", [[], ZONES], ids=["bare", "zones"])
def test_utc(localtime: Files, zones: Files) -> None:
    found = facts([*zones, *localtime])
    assert timezone_fault(found, "UTC") is None
    assert timezone_fault(found, "Etc/UTC") is None
    assert timezone_fault(found, "Europe/Paris") is not None


@pytest.mark.parametrize(
    "localtime",
    [
        [link("etc/localtime", "/usr/share/zoneinfo/Europe/Paris")],
        [link("etc/localtime", "../usr/share/zoneinfo/Europe/Monaco")],
        [file("etc/localtime", PARIS)],
    ],
    ids=str,
)
def test_another_zone(localtime: Files) -> None:
    found = facts([*ZONES, *localtime])
    assert timezone_fault(found, "Europe/Paris") is None
    assert timezone_fault(found, "Europe/Monaco") is None or localtime[0][0].kind == "file"
    assert timezone_fault(found, "UTC") is not None
    assert timezone_fault(found, "Europe/Oslo") is not None


@pytest.mark.parametrize(
    ("localtime", "why"),
    [
        ([], "there is no /etc/localtime, so it is UTC"),
        (
            [link("etc/localtime", "/usr/share/zoneinfo/Asia/Tokyo")],
            "/etc/localtime leads to /usr/share/zoneinfo/Asia/Tokyo, which is missing",
        ),
        ([link("etc/localtime", "localtime")], "/etc/localtime leads to localtime, which is missing"),
        ([file("etc/localtime", b"")], "/etc/localtime is a file of its own, with another zone in it"),
        ([file("etc/localtime", b"\xff" * 99)], "/etc/localtime is a file of its own, with another zone in it"),
    ],
)
def test_what_is_found_is_told(localtime: Files, why: str) -> None:
    assert timezone_fault(facts([*ZONES, *localtime]), "Asia/Tokyo") == why


def test_the_variable_goes_over_the_file_and_the_setup_too() -> None:
    paris = [*ZONES, link("etc/localtime", "/usr/share/zoneinfo/Europe/Paris")]
    for value in ("UTC", ":UTC", "", "Etc/UTC", "/usr/share/zoneinfo/Etc/UTC", "UTC0"):
        assert timezone_fault(facts(paris, {"TZ": value}), "UTC") is None
    assert timezone_fault(facts(paris, {"TZ": "Europe/Oslo"}), "Europe/Paris") == "TZ is 'Europe/Oslo'"
    assert timezone_fault(facts(paris, timezone="UTC"), "UTC") is None
    assert timezone_fault(facts(paris, timezone="UTC"), "Europe/Paris") == "it is set to UTC"
