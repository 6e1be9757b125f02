"""Tables of the page: real ones, which the script can sort and filter, and which become cards on a narrow screen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reprobuild.analysis.page.markup import Child, Markup, element, joined

__all__ = ["Cell", "Column", "Row", "bar", "grouped", "megabytes", "names", "no_rows", "table"]

_FEW = 3


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, and how its cells look and sort.

    *kind* is ``text``, ``number``, or ``wide`` for what takes a line of its own on a narrow screen.
    """

    title: str
    kind: str = "text"
    sorts: bool = True


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows, what it sorts by if that is not its text, and whether the script counts subjects in it."""

    content: Child
    key: str | int | None = None
    counts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row: the numbers of the subjects that it is about (see `Subjects`), and a cell for each column."""

    subjects: str
    cells: Sequence[Cell | Child]
    id: str | None = None


def table(label: str, columns: Sequence[Column], rows: Iterable[Row], *, unit: str = "connector") -> Markup:
    """Return a table; *unit* is what the script counts again when the filter changes: connectors or images."""
    heads = [
        element("th", one.title, scope="col", role="columnheader", data_t=one.kind, data_fixed=not one.sorts)
        for one in columns
    ]
    body = joined(_row(columns, row) for row in rows)
    return element(
        "div",
        element(
            "table",
            element("thead", element("tr", *heads, role="row"), role="rowgroup"),
            element("tbody", body, role="rowgroup"),
            role="table",
            aria_label=label,
            data_unit=unit,
        ),
        element("p", "No row fits the filter.", class_="empty", hidden=True),
        class_="table",
    )


def bar(count: int, most: int, *, kind: str = "") -> Markup:
    """Return a bar for *count* of *most*; the number beside it says the same to those who do not see it."""
    width = f"{100 * count / most:.1f}" if most else "0"
    rect = element("rect", width=width, height="8")
    box = {"viewBox": "0 0 100 8", "preserveAspectRatio": "none", "aria_hidden": "true"}
    return element("svg", rect, class_=f"bar {kind}".strip(), data_most=most, **box)


def names(connectors: Sequence[str], total: int) -> Markup:
    """Return the names of *connectors*: few at once, many folded, and in a word if it is all of *total*."""
    if len(connectors) == total > _FEW:
        return element("span", f"all {total}", class_="quiet")
    return grouped(connectors, "connectors")


def grouped(texts: Sequence[str], noun: str, *, tag: str = "span") -> Markup:
    """Return *texts* in a line if they are few, else folded under their number."""
    listed = joined(element("li", element(tag, text) if tag != "span" else text) for text in texts)
    if len(texts) <= _FEW:
        return element("ul", listed, class_="names")
    return element("details", element("summary", f"{len(texts)} {noun}"), element("ul", listed, class_="names"))


def megabytes(count: int) -> str:
    """Return *count* bytes in MB, with as many digits as one can read."""
    amount = count / 1e6
    return f"{amount:,.0f}" if amount >= 99.95 else f"{amount:.1f}" if amount >= 0.05 else "<0.1" if count else "0"


def no_rows(text: str) -> Markup:
    """Return what stands in the place of a table that would have no rows."""
    return element("p", text, class_="nothing")


def _row(columns: Sequence[Column], row: Row) -> Markup:
    return element(
        "tr",
        *(
            _cell(column, cell, is_head=not place)
            for place, (column, cell) in enumerate(zip(columns, row.cells, strict=True))
        ),
        role="row",
        data_s=row.subjects,
        id=row.id,
    )


def _cell(column: Column, cell: Cell | Child, *, is_head: bool) -> Markup:
    one = cell if isinstance(cell, Cell) else Cell(cell)
    kind = {"number": "n", "wide": "w"}.get(column.kind)
    content = "" if one.content is None else one.content
    if is_head:
        return element("th", content, scope="row", role="rowheader", data_k=one.key, class_=kind)
    return element("td", content, role="cell", data_l=column.title, data_k=one.key, data_n=one.counts, class_=kind)
