"""The page in Chromium: charts are drawn, filter and sort work by keyboard too, and nothing is asked of the network."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reprobuild.analysis.facts import Fleet
from reprobuild.analysis.report_html import fleet_page
from tests.analysis.browser import Page, page_of
from tests.analysis.fleets import fleet_of, hostile_fleet

FLEET = fleet_of()
SCORES = "[...document.querySelectorAll('#reproducibility figure:last-of-type tbody tr')]"
SHOWN = ".filter((row) => row.checkVisibility()).map((row) => row.cells[0].textContent)"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("browser")
    (folder / "report.html").write_text(fleet_page(FLEET), "utf-8")
    with page_of(folder / "report.html", folder / "profile") as page:
        yield page
        assert page.complaints == []
        assert page.requests == [(folder / "report.html").as_uri()]


@pytest.fixture
def page(opened: Page) -> Page:
    opened.shows(1280, 900)
    opened.value("document.querySelector('form').reset()")
    opened.value("new Promise((done) => setTimeout(done))")
    return opened


def choose(page: Page, name: str, value: str) -> None:
    """Put *value* into the filter's field *name*."""
    field = f"document.querySelector('form').elements['{name}']"
    page.value(f"{field}.value = {value!r}; {field}.dispatchEvent(new Event('input', {{bubbles: true}}))")


def shown(page: Page, rows: str) -> list[str]:
    """Return the first cells of the rows that can be seen."""
    return list(page.value(rows + SHOWN))


def rows_of(section: str, number: int = 1) -> str:
    return f"[...[...document.querySelectorAll('#{section} div.table')][{number - 1}].querySelectorAll('tbody tr')]"


def unfold(page: Page) -> None:
    """Press every button that shows the rest of a table."""
    page.value("document.querySelectorAll('.more').forEach((one) => one.textContent.includes('all') && one.click())")


