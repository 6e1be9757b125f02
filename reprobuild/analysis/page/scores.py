"""The section of reproducibility: how the scores are spread, which reasons are met most, and each connector's."""

from collections.abc import Sequence

from reprobuild.analysis.facts import Reason
from reprobuild.analysis.page.markup import Markup, element, joined
from reprobuild.analysis.page.section import Section
from reprobuild.analysis.page.subject import Subjects
from reprobuild.analysis.page.table import Cell, Column, Row, bar, names, no_rows, table
from reprobuild.analysis.score import REASONS

__all__ = ["scores_section"]

_STEP = 10
_TALLEST = 110
"""The height of the tallest column, in pixels."""


def scores_section(subjects: Subjects) -> Section:
    """Return the section."""
    scores = subjects.fleet.scores
    body = (_spread(subjects), _by_reason(subjects), _by_connector(subjects)) if scores else ()
    return Section(
        id="reproducibility",
        title="Reproducibility",
        lead="How near each connector is to an image that anybody can build again, bit by bit: 100 points, less what "
        "is known to speak against it. What was not read costs nothing.",
        body=body,
        note=str(len(scores)),
        absent="" if scores else "nothing was read that could be judged",
    )


def _spread(subjects: Subjects) -> Markup:
    """Return the columns chart of scores: ten wide each, and 100 on its own."""
    groups: list[list[str]] = [[] for _ in range(0, 101, _STEP)]
    for score in subjects.fleet.scores:
        groups[min(max(score.points, 0), 100) // _STEP].append(score.connector)
    most = max(map(len, groups))
    items = []
    for place, group in enumerate(groups):
        label = "100" if place == 100 // _STEP else f"{place * _STEP}\u2013{place * _STEP + _STEP - 1}"
        height = f"{_TALLEST * len(group) / most:.0f}"
        column = element("svg", element("rect", width="100%", height="100%"), height=height, aria_hidden="true")
        shown = element("b", len(group), data_n=True)
        tick = element("span", label)
        items.append(element("li", shown, column, tick, data_s=subjects.of_connectors(group)))
    return element(
        "figure",
        element("figcaption", "Connectors by score"),
        element(
            "ol", *items, class_="columns", aria_label="Connectors by score", data_most=most, data_tallest=_TALLEST
        ),
    )


def _by_reason(subjects: Subjects) -> Markup:
    found: dict[str, list[str]] = {}
    for score in subjects.fleet.scores:
        for reason in score.reasons:
            found.setdefault(reason.code, []).append(score.connector)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    total = len(subjects.fleet.scores)
    rows = [
        Row(
            subjects=subjects.of_connectors(connectors),
            cells=(
                Cell(_titled(code), key=_title(code)),
                Cell(bar(len(connectors), total), key=len(connectors)),
                Cell(len(connectors), counts=True),
                REASONS[code].points if code in REASONS else "",
                REASONS[code].hint if code in REASONS else "",
                names(connectors, total),
            ),
        )
        for code, connectors in ordered
    ]
    columns = (
        Column("What costs points"),
        Column("Share", "wide", sorts=False),
        Column("Connectors", "number"),
        Column("Points", "number"),
        Column("What mends it", "wide", sorts=False),
        Column("Which", "wide", sorts=False),
    )
    return element(
        "figure",
        element("figcaption", "What costs points, over the fleet"),
        table("What costs points, over the fleet", columns, rows) if rows else no_rows("Nothing costs points."),
    )


def _by_connector(subjects: Subjects) -> Markup:
    variants = {name: n for n, variant in enumerate(subjects.fleet.variants) for name in variant.connectors}
    rows = [
        Row(
            subjects=subjects.of_connectors([score.connector]),
            cells=(
                score.connector,
                Cell(bar(score.points, 100), key=score.points),
                score.points,
                _variant(subjects, variants.get(score.connector)),
                _reasons(score.reasons),
            ),
        )
        for score in sorted(subjects.fleet.scores, key=lambda one: (one.points, one.connector))
    ]
    columns = (
        Column("Connector"),
        Column("Of 100", "wide", sorts=False),
        Column("Score", "number"),
        Column("Variant"),
        Column("Why", "wide", sorts=False),
    )
    return element(
        "figure",
        element("figcaption", "Each connector, the lowest score first"),
        table("Score of each connector", columns, rows),
    )


def _variant(subjects: Subjects, place: int | None) -> Markup | None:
    if place is None:
        return None
    return element("a", element("code", subjects.fleet.variants[place].digest, class_="hash"), href=f"#variant-{place}")


def _reasons(reasons: Sequence[Reason]) -> Markup:
    """Return the titles of *reasons* in a line or two, and below them, folded, what was found."""
    if not reasons:
        return element("span", "nothing known against it", class_="quiet")
    titles = (joined([element("span", _points(reason), " ", _title(reason.code)), " "]) for reason in reasons)
    return element(
        "details", element("summary", *titles, class_="titles"), element("ul", *map(_reason, reasons), class_="reasons")
    )


def _points(reason: Reason) -> Markup:
    return element("span", f"\u2212{reason.points}", class_="points")


def _reason(reason: Reason) -> Markup:
    return element("li", _points(reason), element("span", element("b", _title(reason.code)), " ", reason.text))


def _titled(code: str) -> Markup:
    return element("span", _title(code), element("code", code, class_="quiet under"))


def _title(code: str) -> str:
    return REASONS[code].title if code in REASONS else code
