"""Scores: each reason is found, costs what is documented, and counts once."""

from dataclasses import replace
from pathlib import Path

import pytest

from reprobuild.analysis.facts import AddedPackage, Cause, Claim, DockerfileFacts, ImageFacts, LayerSize, PackageFacts
from reprobuild.analysis.score import REASONS, score_of, scores_of
from tests.analysis.fleets import fleet_of, hostile_fleet

CLEAN_FILE = DockerfileFacts(
    connector="a", path="a/Dockerfile", variant="abc1234", bases=("python@sha256:1",), moving_bases=(), stages=1,
    instructions=("FROM",), user="1000",
)  # fmt: skip
CLEAN = ImageFacts(
    connector="a", reference="a:1", digest="sha256:1", platform="linux/amd64", base="python:3.9@sha256:1",
    created="2023-09-08T00:00:00Z", user="airbyte", python=Claim(claimed="3.9.18", found="3.9.18"),
)  # fmt: skip
CURL = PackageFacts(kind="deb", name="curl", version="7.88")


def codes(files: list[DockerfileFacts], images: list[ImageFacts]) -> list[str]:
    return [reason.code for reason in score_of("a", files, images).reasons]


def layer(*, is_base: bool = False, **causes: int) -> LayerSize:
    return LayerSize(digest="sha256:2", compressed=1, causes=causes, is_base=is_base)


def test_nothing_known_against_a_connector_is_all_points() -> None:
    assert score_of("a", [CLEAN_FILE], [CLEAN]).points == 100
    assert score_of("a", [], []).points == 100


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"moving_bases": ("python:3.9",)}, "moving-base"),
        ({"unpinned_os_packages": ("bash",)}, "unpinned-os-packages"),
        ({"unpinned_pip_installs": (".",)}, "unpinned-pip"),
        ({"downloads": ("https://example.com/a.sh",)}, "unverified-download"),
    ],
)
def test_what_a_dockerfile_says_against_its_connector(change: dict[str, tuple[str, ...]], code: str) -> None:
    score = score_of("a", [replace(CLEAN_FILE, **change)], [CLEAN])
    assert [reason.code for reason in score.reasons] == [code]
    assert next(iter(change.values()))[0] in score.reasons[0].text
    assert score.points == 100 - REASONS[code].points


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"base_moved": True}, "base-moved"),
        ({"base": "python:3.9"}, "moving-base"),
        ({"base": ""}, "unknown-base"),
        ({"python": Claim(claimed="3.9.11", found="3.9.18")}, "python-differs"),
        ({"pip": Claim(claimed="22.0.4", found="23.2.1")}, "pip-differs"),
        ({"setuptools": Claim(claimed="58.1.0", found="65")}, "setuptools-differs"),
        ({"added": (AddedPackage(package=CURL),)}, "added-os-packages"),
        ({"added": (AddedPackage(package=CURL, before="7.80"),)}, "changed-os-packages"),
        ({"created": "2023-09-08T10:11:12.5Z"}, "created-time"),
        ({"layers": (layer(caches=5),)}, "caches"),
        ({"user": ""}, "root-user"),
        ({"user": "0:0"}, "root-user"),
    ],
)
def test_what_an_image_says_against_its_connector(change: dict[str, object], code: str) -> None:
    assert codes([], [replace(CLEAN, **change)]) == [code]


def test_what_is_not_known_costs_nothing() -> None:
    unknown = replace(CLEAN, base_moved=None, python=Claim(claimed="3.9.11"), pip=Claim(found="23"), added=None)
    assert codes([], [unknown]) == []


def test_the_base_of_a_connector_is_judged_by_its_dockerfile_if_there_is_one() -> None:
    assert codes([CLEAN_FILE], [replace(CLEAN, base="python:3.9")]) == []


def test_bytecode_counts_where_times_are_those_of_a_clock() -> None:
    compiled = replace(CLEAN, layers=(layer(**{Cause.BYTECODE: 10}),))
    assert codes([], [compiled]) == []
    assert codes([], [replace(compiled, created="2023-09-08T10:11:12.000000001+02:00")]) == ["created-time", "bytecode"]


def test_what_the_base_brings_is_not_held_against_the_connector() -> None:
    assert codes([], [replace(CLEAN, layers=(layer(is_base=True, caches=5),))]) == []


def test_a_reason_of_several_platforms_counts_once() -> None:
    images = [replace(CLEAN, platform=platform, user="root") for platform in ("linux/amd64", "linux/arm64")]
    score = score_of("a", [], images)
    assert [reason.code for reason in score.reasons] == ["root-user"]
    assert score.reasons[0].text == "its user is root"


def test_what_differs_on_platforms_is_told_of_each() -> None:
    images = [replace(CLEAN, pip=Claim(claimed="22", found=found)) for found in ("23.0", "23.1")]
    text = score_of("a", [], images).reasons[0].text
    assert "23.0" in text
    assert "23.1" in text


def test_points_and_reasons_add_up() -> None:
    assert sum(kind.points for kind in REASONS.values()) == 100
    for fleet in (fleet_of(), hostile_fleet()):
        for score in fleet.scores:
            assert score.points == 100 - sum(reason.points for reason in score.reasons) >= 0
            assert all(reason.hint for reason in score.reasons)


def test_every_connector_has_a_score_sorted_by_name() -> None:
    other = replace(CLEAN_FILE, connector="b")
    assert [score.connector for score in scores_of([other], [CLEAN])] == ["a", "b"]


def test_every_code_is_documented_with_its_points() -> None:
    text = (Path(__file__).parents[2] / "docs/reference/analysis.md").read_text()
    for code, kind in REASONS.items():
        assert f"| `{code}` | {kind.points} |" in text, f"docs/reference/analysis.md lacks {code}"
