"""The page as text: everything is escaped, nothing is fetched, and equal fleets are equal bytes."""

import base64
import hashlib
import os
import re
import subprocess
import sys
from dataclasses import fields, replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.analysis.facts import Cause, Fleet, Score
from reprobuild.analysis.page.markup import Markup, element, visible
from reprobuild.analysis.page.table import megabytes
from reprobuild.analysis.page.versions import natural
from reprobuild.analysis.report_html import fleet_page
from tests.analysis.fleets import fleet_of, hostile_fleet
from tests.analysis.test_report_json import values

TAGS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "a",
        "header",
        "h1",
        "h2",
        "p",
        "nav",
        "ul",
        "ol",
        "li",
        "form",
    ),
    *("label", "span", "input", "select", "option", "button", "output", "main", "section", "dl", "div", "dt", "dd"),
    *("figure", "figcaption", "table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "code", "pre", "details"),
    *("summary", "b", "footer", "script", "time"),
}
VOID = {"meta", "input", "rect"}


class Reader(HTMLParser):
    """Collects the elements, attributes and texts of a page, and holds every element to be closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute of {tag} stands twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def check(page: str) -> Reader:
    """Hold *page* to what every page has to be."""
    reader = Reader(page)
    assert reader.tags <= TAGS
    names = {name for name, _ in reader.attributes}
    assert not {name for name in names if name.startswith("on")} | names & {"style", "src", "srcset", "action"}
    assert all((value or "").startswith("#") for name, value in reader.attributes if name == "href")
    ids = [value for name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert page.count("</script>") == 2
    assert "http-equiv" in names
    return reader


def test_a_page_holds_what_was_found() -> None:
    fleet = fleet_of()
    text = " ".join(check(fleet_page(fleet, title="Certified", date="2023-09-08")).texts)
    for word in (
        *(one.connector for one in fleet.dockerfiles), *(one.digest for one in fleet.variants), "2023-09-08",
        *(one.name for one in fleet.settings), "Certified", "libc6-dev", "3.0.9-1", "python:3.9.11-alpine3.15",
        *Cause.ALL, "the registry has no such tag", "layer 3: the rpm database is damaged", "main_dev.py",
        "io.airbyte.version",
    ):  # fmt: skip
        assert word in text, word


def test_no_text_of_others_is_html_or_script() -> None:
    page = fleet_page(hostile_fleet(), title="</title><script>alert(1)</script>", date="<b>")
    reader = check(page)
    assert "img" not in reader.tags
    assert "\\u202e" in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00]", page)


@given(values(Fleet))
def test_any_fleet_has_a_page(fleet: Fleet) -> None:
    check(fleet_page(fleet))


@pytest.mark.parametrize("points", [-5, 1000, 2**70])
def test_a_score_that_cannot_be_is_drawn_at_the_end(points: int) -> None:
    check(fleet_page(Fleet(scores=(Score(connector="a", points=points, reasons=()),))))


@pytest.mark.parametrize("part", [one.name for one in fields(Fleet)])
def test_a_report_of_one_part_leaves_out_what_nobody_has_read(part: str) -> None:
    page = fleet_page(replace(Fleet(), **{part: getattr(fleet_of(), part)}))
    check(page)
    assert "Not in this report" in page
    assert ('<h2 id="sizes-heading"' in page) == (part == "images")


def test_the_policy_allows_the_one_style_and_the_one_script() -> None:
    page = fleet_page(fleet_of(3))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]  # type: ignore[index]
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)[1]  # type: ignore[index]
    script = re.search("<script>(.*?)</script>", page, re.DOTALL)[1]  # type: ignore[index]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
        assert "://" not in text
        assert "url(" not in text
        assert "innerHTML" not in text


def test_equal_fleets_are_equal_bytes_whatever_the_seed_of_hashes() -> None:
    code = (
        "import hashlib; from tests.analysis.fleets import *; from reprobuild.analysis.report_html import fleet_page; "
        "print(hashlib.sha256(fleet_page(fleet_of()).encode()).hexdigest())"
    )
    here = hashlib.sha256(fleet_page(fleet_of()).encode()).hexdigest()
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Kathmandu", "LC_ALL": "C"}
    there = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


def test_the_page_of_a_large_fleet_stays_small() -> None:
    assert len(fleet_page(fleet_of(300)).encode()) < 3_000_000


def test_an_element_escapes_all_but_markup() -> None:
    found = element("a", "<b>", Markup("<i></i>"), None, 3, class_="x\"'", data_k=0, hidden=True, id=None)
    assert found == '<a class="x&quot;&#39;" data-k="0" hidden>&lt;b&gt;<i></i>3</a>'


@given(st.text())
def test_what_is_visible_can_be_encoded_and_turns_nothing_around(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert not re.search("[\x00\r\u200f\u202e\u2066\ud800-\udfff]", shown)
    assert visible(shown) == shown


def test_versions_sort_by_their_numbers() -> None:
    texts = ["3.9.18", "3.10.1", "3.9.2", "3.9", "22.0.4", "9" * 5000, "", "3.9.2-slim"]
    assert sorted(texts, key=natural) == ["", "3.9", "3.9.2", "3.9.2-slim", "3.9.18", "3.10.1", "22.0.4", "9" * 5000]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (1, "<0.1"), (60_000, "0.1"), (99_940_000, "99.9"), (99_960_000, "100"), (10**10, "10,000")],
)
def test_bytes_have_as_many_digits_as_one_reads(count: int, text: str) -> None:
    assert megabytes(count) == text