def test_charts_are_drawn(page: Page) -> None:
    drawn = "[...document.querySelectorAll('%s rect')].filter((one) => one.getBoundingClientRect().width > 0.5).length"
    assert page.value(drawn % ".columns") == len({score.points // 10 for score in FLEET.scores})
    assert page.value(drawn % "#variants .bar") == len(FLEET.variants)
    assert page.value(drawn % "#drift .bar") >= 10
    assert page.value(drawn % ".stack.whole") >= 5
    widths = page.value(
        "[...document.querySelectorAll('#sizes tbody .stack')].filter((one) => one.checkVisibility())"
        ".map((one) => [...one.children].reduce((sum, rect) => sum + rect.getBoundingClientRect().width, 0))"
    )
    assert widths == sorted(widths, reverse=True)
    colors = page.value(
        "[...document.querySelectorAll('.legend rect')].map((one) => getComputedStyle(one).fill)",
    )
    assert len(set(colors)) == 7


def test_a_long_table_is_shown_in_part_until_all_is_wanted(page: Page) -> None:
    assert len(shown(page, SCORES)) == 12
    button = "document.querySelector('#reproducibility figure:last-of-type .more')"
    assert page.value(f"{button}.textContent") == "Show all 47"
    page.value(f"{button}.click()")
    assert len(shown(page, SCORES)) == 47
    page.value(f"{button}.click()")
    assert len(shown(page, SCORES)) == 12


def test_a_name_that_is_typed_leaves_that_connector_everywhere(page: Page) -> None:
    page.type("input[type=search]", "zendesk-chat")
    assert page.value("document.querySelector('output').textContent") == "1 of 47 connectors"
    assert shown(page, SCORES) == ["source-zendesk-chat"]
    assert len(shown(page, rows_of("variants"))) == 1
    assert {name.split()[0] for name in shown(page, rows_of("sizes"))} == {"source-zendesk-chat"}
    assert "AIRBYTE_IMPL_MODULE" in shown(page, rows_of("environment"))
    assert page.value("[...document.querySelectorAll('.columns b')].map((one) => +one.textContent)").count(1) == 1
    page.value("document.querySelector('form button').click()")
    assert page.value(
        "new Promise((done) => setTimeout(() => done(document.querySelector('output').textContent)))"
    ) == ("47 connectors")


def test_charts_keep_their_bars_under_a_filter(page: Page) -> None:
    bars = len(shown(page, rows_of("drift")))
    page.type("input[type=search]", "zendesk-chat")
    assert len(shown(page, rows_of("drift"))) == bars
    images = sum(image.connector == "source-zendesk-chat" for image in FLEET.images)
    counts = page.value(f"{rows_of('drift')}.map((row) => +row.cells[3].textContent)")
    assert sum(counts) == 2 * images


def test_a_text_that_is_no_name_is_looked_for_in_the_rows(page: Page) -> None:
    page.type("input[type=search]", "LIBC6-dev")
    assert shown(page, rows_of("os-packages")) == ["libc6-dev"]
    assert page.value("document.querySelector('output').textContent") == "47 connectors"
    assert not page.value("document.querySelector('#bases .empty').hidden")


def test_variant_platform_and_score_narrow_and_counts_follow(page: Page) -> None:
    variant = FLEET.variants[0]
    choose(page, "variant", variant.digest)
    unfold(page)
    assert sorted(shown(page, SCORES)) == sorted(variant.connectors)
    choose(page, "platform", "linux/arm64")
    arm = {image.connector for image in FLEET.images if image.platform == "linux/arm64"} & {*variant.connectors}
    assert set(shown(page, SCORES)) == arm
    assert arm
    counts = page.value("[...document.querySelectorAll('#variants tbody [data-n]')].map((one) => +one.textContent)")
    assert [count for count in counts if count] == [len(arm)]
    choose(page, "least", "100")
    assert shown(page, SCORES) == []
    assert page.value("document.querySelector('output').textContent") == "0 of 47 connectors"
    assert page.value("[...document.querySelectorAll('#drift .bar rect')].every((one) => !+one.getAttribute('width'))")


def test_columns_sort_by_key_and_tell_so(page: Page) -> None:
    head = "document.querySelectorAll('#sizes th')[3]"
    page.value(f"{head}.querySelector('button').focus()")
    page.press("Enter", 13, "\r")
    unfold(page)
    downloads = "[...document.querySelectorAll('#sizes tbody tr')].map((row) => +row.cells[3].dataset.k)"
    found = page.value(downloads)
    assert found == sorted(found, reverse=True)
    assert page.value(f"{head}.getAttribute('aria-sort')") == "descending"
    page.press("Enter", 13, "\r")
    assert page.value(downloads) == sorted(found)
    assert page.value(f"{head}.getAttribute('aria-sort')") == "ascending"
    table = "document.querySelectorAll('#drift div.table')[3]"
    page.value(f"{table}.querySelectorAll('th')[2].querySelector('button').click()")
    pythons = page.value(f"[...{table}.querySelectorAll('tbody tr')].map((row) => row.cells[2].textContent)")
    assert [text.split()[0] for text in pythons] == sorted(image.python.found for image in FLEET.images)


def test_a_link_leads_to_what_is_hidden(page: Page) -> None:
    page.type("input[type=search]", FLEET.variants[0].connectors[0])
    last = len(FLEET.variants) - 1
    page.value(f"location.hash = '#variant-{last}'")
    target = f"document.getElementById('variant-{last}')"
    page.value("new Promise((done) => setTimeout(() => setTimeout(done)))")
    assert page.value(f"{target}.checkVisibility()")
    assert page.value(f"{target}.getBoundingClientRect().top") < 900


@pytest.mark.parametrize("width", [1280, 768, 390, 320])
def test_nothing_sticks_out(page: Page, width: int) -> None:
    page.shows(width, 800, is_phone=width < 500)
    assert page.value("document.documentElement.scrollWidth") == width


def test_every_table_and_field_has_a_name(page: Page) -> None:
    for kinds, least in ((("table",), 10), (("searchbox", "combobox", "spinbutton"), 4)):
        nodes = page.ask("Accessibility.getFullAXTree")["nodes"]
        names = [one["name"]["value"] for one in nodes if one.get("role", {}).get("value") in kinds]
        assert len(names) >= least
        assert all(names)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_told_from_its_background(page: Page, scheme: str) -> None:
    page.prefers(prefers_color_scheme=scheme)
    colors = page.value(
        "['--paper', '--ink', '--soft', '--accent', '--differs']"
        ".map((name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim())"
    )
    page.prefers(prefers_color_scheme="light")
    paper, *texts = map(luminance, colors)
    for text in texts:
        assert (max(paper, text) + 0.05) / (min(paper, text) + 0.05) >= 4.5, colors


def luminance(color: str) -> float:
    """Return the relative luminance of *color*, ``#rrggbb`` (WCAG 2.2)."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_browser_tells_what_a_page_does(tmp_path: Path) -> None:
    """Otherwise the tests above would prove nothing."""
    (tmp_path / "bad.html").write_text("<img src='http://127.0.0.1:9/x.png'><script>console.log(1); throw 2</script>")
    with page_of(tmp_path / "bad.html", tmp_path / "profile") as bad:
        assert len(bad.requests) == 2
        assert len(bad.complaints) >= 2


def test_print_has_all_rows_on_paper(page: Page) -> None:
    page.ask("Emulation.setEmulatedMedia", media="print")
    assert len(shown(page, SCORES)) == 47
    assert page.value("getComputedStyle(document.querySelector('.filter')).display") == "none"
    page.ask("Emulation.setEmulatedMedia", media="")
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("fleet", [hostile_fleet(), Fleet(), fleet_of(300)], ids=["hostile", "empty", "large"])
def test_other_fleets_have_pages_without_complaints(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(fleet_page(fleet), "utf-8")
    with page_of(tmp_path / "report.html", tmp_path / "profile") as page:
        page.shows(1280, 900)
        assert page.value("document.querySelector('form').hidden") is False
        assert page.value("document.querySelectorAll('img').length") == 0
        assert page.value("document.documentElement.scrollWidth") == 1280
        page.type("input[type=search]", "onerror")
        took = page.value(
            "(() => { const from = performance.now(); const field = document.querySelector('[type=search]');"
            "field.value = 'source-s'; field.dispatchEvent(new Event('input', {bubbles: true}));"
            "return performance.now() - from; })()"
        )
        assert took < 2000
        assert page.complaints == []
        assert len(page.requests) == 1
