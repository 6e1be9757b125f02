"""The section of variants: how many ways of writing a Dockerfile there are, and how they differ."""

from collections.abc import Mapping

from reprobuild.analysis.facts import Variant
from reprobuild.analysis.page.markup import Markup, element, joined
from reprobuild.analysis.page.section import Section
from reprobuild.analysis.page.subject import Subjects
from reprobuild.analysis.page.table import Cell, Column, Row, bar, names, table

__all__ = ["variants_section"]

_COLUMNS = (
    Column("Variant"),
    Column("Share", "wide", sorts=False),
    Column("Connectors", "number"),
    Column("Example"),
    Column("How it differs", "wide", sorts=False),
    Column("Which", "wide", sorts=False),
)


def variants_section(subjects: Subjects) -> Section:
    """Return the section."""
    variants = subjects.fleet.variants
    most = max((len(one.connectors) for one in variants), default=0)
    total = sum(len(one.connectors) for one in variants)
    places = {one.digest: place for place, one in reversed(list(enumerate(variants)))}
    rows = [_row(subjects, place, variant, places, (most, total)) for place, variant in enumerate(variants)]
    return Section(
        id="variants",
        title="Dockerfile variants",
        lead="Dockerfiles that are the same but for the name of the connector, comments, blank lines and the label of "
        "the version.",
        body=(table("Dockerfile variants", _COLUMNS, rows),),
        note=str(len(variants)),
        absent="" if rows else "no Dockerfile was read",
    )


def _row(subjects: Subjects, place: int, variant: Variant, places: Mapping[str, int], counts: tuple[int, int]) -> Row:
    count, (most, total) = len(variant.connectors), counts
    return Row(
        subjects=subjects.of_connectors(variant.connectors),
        id=f"variant-{place}",
        cells=(
            Cell(element("code", variant.digest, class_="hash"), key=variant.digest),
            bar(count, most),
            Cell(count, counts=True),
            variant.example,
            element("div", _differences(variant, places, is_first=place == 0), _text(variant)),
            names(variant.connectors, total),
        ),
    )


def _differences(variant: Variant, places: Mapping[str, int], *, is_first: bool) -> Markup:
    if (place := places.get(variant.compared_with)) is None:
        return element("span", "the most common one" if is_first else "", class_="quiet")
    link = element("a", element("code", variant.compared_with), href=f"#variant-{place}")
    if not variant.differences:
        return element("span", "from ", link, " in nothing that has a name: compare the text", class_="quiet")
    words = element("ul", *(element("li", one) for one in variant.differences), class_="words")
    return joined((element("span", "from ", link, class_="quiet"), words))


def _text(variant: Variant) -> Markup:
    lines = variant.text.count("\n") + 1
    text = element("pre", element("code", variant.text), tabindex=0)
    return element("details", element("summary", f"Normalised text, {lines} lines"), text)
